"""The one-call interface: :func:`apply`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..engine.apply import Intensity, apply_iter
from ..errors import ConfigError
from ..events import Event, Result
from .files import Model, load_model


def apply(
    model: str | os.PathLike[str] | Model,
    image: npt.ArrayLike,
    axes: str | None = None,
    *,
    intensity: Intensity = "model",
    device: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
    dtype: str | None = None,
    should_stop: Callable[[], bool] | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Result:
    """Denoise an image with a network that was trained on another one and saved.

    On the very image that the network was trained on the result is that of the run, bit for bit on a CPU
    with the same threads, unless settings were changed while it ran or it was stopped early.

    Parameters
    ----------
    model
        A folder made by :meth:`Result.save_model <napari_blind2grad.Result.save_model>`, or what
        :func:`load_model` made of it.
    image
        As in :func:`napari_blind2grad.denoise`, with as many channels and colour samples as the image
        that the network was trained on; all other lengths are free.
    axes
        One letter for each dimension. When None, the axes of the image trained on if there are as many,
        else guessed.
    intensity
        ``"model"``: grey values mean what they meant in training. ``"image"``: the robust range of this
        image is mapped to that of the image trained on, for other exposures.
    device, precision, threads, dtype
        As in :class:`~napari_blind2grad.Config`; those of the run when None.
    should_stop, on_event
        As in :func:`napari_blind2grad.denoise`.

    Returns
    -------
    Result
        The denoised image with its maps; 0 iterations, no losses.

    Raises
    ------
    InputError
        If the folder is no model, or the image cannot be used by it; the message says why.
    ConfigError
        If there is no such device, or a setting is out of range.
    OutOfMemory, EngineError
        If the computation fails.
    """
    if intensity not in ("model", "image"):
        raise ConfigError(f"intensity must be model or image, not {intensity!r}.")
    model = model if isinstance(model, Model) else load_model(model)
    given: dict[str, Any] = dict(device=device, precision=precision, threads=threads, dtype=dtype)
    config = model.config.replace(**{k: v for k, v in given.items() if v is not None})
    if axes is None and np.ndim(image) == len(model.axes):
        axes = model.axes
    for event in apply_iter(
        model.state, image, axes, config, intensity=intensity, should_stop=should_stop
    ):
        if isinstance(event, Result):
            return event
        if on_event is not None:
            on_event(event)
    raise AssertionError("apply_iter ended without a Result")
