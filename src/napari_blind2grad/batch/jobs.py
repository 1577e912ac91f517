"""Which files a batch is made of, and where each result goes."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..io import is_zarr, stem

_WILD = frozenset("*?[")
#: Wildcards that :func:`glob.escape` made ordinary characters.
_ESCAPED = re.compile(r"\[([*?[])\]")
#: Endings of :func:`~napari_blind2grad.batch.results.default_target`.
_ENDINGS = (".ome.tif", ".tif", ".ome.zarr")
#: What of a folder is taken, whatever the case of its endings.
_IMAGES = ("*.[tT][iI][fF]", "*.[tT][iI][fF][fF]", "*.zarr")


@dataclass(frozen=True)
class Job:
    """One file of a batch.

    Attributes
    ----------
    source
        The noisy image.
    folder
        Where its result goes.
    clash
        An earlier file whose result has the same name, if any.
    """

    source: Path
    folder: Path
    clash: Path | None = None

    def targets(self) -> list[Path]:
        """Return where its result may lie."""
        name = stem(self.source)
        return [self.folder / f"{name}_denoised{ending}" for ending in _ENDINGS]

    def exists(self) -> bool:
        """Whether its result is there already."""
        return any(path.exists() for path in self.targets())


def find_jobs(patterns: Sequence[str], output: Path) -> list[Job]:
    """Return the files that match `patterns`, each once, sorted by path.

    Below `output` each lies as it lies below the fixed part of its pattern: the folders before the first
    wildcard. Files without any are taken from the folder that all of them share. What lies in `output`
    itself, such as the results of an earlier batch, is left out.

    Raises
    ------
    InputError
        If all files lie in `output`.
    """
    literal = [Path(p) for p in patterns if Path(p).exists() or not _WILD & set(p)]
    parents = [_absolute(path).parent for path in literal]
    shared = Path(os.path.commonpath(parents)) if parents else Path()
    found = {_absolute(path): shared for path in literal}
    for pattern in patterns:
        if Path(pattern) not in literal:
            base = _absolute(_fixed(pattern))
            for name in glob.glob(pattern, recursive=True):  # noqa: PTH207 (may be absolute)
                if _image(Path(name)):
                    found.setdefault(_absolute(Path(name)), base)
    inside = output.resolve()
    outside = {p: base for p, base in found.items() if inside not in p.resolve().parents}
    if found and not outside:
        raise InputError(f"All files lie in {output}. Choose another folder for the results.")
    jobs: list[Job] = []
    names: dict[tuple[Path, str], Path] = {}
    for path in sorted(outside):
        base = outside[path]
        folder = output
        if path.is_relative_to(base):  # not behind wildcards that are followed by ..
            folder = output / path.parent.relative_to(base)
        key = folder, stem(path).lower()
        jobs.append(Job(_shown(path), folder, names.get(key)))
        names.setdefault(key, path)
    return jobs


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 (Path.absolute keeps ..)


def _fixed(pattern: str) -> Path:
    parts = []
    for part in Path(pattern).parts[:-1]:
        if _WILD & set(_ESCAPED.sub("", part)):
            break
        parts.append(_ESCAPED.sub(r"\1", part))
    return Path(*parts)


def _image(path: Path) -> bool:
    """Whether `path` can be an image: a file, or an OME-Zarr folder, but nothing inside one."""
    if any(is_zarr(parent) for parent in path.parents):
        return False
    return path.is_file() or is_zarr(path)


def _shown(path: Path) -> Path:
    """Return `path` as people wrote it: from the working folder, if it lies there."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def patterns_in(text: str) -> list[str]:
    """Return the patterns that somebody has typed into one line.

    Parameters
    ----------
    text
        Files, patterns and folders, separated by semicolons. A folder stands for all TIFF files and
        OME-Zarr images in it and below it; ``~`` for the user's own.
    """
    parts = [text] if Path(text.strip()).exists() else text.split(";")
    found: list[str] = []
    for part in (part.strip() for part in parts):
        if not part:
            continue
        found += patterns_of(Path(part).expanduser())
    return found


def patterns_of(path: Path) -> list[str]:
    """Return what `path` stands for: itself, or, for a folder, all images in it and below it."""
    if path.is_dir() and not is_zarr(path):
        return [str(Path(glob.escape(str(path)), "**", ending)) for ending in _IMAGES]
    return [str(path)]
