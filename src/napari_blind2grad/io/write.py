"""Writing of image files that are whole or not there at all."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from .. import __version__
from ..axes import Axes, parse_axes
from ..dtypes import to_dtype
from ..events import Array
from .flavours import Facts, imagej_options, ome_options, printable, shaped_options
from .metadata import NAMESPACE
from .units import usable_scale, usable_units
from .whole import check_target, is_ome, is_zarr, whole_file

_IMAGEJ_DTYPES = frozenset(["uint8", "uint16", "float32"])
# Beyond this a classic TIFF's 32-bit offsets do not reach; some room is left for the metadata.
_CLASSIC_LIMIT = 2**32 - 2**25
_OPTIONS = {"ome": ome_options, "imagej": imagej_options, "shaped": shaped_options}


def write_image(
    path: str | os.PathLike[str],
    array: Array,
    *,
    axes: str | None = None,
    scale: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
    dtype: npt.DTypeLike | None = None,
    channel_names: Sequence[str] = (),
    description: str = "",
    parameters: Mapping[str, Any] | None = None,
    source: str | os.PathLike[str] | None = None,
    ome_zarr: str = "0.5",
) -> Path:
    """Write `array` as TIFF or OME-Zarr; an existing file is replaced only once the new one is whole.

    A name that ends in ``.zarr`` gives an OME-Zarr folder, with its axes in TCZYX order (colours become
    channels) and a pyramid of smaller images. A name that ends in ``.ome.tif`` or ``.ome.tiff`` gives
    OME-TIFF. Other TIFF files are ImageJ hyperstacks where ImageJ knows the dtype (uint8, uint16,
    float32) and the size (4 GB), and else plain TIFF with axes and pixel sizes in tifffile's own
    description. Rows, columns and colours become the last dimensions, and an ImageJ hyperstack is always
    in TZCYXS order. Files over 4 GB are BigTIFF.

    Parameters
    ----------
    path
        The file to write; its folder must exist.
    array
        The pixels.
    axes
        One letter of ``T C Z Y X S`` for each dimension; guessed when None.
    scale, units
        Pixel size and its unit by axis letter.
    dtype
        Type of the written pixels, by :func:`~napari_blind2grad.dtypes.to_dtype`; that of `array`
        when None.
    channel_names
        One name for each channel.
    description
        A sentence for people.
    parameters
        How the image was made: any values that JSON can hold.
    source
        The input file, which must not be overwritten.
    ome_zarr
        Version of OME-Zarr: ``"0.5"``, or ``"0.4"`` for older programs.

    Returns
    -------
    pathlib.Path
        The file written.

    Raises
    ------
    OutputError
        If the file cannot be written; nothing is left behind under its name.
    InputError
        If `axes` do not fit `array`.
    """
    path = Path(path)
    kind = np.dtype(array.dtype if dtype is None else dtype)
    given = parse_axes(axes, array.shape)
    check_target(path, dtype=kind, nbytes=array.size * kind.itemsize, source=source)
    if is_zarr(path):
        from .ngff_write import write_ngff

        return write_ngff(
            path,
            to_dtype(array, kind).astype(kind.newbyteorder("="), copy=False),
            given,
            scale=usable_scale(scale, given.letters),
            units=usable_units(units, given.letters),
            channel_names=channel_names,
            description=description,
            parameters=parameters or {},
            version=ome_zarr,
        )
    flavour = _flavour(path, kind, given)
    ordered, letters = _file_order(to_dtype(array, kind), given, flavour)
    native = np.ascontiguousarray(ordered, dtype=kind.newbyteorder("="))
    facts = Facts(
        lengths=dict(zip(letters, native.shape, strict=True)),
        scale=usable_scale(scale, letters),
        units=usable_units(units, letters),
        channel_names=tuple(printable(str(name)) for name in channel_names),
        description=printable(description),
        parameters=dict(parameters or {}),
    )
    with whole_file(path) as temporary:
        tifffile.imwrite(
            temporary,
            native,
            bigtiff=native.nbytes > _CLASSIC_LIMIT,
            software=f"{NAMESPACE} {__version__}",
            **_photometric(native.shape, letters),
            **_OPTIONS[flavour](facts),
        )
    return path


def _flavour(path: Path, dtype: np.dtype[Any], axes: Axes) -> str:
    if is_ome(path):
        return "ome"
    fits = math.prod(axes.shape) * dtype.itemsize <= _CLASSIC_LIMIT and dtype.name in _IMAGEJ_DTYPES
    colour = "S" not in axes.letters or (axes.length("S") == 3 and dtype.name == "uint8")
    # tifffile cannot read back an ImageJ stack whose rows are one pixel long.
    wide = axes.length("X") > 1
    return "imagej" if fits and colour and wide else "shaped"


def _order(axes: Axes, flavour: str) -> str:
    """Return the axes in an order that the flavour can hold."""
    stack = sorted(axes.planes, key="TZC".index) if flavour == "imagej" else axes.planes
    return "".join(stack) + "YX" + ("S" if "S" in axes.letters else "")


def _file_order(array: Array, axes: Axes, flavour: str) -> tuple[Array, str]:
    """Transpose to an order that the flavour can hold."""
    letters = _order(axes, flavour)
    moved = array.transpose([axes.letters.index(c) for c in letters])
    if letters.endswith("S") and moved.shape[-1] == 1:
        return moved[..., 0], letters[:-1]  # tifffile has no way to say that one sample is a colour
    return moved, letters


def _photometric(shape: Sequence[int], letters: str) -> dict[str, Any]:
    # Left to itself tifffile takes any last dimension of 3 for colours.
    if "S" not in letters:
        return {"photometric": "minisblack"}
    samples = shape[-1]
    colours = 3 if samples >= 3 else 1
    extra = ["unassalpha"] if samples > colours else None
    return {
        "photometric": "rgb" if colours == 3 else "minisblack",
        "planarconfig": "contig",
        "extrasamples": extra,
    }


class TiffWriter:
    """A TIFF file that takes its pixels region by region; made by :func:`stream_tiff`.

    Parameters
    ----------
    path, shape, letters
        The file, and what is in it.
    axes
        Axes of what is given to :meth:`write`.
    dtype
        Type of the pixels.
    again
        Whether the file holds pixels that were written before.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        letters: str,
        axes: Axes,
        dtype: np.dtype[Any],
        *,
        again: bool = False,
    ) -> None:
        self.path, self.shape, self.letters, self.axes = path, shape, letters, axes
        self.dtype, self.again = dtype, again
        with tifffile.TiffFile(path) as tiff:
            offset = tiff.series[0].dataoffset
        assert offset is not None
        self._offset = offset
        if hasattr(os, "posix_fallocate"):
            # A map of a file that finds the disk full kills the program.
            with path.open("r+b") as handle:
                os.posix_fallocate(handle.fileno(), offset, math.prod(shape) * dtype.itemsize)

    def write(self, region: Sequence[slice], values: Array) -> None:
        """Store `values` in `region`, both with the axes given; converted by :func:`~..dtypes.to_dtype`."""
        order = [self.axes.letters.index(c) for c in self.letters]
        # Opened anew each time: pages that were written would count as memory of ours.
        image = np.memmap(self.path, self.dtype, "r+", self._offset, self.shape)
        image[tuple(region[i] for i in order)] = to_dtype(values, self.dtype).transpose(order)
        image.flush()

    def state(self) -> dict[str, Any]:
        """Return what is known of the pixels written so far: nothing that is not in the file."""
        return {}

    def take(self, state: Mapping[str, Any]) -> None:
        """Take back what :meth:`state` returned before the process was killed."""


@contextlib.contextmanager
def stream_tiff(
    path: Path,
    axes: Axes,
    dtype: np.dtype[Any],
    *,
    scale: Mapping[str, float],
    units: Mapping[str, str],
    channel_names: Sequence[str],
    description: str,
    parameters: Mapping[str, Any],
    lasting: str = "",
    again: bool = False,
) -> Iterator[TiffWriter]:
    """Give a writer of a TIFF file, which appears when the block ends well; as in :func:`write_image`.

    Parameters
    ----------
    path, axes, dtype, scale, units, channel_names, description, parameters
        As in :func:`write_image`.
    lasting
        As in :func:`~napari_blind2grad.io.whole_file`.
    again
        Go on with the pixels that lasted, if they are there.

    Raises
    ------
    OutputError
        If it cannot be written; nothing is left behind under its name.
    """
    dtype = dtype.newbyteorder("=")
    flavour = _flavour(path, dtype, axes)
    letters = _order(axes, flavour)
    shape = tuple(axes.length(c) for c in letters)
    facts = Facts(
        lengths=dict(zip(letters, shape, strict=True)),
        scale=usable_scale(scale, letters),
        units=usable_units(units, letters),
        channel_names=tuple(printable(str(name)) for name in channel_names),
        description=printable(description),
        parameters=dict(parameters),
    )
    with whole_file(path, lasting=lasting) as temporary:
        again = again and _has_room(temporary, shape, dtype)
        if not again:
            tifffile.imwrite(
                temporary,
                shape=shape,
                dtype=dtype,
                bigtiff=math.prod(shape) * dtype.itemsize > _CLASSIC_LIMIT,
                software=f"{NAMESPACE} {__version__}",
                **_photometric(shape, letters),
                **_OPTIONS[flavour](facts),
            )
        yield TiffWriter(temporary, shape, letters, axes, dtype, again=again)


def _has_room(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Whether the file is a TIFF with such pixels, all of them."""
    try:
        with tifffile.TiffFile(path) as tiff:
            series = tiff.series[0]
            size = (series.dataoffset or math.inf) + math.prod(shape) * dtype.itemsize
            same = math.prod(series.shape) == math.prod(shape) and series.dtype == dtype
            return same and path.stat().st_size >= size
    except (tifffile.TiffFileError, OSError, ValueError, LookupError):
        return False
