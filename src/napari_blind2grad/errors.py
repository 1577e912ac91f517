"""What can go wrong, in words that say what to do.

Every error that the package raises on purpose derives from :class:`Blind2GradError`, so a caller can
show its message to a user as it stands. Anything else that surfaces is a bug.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Blind2GradError(Exception):
    """Base of all errors whose message is written for the user."""


class ConfigError(Blind2GradError, ValueError):
    """A parameter is unknown, of the wrong type or out of its range."""


class InputError(Blind2GradError, ValueError):
    """The image, its axes or its file cannot be used as given."""


class OutputError(Blind2GradError, OSError):
    """The result could not be written where it was asked for."""


class OutOfMemory(Blind2GradError):
    """The device or the host ran out of memory."""


class EngineError(Blind2GradError):
    """PyTorch failed in the middle of a run; the original error is its ``__cause__``."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn PyTorch's ``RuntimeError`` and memory errors into our own types.

    napari's generator workers swallow a bare ``RuntimeError`` (they take it for a deleted Qt object),
    so none may cross the border between the engine and a worker.

    Raises
    ------
    OutOfMemory
        For ``MemoryError`` and the devices' out-of-memory errors.
    EngineError
        For every other ``RuntimeError``.
    """
    try:
        yield
    except MemoryError as error:
        raise OutOfMemory(_out_of_memory("this computer")) from error
    except RuntimeError as error:
        text = str(error)
        if "out of memory" in text.lower() or "can't allocate memory" in text.lower():
            raise OutOfMemory(_out_of_memory("the device")) from error
        raise EngineError(f"The computation failed: {text or type(error).__name__}") from error


def _out_of_memory(where: str) -> str:
    return (
        f"Not enough memory on {where}. Denoise a smaller region, choose a smaller patch or batch, "
        "or switch the device to CPU."
    )
