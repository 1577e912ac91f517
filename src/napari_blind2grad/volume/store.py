"""The tiles of a run into a file: :func:`store`."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..axes import Axes
from ..config import Config
from ..engine.output import output_dtype
from ..errors import Blind2GradError
from ..events import Array
from ..io import check_target, remove_leftovers
from ..io.stream import streamed
from ..io.units import usable_scale, usable_units
from ..io.whole import lasting_size
from .plan import Tile
from .sinks import Sink, placed
from .source import Source
from .stream import (
    Finished,
    VolumeEvents,
)
from .survival import unfinished

if TYPE_CHECKING:
    from ..checkpoint import Keeper
    from ..io.ngff_stream import NgffWriter
    from ..io.write import TiffWriter


class Stopped(Blind2GradError):
    """The run was stopped before its last tile; nothing was written under the final name."""

    def __init__(self, finished: Finished) -> None:
        super().__init__("Stopped before the last tile: nothing was written.")
        self.finished = finished


class File:
    """A sink that hands tiles to a writer of files for an image with `axes`.

    `mark` tells the file from others, if it lasts.
    """

    def __init__(self, writer: NgffWriter | TiffWriter, axes: Axes, mark: str = "") -> None:
        self._writer, self._axes, self._mark = writer, axes, mark

    def write(self, tile: Tile, values: Array) -> None:
        """Store the pixels where they belong."""
        region, ordered = placed(tile, values, self._axes.letters)
        self._writer.write(region, ordered)

    def state(self) -> Mapping[str, Any]:
        """Return what must be known to go on with the file."""
        return {"mark": self._mark, **self._writer.state()}

    def take(self, state: Mapping[str, Any]) -> bool:
        """Go on with the file of an earlier process; return whether it is this one."""
        if not self._writer.again or state["mark"] != self._mark:
            return False
        self._writer.take(state)
        return True


def store(
    path: str | os.PathLike[str],
    source: Source,
    run: Callable[[Sink], VolumeEvents],
    config: Config,
    *,
    scale: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
    channel_names: Sequence[str] = (),
    dtype: npt.DTypeLike | None = None,
    ome_zarr: str = "0.5",
    description: str = "",
    parameters: Mapping[str, Any] | None = None,
    input_path: Path | None = None,
    keeper: Keeper | None = None,
) -> VolumeEvents:
    """Write the tiles of a run into the file `path`, which appears when the last is there.

    Parameters
    ----------
    path
        ``.zarr`` gives OME-Zarr with its pyramid, ``.tif`` TIFF, over 4 GB as BigTIFF.
    source
        The image.
    run
        Starts the run for a sink, such as a call of
        :func:`~napari_blind2grad.volume.denoise_volume_iter`.
    config
        Settings of the run, for the type of the pixels.
    scale, units, channel_names, dtype, ome_zarr, description, parameters
        As in :func:`~napari_blind2grad.io.write_image`.
    input_path
        The input file, which must not be overwritten.
    keeper
        What keeps the checkpoint of the run, which has its options already: finished tiles then outlive the
        process, in a hidden file beside `path`, for as long as there is a checkpoint.

    Yields
    ------
    VolumeEvent
        Those of the run; the file is there with the last one, unless the run was stopped.

    Raises
    ------
    OutputError
        If it cannot be written; nothing is left behind under its name.
    """
    path, axes = Path(path), source.axes
    kind = np.dtype(output_dtype(source.dtype, config) if dtype is None else dtype)
    size = int(np.prod(axes.shape, dtype=np.int64)) * kind.itemsize
    facts: dict[str, Any] = dict(
        scale=usable_scale(scale, axes.letters),
        units=usable_units(units, axes.letters),
        channel_names=channel_names,
    )
    mark = "" if keeper is None else _mark(keeper, kind, ome_zarr, facts)
    facts |= dict(description=description, parameters=dict(parameters or {}))
    again = keeper is not None and unfinished(keeper.found).get("mark") == mark
    if mark:
        remove_leftovers(path, but=mark)
    there = lasting_size(path, mark) if again else 0
    check_target(path, dtype=kind, nbytes=max(0, size - there), source=input_path)
    finished: Finished | None = None
    try:
        how: dict[str, Any] = dict(lasting=mark, again=again)
        with streamed(path, axes, kind, ome_zarr, facts, **how) as (writer, finish):
            for event in run(File(writer, axes, mark)):
                if isinstance(event, Finished):
                    finished = event
                    if event.stopped:
                        raise Stopped(event)
                    facts["parameters"].update(
                        device=event.device,
                        seconds=round(event.seconds, 3),
                        iterations=event.iterations,
                        stopped=False,
                    )
                else:
                    yield event
            finish()
    except Stopped as stopped:
        finished = stopped.finished
    finally:
        if keeper is not None and not keeper.kept:
            remove_leftovers(path)
    assert finished is not None
    yield finished


def _mark(keeper: Keeper, dtype: np.dtype[Any], ome_zarr: str, facts: Mapping[str, Any]) -> str:
    """Return a word for a file of this run, in this form, with these facts."""
    whole = [keeper.folder.identity, dtype.str, ome_zarr, facts]
    return hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode()).hexdigest()[:16]
