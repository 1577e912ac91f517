"""Reading of microscopes' own files (CZI, LIF, ND2) through bioio, which is an extra."""

from __future__ import annotations

import functools
import importlib
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..axes import Axes
from ..errors import InputError, OutOfMemory
from .lazy import LazyArray
from .read import ImageFile, check_file, stem, without_false_colour
from .units import usable_scale, usable_units

#: Endings, and the reader plugin of bioio for each.
READERS: Mapping[str, str] = {".czi": "bioio_czi", ".lif": "bioio_lif", ".nd2": "bioio_nd2"}
#: What bioio calls a channel of which the file tells nothing.
_NAMELESS = re.compile(r"Channel:\d+(:\d+)?")


def is_microscope(path: Path) -> bool:
    """Whether the name of `path` is that of a microscope's own file."""
    return path.suffix.lower() in READERS


def read_microscope(
    path: Path, axes: str | None = None, *, lazy_above: int | None = None
) -> ImageFile:
    """Read the first image of a CZI, LIF or ND2 file. Axes of length 1 are left out.

    Parameters
    ----------
    path
        The file.
    axes
        What the dimensions are, in the order TCZYX of those that are there; overrides what the file says.
    lazy_above
        As in :func:`~napari_blind2grad.io.read_image`.

    Raises
    ------
    InputError
        If it is missing or damaged, or bioio is not installed; the message says what to do.
    OutOfMemory
        If it does not fit into memory.
    """
    check_file(path)
    image_class, reader = _bioio(path)
    with _translated(path):
        image = image_class(path, reader=reader)
        names = str(image.dims.order).upper()
        lengths = dict(zip(names, (int(n) for n in image.shape), strict=True))
        kept = [c for c in names if lengths[c] > 1 or c in "YX"]
        one = tuple(slice(None) if c in kept else 0 for c in names)
        size = int(np.prod(list(lengths.values()), dtype=np.int64))
        if lazy_above is not None and size > lazy_above:
            again = functools.partial(_unread_again, path.absolute(), one)
            data: Any = LazyArray(image.dask_data[one], str(path), reopen=again)
        else:
            data = np.asarray(image.data)[one]
            data = data.astype(data.dtype.newbyteorder("="), copy=False)
        scale, units = _sizes(image)
        channels = tuple(str(name) for name in image.channel_names or ())
        images = len(image.scenes)
    if size == 0:
        raise InputError(f"{path} holds an empty image (shape {data.shape}).")
    own = without_false_colour("".join(kept), data.shape, "RGB")
    letters = own if axes is None else axes.upper()
    layout = Axes(letters, data.shape)
    same = "".join(o for o, n in zip(own, letters, strict=True) if o == n)
    named = len(channels) == layout.length("C") and not all(map(_NAMELESS.fullmatch, channels))
    return ImageFile(
        data=data,
        axes=letters,
        scale=usable_scale(scale, same),
        units=usable_units(units, same),
        channel_names=channels if named and "C" in letters else (),
        name=stem(path),
        path=path,
        notes=(f"The file holds {images} images; the first was read.",) if images > 1 else (),
    )


def _unread_again(path: Path, one: tuple[slice | int, ...]) -> Any:
    check_file(path)
    image_class, reader = _bioio(path)
    with _translated(path):
        return image_class(path, reader=reader).dask_data[one]


def _bioio(path: Path) -> tuple[Any, Any]:
    """Return bioio's class of images, and its reader for `path`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own dependencies, while they are imported
            found = importlib.import_module("bioio").BioImage
            plugin = importlib.import_module(READERS[path.suffix.lower()]).Reader
    except ImportError as error:
        raise InputError(
            f"To read {path.suffix.upper()[1:]} files such as {path}, one more package is needed. Install it "
            f'with: pip install "napari-blind2grad[bioio]" ({error}). Or save the image as OME-TIFF in the '
            "microscope's program or in Fiji."
        ) from error
    return found, plugin


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # readers guess aloud where metadata are absent
            yield
    except PermissionError as error:
        raise InputError(f"{path} may not be read. Ask its owner for the permission.") from error
    except MemoryError as error:
        raise OutOfMemory(
            f"{path} needs more memory than is free. Close other programs, or denoise a part of the "
            "image."
        ) from error
    except Exception as error:  # whatever the makers' libraries raise on broken files
        why = " ".join(str(error).split())
        raise InputError(
            f"{path} is damaged, or of a form that bioio cannot read ({type(error).__name__}: "
            f"{why:.300}). Copy or export it again."
        ) from error


def _sizes(image: Any) -> tuple[dict[str, float], dict[str, str]]:
    """Return pixel sizes and their units: µm and seconds, unless the reader knows a unit of length."""
    scale: dict[str, float] = {}
    units: dict[str, str] = {}
    properties = getattr(image, "dimension_properties", None)
    for letter in "TZYX":
        size = getattr(image.scale, letter, None)
        if size is None or not float(size) > 0:
            continue
        # Time is always in seconds: it comes from a timedelta, whatever unit the file uses.
        known = getattr(getattr(properties, letter, None), "unit", None) if letter != "T" else None
        scale[letter] = float(size)
        units[letter] = str(known) if known is not None else "s" if letter == "T" else "µm"
    return scale, units
