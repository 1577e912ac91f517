"""Volumes to files: :func:`denoise_volume` and :func:`apply_volume`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Config
from ..engine.apply import Intensity
from .source import Source
from .store import store
from .stream import (
    Finished,
    VolumeEvent,
    VolumeEvents,
    apply_volume_iter,
    denoise_volume_iter,
)
from .survival import identify_volume

if TYPE_CHECKING:
    from ..cluster import Executor
    from ..model import Model


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
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    executor: Executor | None = None,
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
    checkpoint, resume
        As in :func:`napari_blind2grad.denoise`. Finished tiles are kept too, in a hidden file beside `path`.
    executor
        Makes the tiles on workers, such as those of :func:`~napari_blind2grad.cluster.open_executor`, and has
        nothing else to do meanwhile; the training is done here. Each tile takes one CPU thread unless
        ``config.threads`` says otherwise.

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
    from ..checkpoint import keeper_at

    config = config or Config()
    source = Source.of(image, axes)
    keeper = keeper_at(checkpoint, resume=resume)
    options: dict[str, Any] = {}
    if keeper is not None:
        keeper.check()
        options = keeper.options_for(identify_volume(source, config))
    events = store(
        path,
        source,
        lambda sink: denoise_volume_iter(
            source,
            sink,
            None,
            config,
            tile=tile,
            should_stop=should_stop,
            executor=executor,
            **options,
        ),
        config,
        scale=scale,
        units=units,
        channel_names=channel_names,
        ome_zarr=ome_zarr,
        keeper=keeper,
        **_described(config, source.axes.letters),
    )
    finished = _last(events, on_event)
    if keeper is not None and not finished.stopped:
        keeper.remove()
    return finished


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
    executor: Executor | None = None,
) -> Finished:
    """Denoise an image of any size into a file, with a network that was trained on another and saved.

    Parameters
    ----------
    model, intensity
        As in :func:`napari_blind2grad.apply`.
    image, path, axes, scale, units, channel_names, ome_zarr, tile, should_stop, on_event, executor
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
            executor=executor,
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
