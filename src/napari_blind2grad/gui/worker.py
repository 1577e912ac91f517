"""One run of the engine in a thread of napari's pool, and the plain attributes that steer it."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
from napari.qt.threading import WorkerBase, WorkerBaseSignals
from qtpy.QtCore import Signal

from ..axes import Axes
from ..config import Config, parameters
from ..errors import translated
from ..events import Event, Preview, Progress, Result, Started
from . import preload
from .adapter import Snapshot
from .arrays import LiveArrays
from .network import Application
from .past import Past

#: Priority of the computation against the window's: 0 the same, 19 only what the window leaves.
_NICENESS = 10


def give_way() -> None:
    """Let the window go before this thread, and those that PyTorch starts from it."""
    if sys.platform == "linux":  # elsewhere, priorities are not those of single threads
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def leave_a_core(config: Config) -> Config:
    """Leave one core to the window, unless the user has asked for a number of threads.

    PyTorch's threads wait for one another after every operation. When the window's drawing takes a core
    from one of them, all are late: on two cores, two threads were slower than one.
    """
    if config.threads:
        return config
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return config.replace(threads=max(1, (cores or 1) - 1))


@contextmanager
def spared_from_collection() -> Iterator[None]:
    """Keep Python's cycle collector off all objects that are there now.

    napari and PyTorch make up a million objects. Walking them all holds every thread up for a tenth of
    a second each time, the window's too.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class WorkerSignals(WorkerBaseSignals):
    """Signals of :class:`DenoiseWorker`."""

    yielded = Signal(object)  # an Event of the engine


class DenoiseWorker(WorkerBase):
    """Drive :func:`denoise_iter`, or :func:`apply_iter`, in a worker thread.

    superqt's own generator worker swallows a ``RuntimeError``, never closes its generator, and loses a
    resume that comes before the pause took effect; hence this subclass of the base that it offers for
    such cases. napari still knows the worker and ends it when the application quits.

    Parameters
    ----------
    snapshot
        The input.
    config
        Settings at the start.
    warm
        Trained networks to go on from, or None.
    before
        What the layers show so far; it stays until the first preview, if it is of the same region.
    application
        A trained network to apply; None trains one.
    """

    yielded: Any

    def __init__(
        self,
        snapshot: Snapshot,
        config: Config,
        warm: Any = None,
        before: LiveArrays | None = None,
        application: Application | None = None,
    ) -> None:
        super().__init__(SignalsClass=WorkerSignals)
        self.snapshot = snapshot
        self.config = leave_a_core(config)
        self.warm = warm
        self.application = application
        self._before = before
        #: Where the user looks, by axis letter of the region; replaced as a whole, never mutated.
        self.focus: Mapping[str, int] = {}
        #: Whether the residual layer is wanted.
        self.want_residual = False
        #: Made when the run has started.
        self.arrays: LiveArrays | None = None
        #: What changed on the way: the new values, and the ``iteration`` after which they took effect.
        self.changes: list[dict[str, Any]] = []
        self._iteration = 0
        #: Their axes, colour samples included.
        self.axes = snapshot.axes
        #: What they held at the end of each cycle.
        self.past = Past()
        self._changes: deque[Config] = deque(maxlen=1)  # only the newest counts
        self._stop = False
        self._only_first: bool | None = None
        self._begun_or_ending = threading.Event()
        self._running_or_ending = threading.Event()
        self._running_or_ending.set()

    # ------------------------------------------------------------- called from the GUI thread

    def send(self, config: Config) -> None:
        """Hand changed live parameters to the engine; it takes them up with its next step."""
        self._changes.append(config)

    def begin(self) -> None:
        """Let the training begin; it waits for this, so as not to slow the making of layers down."""
        self._begun_or_ending.set()

    def show_first(self) -> None:
        """Let the training go as far as its first preview; there it waits for :meth:`begin` once more.

        Only the first call counts: when another comes, that preview may be on its way already.
        """
        if self._only_first is None:
            self._only_first = True
            self._begun_or_ending.set()

    def pause(self) -> None:
        """Hold the run after its current step."""
        if not (self._stop or self.abort_requested):
            self._running_or_ending.clear()

    def resume(self) -> None:
        """Go on after :meth:`pause`."""
        self._running_or_ending.set()

    @property
    def paused(self) -> bool:
        """Whether a pause is asked for."""
        return not self._running_or_ending.is_set()

    def stop(self) -> None:
        """End the training and keep what there is: a Result still comes."""
        self._stop = True
        self.begin()
        self.resume()

    def quit(self) -> None:
        """End at once; nothing more is yielded."""
        super().quit()
        self.begin()
        self.resume()

    # ----------------------------------------------------------------- in the worker's thread

    def work(self) -> None:
        """Run the engine to its end; called by the thread pool."""
        # A thread of its own: the pool's are used again, and could not be given back as they were.
        with translated(), ThreadPoolExecutor(1, "blind2grad", give_way) as pool:
            engine = self._engine()
            with spared_from_collection():
                pool.submit(self._drive, engine).result()

    def _engine(self) -> preload.Engine:
        """Return what makes the events."""
        engine = preload.engine()
        return engine if self.application is None else preload.load_applier()

    def _image(self) -> Any:
        """Return what it works on, for :meth:`_events` and :meth:`_take`."""
        return self.snapshot.array()

    def _drive(self, engine: preload.Engine) -> None:
        if self.abort_requested:
            return
        image = self._image()
        with closing(self._events(engine, image)) as events:
            change: Config | None = None  # a generator takes nothing before its first yield
            while not self.abort_requested:
                try:
                    event = events.send(change)
                except StopIteration:
                    return
                self._take(event, image)
                if isinstance(event, Preview):
                    self._hold_at_first()
                if not self.abort_requested:
                    self.yielded.emit(event)
                self._begun_or_ending.wait()
                self._running_or_ending.wait()
                change = self._changes.popleft() if self._changes else None
                self._note(event, change)

    def _events(self, engine: preload.Engine, image: np.ndarray) -> Generator[Event, Any, None]:
        what: tuple[Any, ...] = (image, self.snapshot.axes.letters, self.config)
        options: dict[str, Any] = {"should_stop": self._should_stop, "focus": self._focus}
        if self.application is not None:
            options["intensity"] = self.application.intensity
            return engine(self.application.network.state, *what, **options)
        if self.warm is not None:
            options["warm"] = self.warm
        return engine(*what, **options)

    def _hold_at_first(self) -> None:
        """Wait for the window once it has been told of the first preview, if it wants that."""
        if self._only_first:
            self._only_first = False
            self._begun_or_ending.clear()  # before the window is told: it may begin at once
            if self._stop or self.abort_requested:
                self._begun_or_ending.set()

    def _note(self, event: Event, change: Config | None) -> None:
        """Write down which settings change now."""
        if isinstance(event, Progress | Preview):
            self._iteration = event.iteration
        if change is None or isinstance(event, Result):
            return
        new = {
            p.name: getattr(change, p.name)
            for p in parameters()
            if p.live and getattr(change, p.name) != getattr(self.config, p.name)
        }
        if new:
            self.changes.append({"iteration": self._iteration, **new})
            self.config = self.config.replace(**new)

    def _take(self, event: Event, image: np.ndarray) -> None:
        """Do the copying here that would hold up the GUI thread."""
        if isinstance(event, Started):
            self.axes = Axes(event.axes, image.shape)
            dtype = image.dtype if self.config.dtype == "input" else np.dtype(np.float32)
            self.arrays = LiveArrays(image, self.axes, dtype)
            if self._before is not None:
                self.arrays.adopt(self._before)
                self._before = None
        elif self.arrays is not None:
            if self.application is None:  # else there are no cycles
                self.past.take(event, self.arrays, self.axes, self.focus)
            if self.want_residual:
                self.arrays.make_residual()
            if isinstance(event, Preview):
                self.arrays.write(event)
            elif isinstance(event, Result):
                self.arrays.finish(event)

    def _should_stop(self) -> bool:
        return self._stop or self.abort_requested

    def _focus(self) -> Mapping[str, int]:
        return self.focus
