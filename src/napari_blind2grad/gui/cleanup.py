"""What must be undone when the dock goes away, whoever takes it away."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from .batch_worker import BatchWorker
from .worker import DenoiseWorker

Worker = DenoiseWorker | BatchWorker


class Leash:
    """Hold the worker and the connections to the viewer of one dock widget.

    Qt may delete the widget together with its window while the viewer and Python live on. This object
    outlives the widget and is told of its end.
    """

    def __init__(self) -> None:
        self._worker: Callable[[], Worker | None] = lambda: None
        self._connections: list[tuple[Any, weakref.WeakMethod[Callable[..., Any]]]] = []

    def connect(self, emitter: Any, slot: Callable[..., Any]) -> None:
        """Connect one of napari's events until :meth:`let_go`."""
        emitter.connect(slot)
        self._connections.append((emitter, weakref.WeakMethod(slot)))

    def release(self, emitter: Any, slot: Callable[..., Any]) -> None:
        """Disconnect `slot` from `emitter`, if :meth:`connect` connected it."""
        kept = [connection for connection in self._connections if connection[0] is not emitter]
        if len(kept) < len(self._connections):
            emitter.disconnect(slot)
        self._connections = kept

    def hold(self, worker: Worker) -> None:
        """End `worker` in :meth:`let_go`."""
        self._worker = weakref.ref(worker)  # a running worker is kept alive by superqt

    def let_go(self, _: object = None) -> None:
        """End the worker and disconnect everything."""
        worker = self._worker()
        if worker is not None:
            worker.quit()
        for emitter, reference in self._connections:
            slot = reference()
            if slot is not None:
                emitter.disconnect(slot)
        self._connections.clear()
