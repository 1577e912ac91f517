"""Volumes to files: :func:`denoise_volume` and :func:`apply_volume`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..axes import Axes
from ..config import Config
from ..engine.apply import Intensity
from ..engine.output import output_dtype
from ..errors import Blind2GradError
from ..events import Array
from ..io import check_target
from ..io.stream import streamed
from ..io.units import usable_scale, usable_units
from .plan import Tile
from .source import Source
from .stream import (
    Finished,
    Sink,
    VolumeEvent,
    VolumeEvents,
    apply_volume_iter,
    denoise_volume_iter,
    placed,
)

if TYPE_CHECKING:
    from ..io.ngff_stream import NgffWriter
    from ..io.write import TiffWriter
    from ..model import Model


class Stopped(Blind2GradError):
    """The run was stopped before its last tile; nothing was written under the final name."""

    def __init__(self, finished: Finished) -> None:
        super().__init__("Stopped before the last tile: nothing was written.")
        self.finished = finished


class File:
    """A sink that hands tiles to a writer of files for an image with `axes`."""

    def __init__(self, writer: NgffWriter | TiffWriter, axes: Axes) -> None:
        self._writer, self._axes = writer, axes

    def write(self, tile: Tile, values: Array) -> None:
        """Store the pixels where they belong."""
        region, ordered = placed(tile, values, self._axes.letters)
        self._writer.write(region, ordered)


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
    check_target(path, dtype=kind, nbytes=size, source=input_path)
    facts: dict[str, Any] = dict(
        scale=usable_scale(scale, axes.letters),
        units=usable_units(units, axes.letters),
        channel_names=channel_names,
        description=description,
        parameters=dict(parameters or {}),
    )
    finished: Finished | None = None
    try:
        with streamed(path, axes, kind, ome_zarr, facts) as (writer, finish):
            for event in run(File(writer, axes)):
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
    assert finished is not None
    yield finished


def _described(config: Config, axes: str, network: str = "") -> dict[str, Any]:
    """Return what a file says of how it was made."""
    from .. import __version__

    text = f"Denoised with napari-blind2grad {__version__}, preset {config.base}."
    parameters = {
        "version": __version__,
        "axes": axes,
        "seed": config.seed,
        "config": config.to_dict(),
    }
    return dict(
        description=f"{text} Network from {network}." if network else text,
        parameters={**parameters, "network": network} if network else parameters,
    )


def denoise_volume(
    image: Any,
    path: str | os.PathLike[str],
    axes: str | None = None,
    config: Config | None = None,
    *,
    scale: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
    channel_names: Sequence[str] = (),
    ome_zarr: str = "0.5",
    tile: tuple[int, int, int] | None = None,
    should_stop: Callable[[], bool] | None = None,
    on_event: Callable[[VolumeEvent], None] | None = None,
) -> Finished:
    """Denoise an image of any size into a file; neither image nor result is in memory as a whole.

    Parameters
    ----------
    image
        Any array that reads regions: of dask or zarr, a memory map, or a NumPy array; never altered.
    path
        The file to write: ``.ome.zarr``, ``.ome.tif`` or ``.tif``. It appears when it is whole.
    axes, config
        As in :func:`napari_blind2grad.denoise`.
    scale, units, channel_names, ome_zarr
        As in :func:`~napari_blind2grad.io.write_image`.
    tile
        Largest lengths of a tile along Z, Y and X; by the free memory when None. The result does not
        depend on it.
    should_stop
        Polled all the time; once it returns true the run ends, and nothing is written.
    on_event
        Called with every event of :func:`~napari_blind2grad.volume.denoise_volume_iter` but the last.

    Returns
    -------
    Finished
        The settings, notes, losses and trained networks of the run.

    Raises
    ------
    InputError, ConfigError
        If the image or a setting cannot be used.
    OutputError
        If the file cannot be written.
    OutOfMemory, EngineError
        If the computation fails.
    """
    config = config or Config()
    source = Source.of(image, axes)
    events = store(
        path,
        source,
        lambda sink: denoise_volume_iter(
            source, sink, None, config, tile=tile, should_stop=should_stop
        ),
        config,
        scale=scale,
        units=units,
        channel_names=channel_names,
        ome_zarr=ome_zarr,
        **_described(config, source.axes.letters),
    )
    return _last(events, on_event)


def apply_volume(
    model: str | os.PathLike[str] | Model,
    image: Any,
    path: str | os.PathLike[str],
    axes: str | None = None,
    *,
    intensity: Intensity = "model",
    scale: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
    channel_names: Sequence[str] = (),
    ome_zarr: str = "0.5",
    tile: tuple[int, int, int] | None = None,
    should_stop: Callable[[], bool] | None = None,
    on_event: Callable[[VolumeEvent], None] | None = None,
) -> Finished:
    """Denoise an image of any size into a file, with a network that was trained on another and saved.

    Parameters
    ----------
    model, intensity
        As in :func:`napari_blind2grad.apply`.
    image, path, axes, scale, units, channel_names, ome_zarr, tile, should_stop, on_event
        As in :func:`denoise_volume`.

    Returns
    -------
    Finished
        As :func:`denoise_volume`, with 0 iterations.

    Raises
    ------
    InputError
        If the folder is no model, or the image cannot be used by it.
    ConfigError, OutputError, OutOfMemory, EngineError
        As :func:`denoise_volume`.
    """
    from ..model import Model, load_model

    name = "a model" if isinstance(model, Model) else Path(model).name
    found = model if isinstance(model, Model) else load_model(model)
    if axes is None and len(image.shape) == len(found.axes):
        axes = found.axes
    source = Source.of(image, axes)
    events = store(
        path,
        source,
        lambda sink: apply_volume_iter(
            found.state,
            source,
            sink,
            None,
            found.config,
            intensity=intensity,
            tile=tile,
            should_stop=should_stop,
        ),
        found.config,
        scale=scale,
        units=units,
        channel_names=channel_names,
        ome_zarr=ome_zarr,
        **_described(found.config, source.axes.letters, name),
    )
    return _last(events, on_event)


def _last(events: VolumeEvents, on_event: Callable[[VolumeEvent], None] | None) -> Finished:
    for event in events:
        if isinstance(event, Finished):
            return event
        if on_event is not None:
            on_event(event)
    raise AssertionError("the run ended without its last event")
