"""A run as the window sees it: events in from the worker, at most ten updates a second out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QObject, QTimer, Signal, Slot
from qtpy.QtWidgets import QWidget

from ..config import Config
from ..errors import Blind2GradError
from ..events import Event, Preview, Progress, Result, Started
from .activity import ActivityBar
from .adapter import Snapshot
from .arrays import LiveArrays
from .controls import LayerControls, main_window
from .focus import looked_at
from .live import LiveLayers
from .network import Application
from .record import record_of, unfinished
from .worker import DenoiseWorker

#: Time between updates of the window, in milliseconds. Events in between are merged.
TICK = 200
#: The same while layers are made or get their final arrays, which takes some turns each.
_TURN = 5


class Run(QObject):
    """Own one worker, merge its events and keep the live layers up to date.

    Each run is an object of its own, so that nothing that a former worker still sends can be taken for
    news of the present one.

    Parameters
    ----------
    viewer, source, live
        Where things are shown, the input layer and its live layers.
    snapshot, config
        What to denoise, and how.
    parent
        Qt parent, in napari's window.
    warm
        Trained networks to go on from, or None.
    application
        A trained network to apply; None trains one.
    """

    started = Signal(object)  # Started
    progressed = Signal(object)  # Progress
    previewed = Signal(object)  # Preview
    laid_out = Signal()  # all layers that are wanted are there
    finished = Signal(object)  # Result, once all layers show it
    failed = Signal(str)  # why it ended, in words
    over = Signal()  # it goes on no more; comes before `finished` and `failed`
    ended = Signal()  # the thread is gone; the last signal, after every kind of end
    _kind = DenoiseWorker

    def __init__(
        self,
        viewer: ViewerModel,
        source: Image,
        live: LiveLayers,
        snapshot: Snapshot,
        config: Config,
        parent: QWidget,
        warm: Any = None,
        application: Application | None = None,
    ) -> None:
        super().__init__(parent)
        self._widget = parent
        self._viewer = viewer
        self.source = source
        self.live = live
        self.snapshot = snapshot
        self.config = config
        self._offset = snapshot.offset
        self._plane: Mapping[str, int] = {}
        self._latest: Progress | None = None
        self._previews: dict[tuple[tuple[str, int], ...], Preview] = {}
        self._result: Result | None = None
        self._over = False
        self._began = False
        self._first = warm is None  # whether the other layers wait for the first preview
        self._thread_gone = False
        self._bar: ActivityBar | None = None
        self._canvas: QWidget | None = None
        before = live.arrays if type(live.arrays) is LiveArrays and warm is not None else None
        self.worker = self._kind(snapshot, config, warm, before, application)
        self.worker.yielded.connect(self._on_event)
        self.worker.errored.connect(self._on_error)
        self.worker.finished.connect(self._on_worker_finished)
        self._timer = QTimer(self)
        self._timer.setInterval(TICK)
        self._timer.timeout.connect(self._on_tick)

    # --------------------------------------------------------------------------- control

    def start(self) -> None:
        """Start the worker."""
        self.look()
        self._viewer.dims.events.point.connect(self.look)
        self._viewer.dims.events.ndisplay.connect(self.look)
        self._timer.start()
        self.worker.start()

    @property
    def running(self) -> bool:
        """Whether the run still goes on."""
        return not self._over

    @property
    def plane(self) -> Mapping[str, int]:
        """The plane being looked at, by axis letter, in the coordinates of the region."""
        return self.worker.focus

    @property
    def warm(self) -> bool:
        """Whether it goes on from a network that was trained before."""
        return self.worker.warm is not None

    @property
    def application(self) -> Application | None:
        """The trained network that is applied, if none is trained."""
        return self.worker.application

    def look(self) -> None:
        """Tell the worker which plane is being looked at."""
        if self.source not in self._viewer.layers:
            return
        self._plane = looked_at(self._viewer, self.source, self.snapshot.axes, self._plane)
        lengths = dict(zip(self.snapshot.axes.letters, self.snapshot.shape, strict=True))
        self.worker.focus = {
            letter: min(max(index - self._offset[letter], 0), lengths[letter] - 1)
            for letter, index in self._plane.items()
        }

    def send(self, config: Config) -> None:
        """Change live parameters."""
        self.config = config
        self.worker.send(config)

    def stop(self) -> None:
        """End the training and keep the result."""
        self.worker.stop()

    def cancel(self, reason: str = "") -> None:
        """End at once and keep the layers as they are; tell `reason`, if there is one."""
        if self._over:
            return
        self.worker.quit()
        self._close(reason)
        if self._thread_gone:  # the result was there, but not yet in all layers
            self.ended.emit()

    def image(self, result: Any) -> Any:
        """Return the whole denoised image of a `result`, or None."""
        return result.image

    # ------------------------------------------------------------------------ the worker

    def _keep_record(self, record: Mapping[str, Any]) -> None:
        """Write down in the layers how they came about."""
        self.live.finish(record)

    @Slot(object)
    def _on_event(self, event: Event) -> None:
        if self._over:
            return
        if isinstance(event, Progress):
            self._latest = event
        elif isinstance(event, Preview):
            self._first = False
            key = tuple(sorted(event.index.items()))
            self._previews.pop(key, None)  # the newest comes last
            self._previews[key] = event
        elif isinstance(event, Started):
            assert self.worker.arrays is not None
            self.live.begin(self.snapshot, self.worker.arrays, LayerControls(self._widget))
            self._began = True
            self._timer.setInterval(_TURN)
            self.started.emit(event)
        else:
            self._first = False
            self._result = event
            self._flush()
            self._keep_record(
                record_of(
                    event,
                    self.snapshot,
                    self.worker.changes,
                    warm=self.warm,
                    application=self.application,
                )
            )
            self._timer.setInterval(_TURN)

    @Slot(object)
    def _on_error(self, error: Exception) -> None:
        if self._over:
            return
        if isinstance(error, Blind2GradError):
            self._close(str(error))
            return
        self._close(f"An unexpected error ended the run: {error!r}. Please report it.")
        notification_manager.receive_error(type(error), error, error.__traceback__)

    @Slot()
    def _on_worker_finished(self) -> None:
        self._thread_gone = True
        if self._result is None:  # else the layers are still to be brought up to date
            self._close()
        if self._over:
            self.ended.emit()

    # ------------------------------------------------------------------------ the window

    def _on_tick(self) -> None:
        if self._canvas is not None:  # a turn of its own, so as not to hold up the window for long
            self._draw_again()
            return
        if self._bar is None:  # napari draws the whole window for it
            self._make_bar()
            return
        self._flush()
        if self._first and self.live.ready("denoised"):
            self.worker.show_first()
            return
        if self._step():
            return
        self._timer.setInterval(TICK)
        if self._began:
            self._first = False
            self.laid_out.emit()
            self.worker.begin()
        if self._result is None:
            return
        result = self._result
        self._close()
        self.finished.emit(result)
        if self._thread_gone:
            self.ended.emit()

    def _make_bar(self) -> None:
        # napari handles events meanwhile: the next tick must not make another, and the run may end.
        self._timer.stop()
        bar = ActivityBar(f"Denoising {self.snapshot.name}", self._widget)
        if self._over:
            bar.close()
            return
        self._bar = bar
        self._timer.start()

    def _step(self) -> bool:
        """Let one layer come nearer its end; what it changes is drawn in the next turn."""
        self._canvas = _canvas(self._widget)
        if self._canvas is not None:
            self._canvas.setUpdatesEnabled(False)
        done = not self.live.step()
        if done:
            self._draw_again()
        return not done

    def _draw_again(self) -> None:
        if self._canvas is not None:
            self._canvas.setUpdatesEnabled(True)
            self._canvas = None

    def _flush(self) -> None:
        """Pass on what came since the last tick."""
        if self._latest is not None:
            latest, self._latest = self._latest, None
            if self._bar is not None:
                self._bar.move(latest.fraction)
            self.progressed.emit(latest)
        if self._previews:
            previews, self._previews = list(self._previews.values()), {}
            if any(self._is_shown(preview.index) for preview in previews):
                self.live.refresh()
            self.live.set_limits(previews[-1].index)
            for preview in previews:
                self.previewed.emit(preview)

    def _is_shown(self, index: Mapping[str, int]) -> bool:
        if self._viewer.dims.ndisplay == 3:
            return True
        return all(self.plane.get(letter, i) == i for letter, i in index.items())

    def _close(self, reason: str = "") -> None:
        """End this run for the window; the worker may take a moment longer."""
        if self._over:
            return
        self._over = True
        self._timer.stop()
        self._draw_again()
        self._viewer.dims.events.point.disconnect(self.look)
        self._viewer.dims.events.ndisplay.disconnect(self.look)
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self.live.abandon()
        # Before the start, the layers are still those of the run before.
        if self._result is None and self._began:
            self._keep_record(
                unfinished(
                    self.worker.config,
                    self.snapshot,
                    self.worker.changes,
                    application=self.application,
                )
            )
        self.over.emit()
        if reason:
            self.failed.emit(reason)


def _canvas(widget: QWidget) -> QWidget | None:
    """Return what lies in the middle of the main window that `widget` is docked in, if it is docked."""
    window = main_window(widget)
    return window.centralWidget() if window is not None else None
