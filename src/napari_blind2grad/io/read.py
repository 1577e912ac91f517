"""Reading of image files that trusts none of them."""

from __future__ import annotations

import contextlib
import functools
import logging
import lzma
import os
import struct
import weakref
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from ..axes import CANONICAL, Axes
from ..errors import InputError, OutOfMemory
from ..events import Array
from .lazy import LazyArray
from .metadata import Metadata, read_metadata
from .units import usable_scale, usable_units
from .whole import ZARR_MARKS, is_zarr

# What tifffile and its codecs raise on files that are broken (imagecodecs: RuntimeError).
_BROKEN = (
    tifffile.TiffFileError,  # no ValueError before 2025.10
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    EOFError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
)
# Letters by which tifffile says "a dimension of which the file tells nothing".
_UNKNOWN = "QI"
_COLOUR = ("RGB", "YCBCR", "CIELAB", "ICCLAB", "ITULAB")


@dataclass(frozen=True)
class ImageFile:
    """One image read from a file.

    Attributes
    ----------
    data
        The pixels in native byte order; a :class:`~napari_blind2grad.io.LazyArray` where they are not read.
    axes
        One letter of ``T C Z Y X S`` for each dimension.
    scale, units
        Pixel size and its unit (``"µm"``, ``"s"``) by axis letter; axes of unknown size are absent.
    channel_names
        One name for each channel, or empty.
    name
        File name without its folder and endings.
    path
        Where it was read from.
    parameters
        How this package made the file; empty for all other files.
    notes
        What the user should know about how the file was read.
    crop
        Which part of the file this is, by :mod:`~napari_blind2grad.crop`; empty for all of it.
    """

    data: Array
    axes: str
    scale: Mapping[str, float]
    units: Mapping[str, str]
    channel_names: tuple[str, ...]
    name: str
    path: Path
    parameters: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    crop: str = ""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""
        return self.data.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension."""
        return self.data.shape


def read_image(
    path: str | os.PathLike[str], axes: str | None = None, *, lazy_above: int | None = None
) -> ImageFile:
    """Read the first image of a TIFF, ImageJ TIFF or OME-TIFF file, or an OME-Zarr folder.

    With the extra ``bioio`` also of a CZI, LIF or ND2 file.

    Of a file with several images the first is read, of a pyramid the full resolution; notes say so.

    Parameters
    ----------
    path
        The file, or the folder of an OME-Zarr image.
    axes
        What the dimensions are, in the file's order; overrides what the file says.
    lazy_above
        Of an image with more values than this the pixels are not read yet: its ``data`` is a
        :class:`~napari_blind2grad.io.LazyArray`.

    Raises
    ------
    InputError
        If the file is missing, unreadable, no such image, damaged or incomplete, or its dimensions
        cannot be told; the message says what to do.
    OutOfMemory
        If it does not fit into memory.
    """
    path = Path(path)
    if _is_zarr_folder(path):
        from .ngff import read_ngff

        return read_ngff(path, axes, lazy_above=lazy_above)
    from .microscopes import is_microscope, read_microscope

    if is_microscope(path):
        return read_microscope(path, axes, lazy_above=lazy_above)
    with _opened(path) as (tiff, log):
        _check_chain(tiff, path)
        if not tiff.series:
            raise InputError(f"{path} holds no image.")
        series = tiff.series[0]
        _check_planes(series, path)
        try:
            if lazy_above is not None and series.size > lazy_above:
                data: Any = _lazy(path, series)
            else:
                data = series.asarray()
        except MemoryError as error:
            raise OutOfMemory(
                f"{path} needs {_gigabytes(series.nbytes)} of memory, which is not free. "
                "Close other programs, or denoise a part of the image."
            ) from error
        if data.size == 0:
            raise InputError(f"{path} holds an empty image (shape {data.shape}).")
        metadata = read_metadata(tiff)
        native = data
        if not isinstance(data, LazyArray):
            native = data.astype(data.dtype.newbyteorder("="), copy=False)
        file_axes = without_false_colour(series.axes, native.shape, _photometric(series))
        notes = [*_series_notes(tiff, series), *log]
    if axes is None:
        letters, note = _known_letters(file_axes, path)
        notes += [note] if note else []
    else:
        letters = axes.upper()
    Axes(letters, native.shape)
    metadata = _renamed(metadata, file_axes, letters)
    return ImageFile(
        data=native,
        axes=letters,
        scale=usable_scale(metadata.scale, letters),
        units=usable_units(metadata.units, letters),
        channel_names=metadata.channel_names if "C" in letters else (),
        name=stem(path),
        path=path,
        parameters=metadata.parameters,
        notes=tuple(dict.fromkeys(notes)),
    )


def _lazy(path: Path, series: tifffile.TiffPageSeries) -> LazyArray:
    """Return the pixels of the first image of a file, to be read when they are needed."""
    # What tifffile gives to zarr holds the open file, which cannot go to another process.
    again = functools.partial(_unread_again, path.absolute())
    return LazyArray(_unread(path, series), str(path), reopen=again)


def _unread(path: Path, series: tifffile.TiffPageSeries) -> Any:
    if series.dataoffset is not None:
        dtype = np.dtype(series.dtype).newbyteorder(series.parent.byteorder)  # type: ignore[union-attr]
        return np.memmap(path, dtype, "r", series.dataoffset, series.shape)
    import zarr

    tiff = tifffile.TiffFile(path)
    array = zarr.open_array(tiff.aszarr(series=0, level=0), mode="r")
    weakref.finalize(array, tiff.close)
    return array


def _unread_again(path: Path) -> Any:
    with _opened(path) as (tiff, _):
        return _unread(path, tiff.series[0])


def read_parameters(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """Return the parameters with which this package made the file `path`; empty if it did not.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    path = Path(path)
    if _is_zarr_folder(path):
        from .ngff import read_ngff_parameters

        return read_ngff_parameters(path)
    with _opened(path) as (tiff, _):
        return read_metadata(tiff).parameters


def _is_zarr_folder(path: Path) -> bool:
    return path.is_dir() and (is_zarr(path) or any((path / m).is_file() for m in ZARR_MARKS))


def check_file(path: Path) -> None:
    """Refuse what is no file, or an empty one.

    Raises
    ------
    InputError
        In words for the user.
    """
    if not path.exists():
        raise InputError(f"There is no file {path}. Check its name and folder.")
    if path.is_dir():
        raise InputError(f"{path} is a folder. Give the name of one TIFF file in it.")
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes): copy or export it again.")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[tifffile.TiffFile, list[str]]]:
    """Open `path`; turn all that can go wrong with a file into words, and tifffile's log into a list."""
    check_file(path)
    handler = _ListHandler()
    logger = logging.getLogger("tifffile")
    logger.addHandler(handler)
    try:
        with tifffile.TiffFile(path) as tiff:
            yield tiff, handler.messages
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(f"{path} may not be read. Ask its owner for the permission.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except _BROKEN as error:
        raise InputError(_broken(path, error)) from error
    finally:
        logger.removeHandler(handler)


def _broken(path: Path, error: Exception) -> str:
    text = str(error)
    if "not a TIFF" in text:
        return f"{path} is not a TIFF file. Open it in Fiji or napari and save it as TIFF."
    if "imagecodecs" in text:
        return (
            f"{path} is compressed in a way that needs one more package. "
            "Install it with: pip install imagecodecs"
        )
    return (
        f"{path} is damaged or incomplete ({text or type(error).__name__}). "
        "Copy or export it again."
    )


class _ListHandler(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def _check_chain(tiff: tifffile.TiffFile, path: Path) -> None:
    """Refuse a file whose list of pages breaks off.

    tifffile takes the pages before the break for the whole image: a stack would silently become its
    first plane.
    """
    handle, layout = tiff.filehandle, tiff.tiff
    handle.seek(8 if layout.is_bigtiff else 4)
    (offset,) = struct.unpack(layout.offsetformat, handle.read(layout.offsetsize))
    seen = set()
    while offset:
        if offset in seen:
            raise InputError(_broken(path, ValueError("its list of pages runs in a circle")))
        seen.add(offset)
        handle.seek(offset)
        (count,) = struct.unpack(layout.tagnoformat, handle.read(layout.tagnosize))
        handle.seek(offset + layout.tagnosize + count * layout.tagsize)
        (offset,) = struct.unpack(layout.offsetformat, handle.read(layout.offsetsize))


def _check_planes(series: tifffile.TiffPageSeries, path: Path) -> None:
    """Refuse an image of which planes are absent or lie beyond the end of the file."""
    for page in series.pages:
        if page is None:
            raise InputError(
                f"{path} is one of several files that make up an image, and some of them are missing. "
                "Put all of them into one folder."
            )
        size = page.parent.filehandle.size
        for start, length in zip(page.dataoffsets, page.databytecounts, strict=False):
            if start + length > size:
                raise InputError(_broken(path, ValueError("the file ends before its pixels do")))


def _photometric(series: tifffile.TiffPageSeries) -> str:
    return str(getattr(series.keyframe.photometric, "name", series.keyframe.photometric))


def _series_notes(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> list[str]:
    notes = []
    if len(tiff.series) > 1:
        notes.append(f"The file holds {len(tiff.series)} images; the first was read.")
    photometric = _photometric(series)
    if photometric == "PALETTE":
        notes.append("The file stores colours by number; the numbers were read as intensities.")
    if photometric == "MINISWHITE":
        notes.append("The file stores white as 0; the values were read as they are.")
    return notes


def without_false_colour(letters: str, shape: tuple[int, ...], photometric: str) -> str:
    """Return `letters` with samples that are no colours (S) named channels (C)."""
    if "S" not in letters or "C" in letters:
        return letters
    colour = photometric in _COLOUR and shape[letters.index("S")] in (3, 4)
    return letters if colour else letters.replace("S", "C")


def _known_letters(letters: str, path: Path) -> tuple[str, str]:
    """Give each dimension that the file does not name the letter it most likely has."""
    unknown = [c for c in letters if c not in CANONICAL]
    if not unknown:
        return letters, ""
    free = [c for c in "ZTC" if c not in letters][: len(unknown)]
    if set(unknown) - set(_UNKNOWN) or len(free) < len(unknown):
        raise InputError(
            f"{path} has dimensions that cannot be denoised as they are ({letters}). Say what each is "
            f"with one letter of T, C, Z, Y, X: --axes on the command line, axes= in Python."
        )
    chosen = iter(sorted(free, key="TCZ".index))
    named = "".join(c if c in CANONICAL else next(chosen) for c in letters)
    return named, (
        f"The file does not say what its dimensions are; they were taken for {named}. "
        "Give the axes if that is wrong."
    )


def _renamed(metadata: Metadata, old: str, new: str) -> Metadata:
    """Carry sizes over to new letters, but never a length to the time axis or back."""
    pairs = [(o, n) for o, n in zip(old, new, strict=True) if o == n or {o, n} <= set("ZYX")]
    return Metadata(
        {n: metadata.scale[o] for o, n in pairs if o in metadata.scale},
        {n: metadata.units[o] for o, n in pairs if o in metadata.units},
        metadata.channel_names,
        metadata.parameters,
    )


def stem(path: Path) -> str:
    """Return the name of `path` without its folder and the endings of images."""
    name = path.name
    for ending in (".tif", ".tiff", ".zarr", ".czi", ".lif", ".nd2"):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return name[:-4] if name.lower().endswith(".ome") else name


def _gigabytes(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
