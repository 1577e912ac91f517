"""What must be undone when the dock goes away, whoever takes it away."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable
from typing import Any

from .batch_worker import BatchWorker
from .worker import DenoiseWorker

Worker = DenoiseWorker | BatchWorker


class _Relay:
    """What napari calls in the place of a method of a widget.

    To disconnect something, napari compares it with all that is connected. Those of its models that are
    connected too (napari 0.6) take a close look at what they are compared with, and trip over a widget
    that Qt has deleted.
    """

    def __init__(self, slot: Callable[..., Any]) -> None:
        self._slot = weakref.WeakMethod(slot)
        self._with_event = bool(inspect.signature(slot).parameters)

    def calls(self, slot: Callable[..., Any]) -> bool:
        """Whether `slot` is what it calls."""
        return self._slot() == slot

    def tell(self, event: Any) -> None:
        """Call it, if it is still there."""
        slot = self._slot()
        if slot is not None:
            slot(event) if self._with_event else slot()


class Leash:
    """Hold the worker and the connections to the viewer of one dock widget.

    Qt may delete the widget together with its window while the viewer and Python live on. This object
    outlives the widget and is told of its end.
    """

    def __init__(self) -> None:
        self._worker: Callable[[], Worker | None] = lambda: None
        self._connections: list[tuple[Any, _Relay]] = []

    def connect(self, emitter: Any, slot: Callable[..., Any]) -> None:
        """Connect one of napari's events until :meth:`let_go`."""
        relay = _Relay(slot)
        emitter.connect(relay.tell)
        self._connections.append((emitter, relay))

    def release(self, emitter: Any, slot: Callable[..., Any]) -> None:
        """Disconnect `slot` from `emitter`, if :meth:`connect` connected it."""
        kept = []
        for connection in self._connections:
            if connection[0] is emitter and connection[1].calls(slot):
                emitter.disconnect(connection[1].tell)
            else:
                kept.append(connection)
        self._connections = kept

    def hold(self, worker: Worker) -> None:
        """End `worker` in :meth:`let_go`."""
        self._worker = weakref.ref(worker)  # a running worker is kept alive by superqt

    def let_go(self, _: object = None) -> None:
        """End the worker and disconnect everything."""
        worker = self._worker()
        if worker is not None:
            worker.quit()
        for emitter, relay in self._connections:
            emitter.disconnect(relay.tell)
        self._connections.clear()
