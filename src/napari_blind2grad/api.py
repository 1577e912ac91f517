"""The one-call interface: :func:`denoise`."""

from __future__ import annotations

from collections.abc import Callable

import numpy.typing as npt

from .config import Config
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
        are computed.
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
        If the image or its axes cannot be used; the message says what to do.
    OutOfMemory, EngineError
        If the computation fails.
    """
    from .engine.run import denoise_iter

    watched = on_event is not None
    for event in denoise_iter(image, axes, config, should_stop=should_stop, previews=watched):
        if isinstance(event, Result):
            return event
        if on_event is not None:
            on_event(event)
    raise AssertionError("denoise_iter ended without a Result")
