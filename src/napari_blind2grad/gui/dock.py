"""The dock widget: choose an image, run, watch, steer and save."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QLabel, QWidget
from superqt.utils import create_worker

from ..axes import Axes
from ..config import Config
from ..errors import Blind2GradError
from ..events import Preview, Progress, Result, Started
from . import preload, words
from .actions import ActionBar
from .adapter import finest, take_snapshot
from .choice import LayerChoice
from .cleanup import Leash
from .focus import looked_at
from .form import ParameterForm
from .history import HistoryBar
from .inputs import InputBox
from .judge import Judge
from .legend import MaskLegend
from .live import LiveLayers, grid, is_live
from .pane import Pane
from .panel import RunPanel, State
from .plots import LossPlot
from .preferences import read_preferences
from .quality import QualityBox
from .regions import region_slices
from .run import Run
from .saving import Saver, ask_where
from .snippets import command_text, python_text
from .theme import palette

if TYPE_CHECKING:
    import napari.viewer


class Blind2GradWidget(Pane):
    """Denoise the image of a layer while watching and steering.

    Parameters
    ----------
    viewer
        The napari viewer.

    Attributes
    ----------
    started, previewed
        Signals with the run's :class:`~napari_blind2grad.events.Started` and each
        :class:`~napari_blind2grad.events.Preview` that was shown.
    finished
        Signal with the :class:`~napari_blind2grad.events.Result`, once all layers show it.
    failed
        Signal with what went wrong, in words.
    """

    started = Signal(object)
    previewed = Signal(object)
    finished = Signal(object)
    failed = Signal(str)

    # napari hands its viewer to the parameter with this very annotation, compared as text.
    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self._run: Run | None = None
        self._live: weakref.WeakKeyDictionary[Image, LiveLayers] = weakref.WeakKeyDictionary()
        self._leash = Leash()
        self._state = State.IDLE
        self._machine = ""
        self.saver = Saver(self)
        self._build()
        preferences = read_preferences()
        self.form.set_config(preferences.config)
        self.choice.set_keys(preferences.shown)
        self._connect()
        self._on_theme()
        self._on_input()
        preload.start()

    # ------------------------------------------------------------------------- public use

    def config(self) -> Config:
        """Return the settings that the form shows."""
        return self.form.config()

    def set_config(self, config: Config) -> None:
        """Show `config` in the form."""
        self.form.set_config(config)

    @property
    def running(self) -> bool:
        """Whether a run goes on."""
        return self._run is not None

    def run(self) -> None:
        """Start a run; what stands in its way is said in the status line."""
        if self._run is not None:
            return
        try:
            layer, axes = self.input.checked()
            parsed = Axes(axes, tuple(finest(layer).shape))
            plane = looked_at(self.viewer, layer, parsed, {})
            region = region_slices(self.input.region_key(), self.viewer, layer, parsed, plane)
            snapshot = take_snapshot(layer, axes, region)
            config = self.form.config()
        except Blind2GradError as error:
            self.panel.clear_progress()
            self._tell_failure(str(error))
            return
        live = self._live.setdefault(layer, LiveLayers(self.viewer, layer))
        live.want(self.choice.keys())
        run = Run(self.viewer, layer, live, snapshot, config, self)
        self._run = run
        self._leash.hold(run.worker)
        run.worker.want_residual = "residual" in live.wanted
        run.started.connect(self._on_started)
        run.progressed.connect(self._on_progress)
        run.previewed.connect(self._on_preview)
        run.finished.connect(self._on_finished)
        run.failed.connect(self._tell_failure)
        run.over.connect(self._on_over)
        run.finished.connect(lambda result: self.judge.judge(snapshot, result, run.plane))
        run.ended.connect(run.deleteLater)
        layer.events.data.connect(self._on_input_replaced)
        self.plot.clear()
        self.legend.clear()
        self.noise.clear()
        self.panel.clear_progress()
        self._set_state(State.RUNNING)
        self.panel.show_status("Getting ready: loading PyTorch and reading the image…")
        run.start()

    def pause(self) -> None:
        """Hold the run, or go on with it."""
        if self._run is None:
            return
        worker = self._run.worker
        if worker.paused:
            worker.resume()
            self._set_state(State.RUNNING)
        else:
            worker.pause()
            self._set_state(State.PAUSED)
            self.panel.show_status("Paused. Resume to go on, or stop and keep what there is.")

    def stop(self) -> None:
        """End the training and keep the result."""
        if self._run is not None:
            self._set_state(State.ENDING)
            self.panel.show_status("Stopping: making the image from what has been learnt…")
            self._run.stop()

    def cancel(self, reason: str = "") -> None:
        """End the run at once; layers stay as they are. `reason` is told, if there is one."""
        if self._run is not None:
            self._run.cancel(reason)

    def on_dock_closed(self) -> None:
        """End the run; nobody is looking any more."""
        self.cancel()

    def apply_to_stack(self) -> None:
        """Run the present settings on the whole image."""
        self.input.choose_region("whole")
        self.run()

    def save(self, path: str | Path) -> None:
        """Write the denoised image of the chosen input to `path`, in the background."""
        layer = self._denoised()
        if layer is None:
            self._tell_failure("There is nothing to save yet: run first.")
            return
        self.history.to_now()
        self.panel.show_status(f"Saving {path}…")
        self.saver.save(Path(path), layer, self.input.layer(), self.input.axes.text())

    def python(self) -> str:
        """Return Python that does what a run on the whole image would do."""
        return python_text(self.form.config(), **self._origin())

    def command(self) -> str:
        """Return the command line that does what a run on the whole image would do."""
        return command_text(self.form.config(), **self._origin())

    # ----------------------------------------------------------------------------- layout

    def _build(self) -> None:
        content = self.content
        self.input = InputBox(self.viewer, content)
        self.form = ParameterForm(content)
        self.choice = LayerChoice(content)
        self.panel = RunPanel(content)
        self.plot = LossPlot(content)
        self.noise = QLabel(content)
        self.noise.setObjectName("noise")
        self.noise.setWordWrap(True)
        self.legend = MaskLegend(content)
        self.history = HistoryBar(content)
        self.quality = QualityBox(content)
        self.judge = Judge(self.quality, self)
        self.action_bar = ActionBar(content)
        self.fill(
            (
                self.input,
                self.form,
                None,
                self.choice,
                None,
                self.panel,
                self.plot,
                self.noise,
                self.legend,
                self.history,
                self.quality,
                None,
                self.action_bar,
            )
        )

    def _connect(self) -> None:
        self.input.changed.connect(self._on_input)
        self.form.changed.connect(self._on_config)
        self.choice.changed.connect(self._on_choice)
        self.choice.side_by_side.connect(self._on_side_by_side)
        self.panel.run_clicked.connect(self.run)
        self.panel.pause_clicked.connect(self.pause)
        self.panel.stop_clicked.connect(self.stop)
        self.action_bar.apply_clicked.connect(self.apply_to_stack)
        self.action_bar.save_clicked.connect(self._on_save)
        self.saver.saved.connect(lambda path: self.panel.show_status(f"Saved {path}."))
        self.saver.failed.connect(self._tell_failure)
        self.action_bar.copy_python_clicked.connect(
            lambda: self._copy(self.python(), "Python code")
        )
        self.action_bar.copy_command_clicked.connect(
            lambda: self._copy(self.command(), "command line")
        )
        layers = self.viewer.layers.events
        for layer in self.viewer.layers:
            self._leash.connect(layer.events.name, self._on_layers)
        for emitter, slot in (
            (layers.inserted, self._on_inserted),
            (layers.removed, self._on_removed),
            (layers.reordered, self._on_layers),
            (self.viewer.layers.selection.events.active, self._on_active),
            (self.viewer.events.theme, self._on_theme),
        ):
            self._leash.connect(emitter, slot)
        # Not a method of ours: when Qt deletes this widget, only the leash is still whole.
        self.destroyed.connect(self._leash.let_go)

    # ---------------------------------------------------------------------------- helpers

    def _set_state(self, state: State) -> None:
        self._state = state
        idle = state is State.IDLE
        self.panel.set_state(state)
        self.input.set_locked(not idle)
        self.form.set_locked(not idle)
        self.action_bar.enable(
            apply=idle and self.input.region_key() != "whole",
            save=idle and self._denoised() is not None,
        )

    def _denoised(self) -> Image | None:
        source = self.input.layer()
        live = self._live.get(source) if source is not None else None
        layer = live.layer("denoised") if live is not None else None
        return layer if isinstance(layer, Image) else None

    def _origin(self) -> dict[str, Any]:
        layer = self.input.layer()
        name, path = ("image", None) if layer is None else (layer.name, layer.source.path)
        return {"name": name, "path": path, "axes": self.input.axes.text() or "YX"}

    def _copy(self, text: str, what: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self.panel.show_status(f"Copied the {what}.")

    def _tell_failure(self, text: str) -> None:
        self.panel.show_status(text, error=True)
        self.failed.emit(text)

    def _describe_input(self) -> tuple[str, bool]:
        """What is chosen, in words, and whether that is a complaint."""
        try:
            layer, axes = self.input.checked()
        except Blind2GradError as error:
            return str(error), True
        data = finest(layer)
        sizes = " × ".join(f"{n} {c}" for c, n in zip(axes, data.shape, strict=True))
        return f"Ready: {sizes}, {data.dtype}.", False

    # --------------------------------------------------------------- what the user changes

    def _on_input(self) -> None:
        """Another layer, other axes or another region."""
        if self._run is not None:
            return
        text, complaint = self._describe_input()
        self.panel.show_status(text, error=complaint)
        layer = self.input.layer()
        limits = layer.contrast_limits if layer is not None and not layer.rgb else None
        self.form.set_scale([limits[1] - limits[0]] if limits else [])
        self._look_at_noise(None if complaint else layer)
        self._set_state(State.IDLE)

    def _look_at_noise(self, layer: Image | None) -> None:
        axes = self.input.axes.text()
        plane = {}
        if layer is not None:
            plane = looked_at(self.viewer, layer, Axes(axes, tuple(finest(layer).shape)), {})
        self.judge.look_at(layer, axes, plane)

    def _on_config(self, config: Config) -> None:
        if self._run is not None:
            self._run.send(config)

    def _on_choice(self, keys: set[str]) -> None:
        source = self._run.source if self._run is not None else self.input.layer()
        live = self._live.get(source) if source is not None else None
        if live is None:
            return
        live.want(keys)
        if self._run is not None:
            self._run.worker.want_residual = "residual" in keys
        else:
            self._catch_up(live)

    def _catch_up(self, live: LiveLayers) -> None:
        """Make the layers that were ticked after the run."""
        if "residual" in live.wanted and live.needs_residual():
            worker = create_worker(live.make_residual, _ignore_errors=True)
            worker.returned.connect(self._on_residual)
            worker.start()
        while live.step():
            pass

    def _on_residual(self, _: object) -> None:
        source = self.input.layer()
        if source in self._live:
            self._catch_up(self._live[source])

    def _on_side_by_side(self, on: bool) -> None:
        grid(self.viewer).enabled = on
        for live in self._live.values():
            live.show_all(on)

    def _on_save(self) -> None:
        layer = self._denoised()
        if layer is not None and (path := ask_where(self, layer, self.input.layer())):
            self.save(path)

    # ------------------------------------------------------------------ what the viewer does

    def _on_layers(self) -> None:
        self.input.update_layers()

    def _on_inserted(self, event: Any) -> None:
        if not is_live(event.value):
            self._leash.connect(event.value.events.name, self._on_layers)
            self.input.update_layers()

    def _on_removed(self, event: Any) -> None:
        if self._run is not None and event.value is self._run.source:
            name = self._run.snapshot.name
            self.cancel(f"“{name}” was removed, so the run ended. Layers made so far are kept.")
        self.input.update_layers()

    def _on_input_replaced(self) -> None:
        if self._run is not None and finest(self._run.source) is not self._run.snapshot.data:
            name = self._run.snapshot.name
            self.cancel(
                f"The data of “{name}” were replaced, so the run ended. Layers made so far are kept; "
                "run again for the new data."
            )

    def _on_active(self) -> None:
        if self.input.layer() is None:
            self._on_input()

    def _on_theme(self) -> None:
        colours = palette(self.viewer)
        self.panel.set_palette(colours)
        self.plot.set_palette(colours)
        self.quality.set_palette(colours)

    # --------------------------------------------------------------------- what the run tells

    def _on_started(self, event: Started) -> None:
        self.form.set_scale(event.scale, exact=True)
        worker = self._run.worker
        self.history.begin(worker.past, worker.arrays, worker.axes, self._run.live)
        self.noise.setText(words.noise(event))
        self._machine = words.machine(event)
        self.panel.show_status(f"Training on {self._machine}…")
        self.started.emit(event)

    def _on_progress(self, event: Progress) -> None:
        self.panel.show_progress(event)
        self.plot.add(event)
        self.history.update_cycles()
        if self._state is State.RUNNING:
            self.panel.show_status(words.going_on(event, self._machine))

    def _on_preview(self, event: Preview) -> None:
        self.plot.add_preview(event)
        mask = event.maps.get("dual_mask")
        if mask is not None:
            self.legend.show_mask(mask)
        self.previewed.emit(event)

    def _on_finished(self, result: Result) -> None:
        self.plot.draw()
        self.history.end()
        self.panel.progress.setValue(1000)
        self.panel.progress.setFormat("done")
        self.panel.show_status(words.done(result))
        self.finished.emit(result)

    def _on_over(self) -> None:
        """The run goes on no more, for whatever reason; how it ended is told next."""
        assert self._run is not None
        self._run.source.events.data.disconnect(self._on_input_replaced)
        self._run = None
        self.panel.show_status("Ended. Layers made so far are kept.")
        self._set_state(State.IDLE)
