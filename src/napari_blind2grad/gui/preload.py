"""Load PyTorch, the engine and what napari loads late, without holding up the window."""

from __future__ import annotations

import ctypes
import functools
import gc
import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from vispy.visuals.line.dash_atlas import DashAtlas

from ..config import Config
from ..errors import Blind2GradError, EngineError
from ..events import Event

Engine = Callable[..., Generator[Event, Config | None, None]]

#: What napari imports for its first Labels layer, in the middle of a run.
_LATE = ("pandas", "skimage.color.colorconv", "skimage.exposure", "scipy.linalg")


def load_engine() -> Engine:
    """Import the engine, and PyTorch with it; takes seconds the first time.

    Raises
    ------
    EngineError
        If PyTorch is missing or cannot be loaded.
    """
    _load_library()
    try:
        from ..engine.run import denoise_iter
    except (ImportError, OSError) as error:
        raise EngineError(
            f"PyTorch could not be loaded ({error}). Install it again with: pip install torch"
        ) from error
    return denoise_iter


@functools.cache
def start() -> threading.Thread:
    """Begin to load in the background all that the first run needs; once in a process."""
    # Not a daemon: Python must not tear itself down in the middle of loading PyTorch's libraries.
    thread = threading.Thread(target=_load, name="blind2grad-preload")
    thread.start()
    return thread


def engine() -> Engine:
    """Wait for :func:`start`'s thread and return the engine; meant for a worker thread."""
    start().join()
    return load_engine()


def load_applier() -> Engine:
    """Import what applies trained networks, once :func:`load_engine` has been called."""
    from ..engine.apply import apply_iter

    return apply_iter


def load_volumes() -> tuple[Engine, Engine]:
    """Import what trains on, and what applies networks to, images that do not fit into memory."""
    from ..volume import apply_volume_iter, denoise_volume_iter

    return denoise_volume_iter, apply_volume_iter


def exercise(denoise_iter: Engine) -> None:
    """Denoise a few pixels: PyTorch loads another second's worth of modules when it first trains."""
    image = np.random.default_rng(0).normal(size=(16, 16)).astype(np.float32)
    config = Config(
        iterations=2, cycles=2, passes=1, patch=16, batch=1, width=8, depth=1, threads=1
    )
    for _ in denoise_iter(image, "YX", config):
        pass


def _load() -> None:
    with _uncollected():
        for name in _LATE:
            with suppress(ImportError):  # another napari may do without
                importlib.import_module(name)
        DashAtlas()  # keeps its patterns, which take long and every Labels layer needs
        with suppress(Blind2GradError):  # the first run will say so
            exercise(load_engine())


@contextmanager
def _uncollected() -> Iterator[None]:
    """Rest Python's cycle collector, which would walk all of napari as PyTorch's modules pour in."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _load_library() -> None:
    """Load PyTorch's main library before Python's import does.

    The import holds Python's lock while the library initialises itself, which freezes the window for
    150 ms; a call through ctypes does not hold it. Where this fails, the import does it all.
    """
    if "torch" in sys.modules or os.name != "posix":
        return
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return
    name = "libtorch_cpu.dylib" if sys.platform == "darwin" else "libtorch_cpu.so"
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.restype = ctypes.c_void_p
    dlopen(os.fsencode(Path(spec.origin).parent / "lib" / name), os.RTLD_NOW)
