"""The one-call interface: :func:`denoise`."""

from __future__ import annotations

import math
from collections.abc import Callable

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

    Returns
    -------
    Result
        The denoised image with the masks, gradients and losses of the run.

    Raises
    ------
    InputError
        If the image or its axes cannot be used, or the image is large and not in memory; the message
        says what to do.
    OutOfMemory, EngineError
        If the computation fails.
    """
    from .engine.run import denoise_iter

    _check_held(image)
    watched = on_event is not None
    for event in denoise_iter(image, axes, config, should_stop=should_stop, previews=watched):
        if isinstance(event, Result):
            return event
        if on_event is not None:
            on_event(event)
    raise AssertionError("denoise_iter ended without a Result")


def _check_held(image: npt.ArrayLike) -> None:
    """Refuse to fill the memory with an array that its owner took care not to hold there."""
    held = isinstance(image, np.ndarray) and not isinstance(image, np.memmap)
    size = math.prod(getattr(image, "shape", ()))
    if not held and size > sizes.WHOLE:
        raise InputError(
            f"This array has {size:,} values and is not in memory, where image, result and maps would take "
            f"about {size * 24 / 2**30:.0f} GiB. Use denoise_volume(image, 'denoised.ome.zarr'), which works "
            "tile by tile, or give numpy.array(image)."
        )
