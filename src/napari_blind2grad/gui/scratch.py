"""Folders for results that do not fit into memory, until they are saved."""

from __future__ import annotations

import re
import secrets
import shutil
import threading
import time
from pathlib import Path

from ..errors import OutputError
from ..io import check_place
from ..io.whole import ZARR_MARKS

#: Days that a result stays in the cache.
DAYS = 7


def cache() -> Path:
    """Return the folder that results are kept in."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("napari-blind2grad", appauthor=False)) / "results"


def new_place(name: str, nbytes: int, source: str | None = None) -> Path:
    """Return a path for a result that is not there yet, after making room for it.

    Parameters
    ----------
    name
        Of the image.
    nbytes
        Size of its pixels.
    source
        The image's file: where the cache's disk is too small, the result is put beside it.

    Raises
    ------
    OutputError
        If there is no room for it.
    """
    folder = cache()
    readable = re.sub(r"[^\w.+-]+", "_", name)[:60] or "image"
    file = f"{readable}_denoised-{secrets.token_hex(3)}.ome.zarr"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sweep()
        check_place(folder / file, nbytes=nbytes, replaces=ZARR_MARKS)
    except OSError as error:  # OutputError is one, too
        if source is None:
            raise _told(error) from error
        beside = _outside_of_zarr(Path(source).resolve()).parent / file
        try:
            check_place(beside, nbytes=nbytes, replaces=ZARR_MARKS)
        except OutputError:
            raise _told(error) from error
        return beside
    return folder / file


def sweep() -> None:
    """Remove results that have lain in the cache for longer than :data:`DAYS`."""
    limit = time.time() - DAYS * 24 * 3600
    for old in cache().glob("*.ome.zarr"):
        if old.stat().st_mtime < limit:
            remove(old)


def remove(path: Path) -> None:
    """Remove a result in the background: it may have very many files."""
    remover = threading.Thread(target=shutil.rmtree, args=(path,), kwargs={"ignore_errors": True})
    try:
        remover.start()
    except RuntimeError:  # Python is about to end and starts no more threads
        remover.run()


def _outside_of_zarr(path: Path) -> Path:
    """Return the outermost zarr folder that `path` lies in, or `path` itself."""
    for folder in (*reversed(path.parents), path):
        if any((folder / mark).is_file() for mark in ZARR_MARKS):
            return folder
    return path


def _told(error: OSError) -> OutputError:
    if isinstance(error, OutputError):
        return error
    return OutputError(f"There is no place for the result: {error.strerror} ({cache()}).")
