"""Files that are written region by region, whatever their format."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..axes import Axes
from .lazy import LazyArray
from .ngff_stream import BLOCK, NgffWriter, stream_ngff
from .units import usable_scale, usable_units
from .whole import check_target, is_zarr
from .write import TiffWriter, stream_tiff

#: Values that are copied at once.
_BAND = 4 * 2**20


@contextmanager
def streamed(
    path: Path,
    axes: Axes,
    dtype: np.dtype[Any],
    ome_zarr: str,
    facts: dict[str, Any],
    check: Callable[[], object] = lambda: None,
    *,
    lasting: str = "",
    again: bool = False,
) -> Iterator[tuple[NgffWriter | TiffWriter, Callable[[], None]]]:
    """Give what takes the regions of a file, and what is to be called after the last of them.

    Parameters
    ----------
    path
        ``.zarr`` gives OME-Zarr with its pyramid, anything else TIFF. It appears when the block ends well.
    axes, dtype
        Of the image.
    ome_zarr, facts
        Version and metadata, as in :func:`~napari_blind2grad.io.write_image`; `facts` may be added to
        until the last call.
    check
        Called now and then while OME-Zarr is written; what it raises ends the writing.
    lasting, again
        As in :func:`~.ngff_stream.stream_ngff`.

    Raises
    ------
    OutputError
        If it cannot be written; nothing is left behind under its name.
    """
    if is_zarr(path):
        how: dict[str, Any] = dict(lasting=lasting, again=again)
        with stream_ngff(path, axes, dtype, ome_zarr, check, **how) as (writer, form):
            yield writer, lambda: writer.finish(path.name, form=form, **facts)
    else:
        with stream_tiff(path, axes, dtype, lasting=lasting, again=again, **facts) as tiff:
            yield tiff, lambda: None


def copy_image(
    path: str | os.PathLike[str],
    image: LazyArray,
    axes: str,
    *,
    scale: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
    channel_names: Sequence[str] = (),
    description: str = "",
    parameters: Mapping[str, Any] | None = None,
    source: str | os.PathLike[str] | None = None,
    ome_zarr: str = "0.5",
    check: Callable[[], object] = lambda: None,
) -> Path:
    """Write an image that is not in memory, part by part.

    Parameters
    ----------
    path, axes, scale, units, channel_names, description, parameters, source, ome_zarr
        As in :func:`~napari_blind2grad.io.write_image`.
    image
        What is read.
    check
        Called for each part; what it raises ends the writing.

    Returns
    -------
    pathlib.Path
        The file written.

    Raises
    ------
    OutputError
        If the file cannot be written; nothing is left behind under its name.
    InputError
        If the image cannot be read.
    """
    path, layout = Path(path), Axes(axes, image.shape)
    check_target(path, dtype=image.dtype, nbytes=image.size * image.dtype.itemsize, source=source)
    facts = dict(
        scale=usable_scale(scale, layout.letters),
        units=usable_units(units, layout.letters),
        channel_names=channel_names,
        description=description,
        parameters=dict(parameters or {}),
    )
    with streamed(path, layout, image.dtype, ome_zarr, facts, check) as (writer, finish):
        for region in _bands(layout):
            check()
            writer.write(region, image.read(region))
        finish()
    return path


def _bands(axes: Axes) -> Iterator[tuple[slice, ...]]:
    """Yield regions that cover an image once: planes, or rows of their stored blocks."""
    width = axes.length("X") * axes.length("S")
    rows = max(1, _BAND // (BLOCK * width)) * BLOCK
    parts = [
        [slice(None)] if letter in "XS" else [slice(a, min(a + step, n)) for a in range(0, n, step)]
        for letter, n in zip(axes.letters, axes.shape, strict=True)
        for step in (rows if letter == "Y" else 1,)
    ]
    yield from itertools.product(*parts)
