"""Starts runs, one at a time, steers them and passes on what they tell."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtCore import QObject, Signal, Slot
from qtpy.QtWidgets import QWidget

from ..config import Config
from ..events import Result
from . import words
from .adapter import Snapshot, finest
from .network import Application
from .panel import State
from .run import Run
from .stage import Stage
from .tuning import short
from .volume_run import VolumeRun
from .worker import DenoiseWorker


class Conductor(QObject):
    """Hold the run that goes on.

    Parameters
    ----------
    viewer, stage
        Where things are shown, and the live layers of all inputs.
    hold
        Told of each worker.
    parent
        Qt parent, in napari's window.

    Attributes
    ----------
    run
        The run that goes on, or None.
    state
        What the window is doing.
    """

    started = Signal(object)  # Started
    progressed = Signal(object)  # Progress
    previewed = Signal(object)  # Preview
    finished = Signal(object, object)  # the Run, and its Result once all layers show it
    failed = Signal(str)  # why a run ended, in words
    told = Signal(str)  # what the user's wish has led to
    changed = Signal(object)  # State

    def __init__(
        self,
        viewer: ViewerModel,
        stage: Stage,
        hold: Callable[[DenoiseWorker], object],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._stage, self._hold, self._widget = viewer, stage, hold, parent
        self.run: Run | None = None
        self.state = State.IDLE

    def start(
        self,
        layer: Image,
        snapshot: Snapshot,
        config: Config,
        shown: Set[str],
        warm: Any = None,
        application: Application | None = None,
    ) -> None:
        """Start a run on `layer`; none may go on.

        Parameters
        ----------
        layer, snapshot, config
            The input, the part to denoise, and how.
        shown
            Keys of the live layers that are wanted.
        warm
            Trained networks to go on from for a moment; None starts anew.
        application
            A trained network to apply; None trains one.
        """
        live = self._stage.live(layer)
        live.want(set(shown) & {"denoised"} if snapshot.by_tiles else set(shown))
        kind = VolumeRun if snapshot.by_tiles else Run
        run = kind(self._viewer, layer, live, snapshot, config, self._widget, warm, application)
        self.run = run
        self._hold(run.worker)
        run.worker.want_residual = "residual" in shown
        run.started.connect(self.started)
        run.progressed.connect(self.progressed)
        run.previewed.connect(self.previewed)
        run.laid_out.connect(self._stage.fit)
        run.finished.connect(self._passing_on(run))
        run.failed.connect(self.failed)
        run.over.connect(self._on_over)
        run.ended.connect(run.deleteLater)
        layer.events.data.connect(self._on_input_replaced)
        self._set(State.RUNNING)
        run.start()

    @property
    def training(self) -> bool:
        """Whether the run that goes on trains, and does not only apply a network."""
        return self.run is not None and self.run.application is None

    def send(self, config: Config) -> None:
        """Change live parameters of the run, if one goes on that trains."""
        if self.run is not None and self.run.application is None:
            self.run.send(short(config) if self.run.warm else config)

    def pause(self) -> None:
        """Hold the run, or go on with it."""
        if self.run is None:
            return
        worker = self.run.worker
        if worker.paused:
            worker.resume()
            self._set(State.RUNNING)
        else:
            worker.pause()
            self._set(State.PAUSED)
            self.told.emit("Paused. Resume to go on, or stop and keep what there is.")

    def stop(self) -> None:
        """End the training and keep the result."""
        if self.run is not None:
            self._set(State.ENDING)
            self.told.emit(words.stopping(self.run))
            self.run.stop()

    def cancel(self, reason: str = "") -> None:
        """End the run at once; layers stay as they are. `reason` is told, if there is one."""
        if self.run is not None:
            self.run.cancel(reason)

    def leave(self, layer: object) -> str:
        """End the run if `layer`, which the viewer no longer has, is its input; return why, in words."""
        if self.run is None or layer is not self.run.source:
            return ""
        reason = f"“{self.run.snapshot.name}” was removed, so the run ended. Layers made so far are kept."
        self.cancel(reason)
        return reason

    # ------------------------------------------------------------------------------ slots

    def _set(self, state: State) -> None:
        self.state = state
        self.changed.emit(state)

    def _passing_on(self, run: Run) -> Callable[[Result], None]:
        return lambda result: self.finished.emit(run, result)

    def _on_input_replaced(self) -> None:
        if self.run is not None and finest(self.run.source) is not self.run.snapshot.data:
            self.cancel(
                f"The data of “{self.run.snapshot.name}” were replaced, so the run ended. Layers made so "
                "far are kept; run again for the new data."
            )

    @Slot()
    def _on_over(self) -> None:
        """The run goes on no more, for whatever reason; how it ended is told next."""
        assert self.run is not None
        self.run.source.events.data.disconnect(self._on_input_replaced)
        self.run = None
        self.told.emit("Ended. Layers made so far are kept.")
        self._set(State.IDLE)
