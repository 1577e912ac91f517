"""The one-call interface: :func:`denoise`."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from . import sizes
from .config import Config
from .errors import InputError
from .events import Event, Result


def denoise(
    image: npt.ArrayLike,
    axes: str | None = None,
    config: Config | None = None,
    *,
    should_stop: Callable[[], bool] | None = None,
    on_event: Callable[[Event], None] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> Result:
    """Denoise one image, stack or time-lapse with a network trained on that very image.

    Parameters
    ----------
    image
        Array of 2 to 6 dimensions, any integer or float dtype; never altered. Dask and other lazy arrays
        are read, but not if they have more than 32 · 2²⁰ values: they are for
        :func:`~napari_blind2grad.denoise_volume`.
    axes
        One letter of ``T C Z Y X S`` for each dimension, in any order (``S``: samples of a colour
        image). Guessed as YX, ZYX, TZYX or TCZYX when None.
    config
        Settings; the ``fast`` preset when None.
    should_stop
        Polled in every step; once it returns true the run ends with what it has.
    on_event
        Called with every event of :func:`denoise_iter` but the last.
    checkpoint
        A folder in which the state of the run is kept every half minute, so that it can go on after the
        process was killed. It is made, and removed when the run is done.
    resume
        Go on with the run whose checkpoint lies there, to the same result bit for bit on a CPU with as many
        threads; if there is none, begin.

    Returns
    -------
    Result
        The denoised image with the masks, gradients and losses of the run.

    Raises
    ------
    InputError
        If the image or its axes cannot be used, the image is large and not in memory, or the checkpoint is of
        another run; the message says what to do.
    OutputError
        If no checkpoint can be kept in the folder, or there is one and `resume` is false.
    OutOfMemory, EngineError
        If the computation fails.
    """
    from .engine.run import denoise_iter

    _check_held(image)
    options: dict[str, Any] = {}
    keeper = None
    if checkpoint is not None or resume:
        from .checkpoint import keeper_at

        keeper = keeper_at(checkpoint, resume=resume)
    if keeper is not None:
        config = config or Config()
        image = np.asarray(image)
        options = keeper.options(image, axes, config)
    watched = on_event is not None
    events = denoise_iter(image, axes, config, should_stop=should_stop, previews=watched, **options)
    for event in events:
        if isinstance(event, Result):
            if keeper is not None and not event.stopped:
                keeper.remove()
            return event
        if on_event is not None:
            on_event(event)
    raise AssertionError("denoise_iter ended without a Result")


def _check_held(image: npt.ArrayLike) -> None:
    """Refuse to fill the memory with an array that its owner took care not to hold there."""
    if hasattr(image, "shape") and sizes.goes_by_tiles(image):
        size = math.prod(image.shape)
        raise InputError(
            f"This array has {size:,} values and is not in memory, where image, result and maps would take "
            f"about {size * 24 / 2**30:.0f} GiB. Use denoise_volume(image, 'denoised.ome.zarr'), which works "
            "tile by tile, or give numpy.array(image)."
        )
