"""Files that are whole or not there at all, and the check for it before a long run."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import OutputError

#: File endings that can be written.
ENDINGS = (".tif", ".tiff", ".zarr")
#: Files by which an OME-Zarr folder is known.
ZARR_MARKS = ("zarr.json", ".zgroup", ".zattrs")
_OME_ENDINGS = (".ome.tif", ".ome.tiff")
_OME_DTYPES = frozenset(
    ["int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64"]
)


def is_ome(path: Path) -> bool:
    """Whether the name of `path` asks for OME-TIFF."""
    return path.name.lower().endswith(_OME_ENDINGS)


def is_zarr(path: Path) -> bool:
    """Whether the name of `path` asks for OME-Zarr."""
    return path.suffix.lower() == ".zarr"


def check_target(
    path: str | os.PathLike[str],
    *,
    dtype: npt.DTypeLike | None = None,
    nbytes: int = 0,
    source: str | os.PathLike[str] | None = None,
) -> None:
    """Find out before a long run whether `path` can be written after it.

    Parameters
    ----------
    path
        The file to write.
    dtype, nbytes
        Type and total size of its pixels.
    source
        The input file.

    Raises
    ------
    OutputError
        If the ending is not one of :data:`ENDINGS`, the dtype does not exist in the format, the
        folder is missing or write-protected, the disk too full, or `path` is the input file or a
        folder of something else.
    """
    path = Path(path)
    if path.suffix.lower() not in ENDINGS:
        raise OutputError(f"{path} must end in .ome.tif, .ome.tiff, .tif, .tiff or .ome.zarr.")
    if dtype is not None and is_ome(path) and np.dtype(dtype).name not in _OME_DTYPES:
        raise OutputError(
            f"OME-TIFF has no {np.dtype(dtype).name} pixels. Choose a name that ends in .tif without "
            ".ome, or another type such as float32."
        )
    marks = ZARR_MARKS if is_zarr(path) else ()
    check_place(path, nbytes=nbytes, source=source, replaces=marks)


def check_place(
    path: Path,
    *,
    nbytes: int = 0,
    source: str | os.PathLike[str] | None = None,
    replaces: Sequence[str] = (),
) -> None:
    """Find out whether a file of `nbytes` can be written at `path`, or a folder.

    Parameters
    ----------
    path
        Where it shall lie.
    nbytes
        Its size.
    source
        The input file.
    replaces
        For a folder: the files by which an older one of its kind is known, which may be replaced. An
        empty folder may be replaced too. None for a file.

    Raises
    ------
    OutputError
        If it cannot.
    """
    folder = path.resolve().parent
    if not folder.is_dir():
        raise OutputError(
            f"The folder {folder} does not exist. Create it first, or choose another."
        )
    if source is not None and path.exists() and path.samefile(source):
        raise OutputError(
            f"{path} is the input file, which is never overwritten. Choose another name."
        )
    if replaces:
        _check_replaceable(path, replaces)
    elif path.is_dir():
        raise OutputError(f"{path} is a folder. Give the name of a file in it.")
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise OutputError(f"There is no permission to write {path}. Choose another folder.")
    usage = shutil.disk_usage(folder)
    # Some network drives report no size at all.
    if usage.total and usage.free < nbytes:
        raise OutputError(
            f"The disk of {folder} is full: {nbytes / 2**20:.1f} MiB are needed and "
            f"{usage.free / 2**20:.1f} MiB are free. Free some space or choose another folder."
        )


def _check_replaceable(path: Path, marks: Sequence[str]) -> None:
    if path.is_file():
        raise OutputError(f"{path} is a file, but a folder shall be written. Choose another name.")
    if not path.is_dir() or any((path / mark).is_file() for mark in marks):
        return
    if any(path.iterdir()):
        raise OutputError(
            f"The folder {path} holds something else, which is not overwritten. Choose another name."
        )


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str], *, lasting: str = "") -> Iterator[Path]:
    """Give a temporary file beside `path` that takes its name once the block ends without an error.

    On any error, an interrupt included, the temporary file is removed and `path` stays as it was.

    Parameters
    ----------
    path
        The file to write.
    lasting
        A word of letters and digits: the temporary file outlives errors, and is given again, with what it
        holds, for the same word. :func:`remove_leftovers` removes it.

    Raises
    ------
    OutputError
        If the operating system refuses to write.
    """
    # A link is followed, so that the file it points to is replaced and not the link.
    final = Path(path).resolve()
    temporary = final.with_name(_hidden(final, ".part", lasting))
    try:
        # Unlike tempfile's, this file has the permissions that the user's umask asks for.
        own = 0 if lasting else os.O_EXCL
        os.close(os.open(temporary, os.O_CREAT | own | os.O_WRONLY, 0o666))
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(final)
    except OutputError:
        raise
    except OSError as error:
        raise not_written(path, error) from error
    finally:
        if not lasting:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(
    path: str | os.PathLike[str], replaces: Sequence[str], *, lasting: str = ""
) -> Iterator[Path]:
    """Give a temporary folder beside `path` that takes its name once the block ends without an error.

    On any error, an interrupt included, the temporary folder is removed and `path` stays as it was.

    Parameters
    ----------
    path, replaces
        As in :func:`check_place`.
    lasting
        As in :func:`whole_file`.

    Raises
    ------
    OutputError
        If something else lies there, or the operating system refuses to write.
    """
    final = Path(path).resolve()
    temporary = final.with_name(_hidden(final, ".part", lasting))
    old = final.with_name(_hidden(final, ".old"))
    check_place(final, replaces=replaces)
    try:
        temporary.mkdir(exist_ok=bool(lasting))
        yield temporary
        if final.exists():
            final.rename(old)
        temporary.rename(final)
    except OutputError:
        raise
    except OSError as error:
        raise not_written(path, error) from error
    finally:
        if old.exists() and not final.exists():  # the new one could not take its place
            old.rename(final)
        if not lasting:
            shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def remove_leftovers(path: str | os.PathLike[str], *, but: str = "") -> None:
    """Remove what a process that was killed left half-written beside `path`.

    Only for whoever knows that no other process is writing `path` now.

    Parameters
    ----------
    path
        The file or folder that was to be written.
    but
        What is `lasting` by this word stays.
    """
    final = Path(path).resolve()
    kept = _hidden(final, ".part", but) if but else ""
    with contextlib.suppress(OSError):
        for left in final.parent.iterdir():
            ours = left.name.startswith(_start(final)) and left.name.endswith(".part")
            if ours and left.name != kept:
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def lasting_size(path: str | os.PathLike[str], word: str) -> int:
    """Return the bytes that the temporary file or folder takes which is lasting by `word`."""
    final = Path(path).resolve()
    left = final.with_name(_hidden(final, ".part", word))
    files = [p for p in (left, *left.rglob("*")) if p.is_file()]
    return sum(p.stat().st_size for p in files)


def _start(final: Path) -> str:
    # Names of files may have 255 bytes, and those of ours are longer by some.
    return f".{final.name.encode()[:200].decode(errors='ignore')}."


def _hidden(final: Path, ending: str, word: str = "") -> str:
    return f"{_start(final)}{word or secrets.token_hex(8)}{ending}"


def not_written(path: str | os.PathLike[str], error: OSError) -> OutputError:
    """Return what to raise where the operating system refuses to write `path`."""
    reason = _reason(error, Path(path).resolve().parent)
    return OutputError(f"{path} could not be written: {reason}")


def _reason(error: OSError, folder: Path) -> str:
    # NumPy reports a short write without an error number.
    short = error.errno is None and "requested" in str(error)
    if short or error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full. Free some space or choose another folder."
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return f"there is no permission to write in {folder}. Choose another folder."
    return f"{error.strerror or error}. Choose another folder."
