"""Several runs on one region, one after another, without live layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from napari.utils.notifications import notification_manager
from qtpy.QtCore import QObject, Signal, Slot

from ..config import Config
from ..errors import Blind2GradError
from ..events import Event, Progress, Result
from .adapter import Snapshot
from .worker import DenoiseWorker


class Series(QObject):
    """Run each of `configs`; deletes itself some time after `over`.

    Parameters
    ----------
    snapshot
        What to run on.
    configs
        How, in this order.
    hold
        Told of each worker, so that someone can end it when the window is gone.
    parent
        Qt parent.
    """

    progressed = Signal(int, float)  # number of the run, and the share of it that is done
    finished_one = Signal(int, object, object)  # number of the run, its Result, the noisy array
    failed = Signal(str)  # in words; the series ends
    over = Signal()  # the last signal, however it ended

    def __init__(
        self,
        snapshot: Snapshot,
        configs: Sequence[Config],
        hold: Callable[[DenoiseWorker], object],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._snapshot = snapshot
        self._configs = list(configs)
        self._hold = hold
        self._number = -1
        self._ended = False
        self._worker: DenoiseWorker | None = None

    def start(self) -> None:
        """Start the first run."""
        self._next()

    def cancel(self) -> None:
        """End the run that goes on, and the series; what is finished stays."""
        self._ended = True
        if self._worker is not None:
            self._worker.quit()

    def _next(self) -> None:
        self._number += 1
        if self._ended or self._number >= len(self._configs):
            self._worker = None
            self.over.emit()
            self.deleteLater()
            return
        self._worker = DenoiseWorker(self._snapshot, self._configs[self._number])
        self._hold(self._worker)
        self._worker.begin()  # no layers to wait for
        self._worker.yielded.connect(self._on_event)
        self._worker.errored.connect(self._on_error)
        self._worker.finished.connect(self._next_slot)
        self._worker.start()

    @Slot()
    def _next_slot(self) -> None:
        self._next()

    @Slot(object)
    def _on_event(self, event: Event) -> None:
        if self._ended:
            return
        if isinstance(event, Progress):
            self.progressed.emit(self._number, event.fraction)
        elif isinstance(event, Result):
            self.finished_one.emit(self._number, event, self._worker.arrays.image)

    @Slot(object)
    def _on_error(self, error: Exception) -> None:
        if self._ended:
            return
        self._ended = True
        if isinstance(error, Blind2GradError):
            self.failed.emit(str(error))
            return
        self.failed.emit(f"An unexpected error ended the comparison: {error!r}. Please report it.")
        notification_manager.receive_error(type(error), error, error.__traceback__)
