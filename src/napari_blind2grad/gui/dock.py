"""The dock widget: choose an image, run, watch, steer and save."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QWidget

from ..config import Config
from ..errors import Blind2GradError
from ..events import Preview, Progress, Result, Started
from . import preload
from .actions import ActionBar
from .batch import BatchBox
from .choice import LayerChoice
from .cleanup import Leash
from .compare import Compare
from .conductor import Conductor
from .copying import Copier
from .form import ParameterForm
from .history import HistoryBar
from .inputs import InputBox
from .judge import Judge
from .legend import MaskLegend
from .live import camera, is_live
from .network import trained_in
from .opengl import DrawingContext
from .pane import Pane
from .panel import RunPanel, State
from .plots import LossPlot
from .preferences import read_preferences
from .quality import QualityBox
from .reuse import Reuse
from .run import Run
from .saving import Saver, ask_where
from .shortcuts import add_shortcuts
from .snippets import command_text, python_text
from .stage import Stage
from .swipe import Swipe
from .theme import palette
from .thresholds import Thresholds
from .tuning import Tuner, short
from .watch import Watch

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image, Layer


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
        Signal with the :class:`~napari_blind2grad.events.Result`, once all layers show it; with
        :class:`~napari_blind2grad.volume.Finished`, if the image went tile by tile.
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
        self._leash = Leash()
        self._context = DrawingContext(self)
        self.saver = Saver(self)
        self._build()
        preferences = read_preferences()
        self.form.set_config(preferences.config)
        self.choice.set_keys(preferences.shown)
        self.shortcuts = add_shortcuts(self)
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
        return self.conductor.run is not None

    def run(self, *, warm: Any = None) -> None:
        """Start a run; what stands in its way is said in the status line.

        Parameters
        ----------
        warm
            Trained networks to go on from for a moment; None starts anew.
        """
        if self.running or self._batch_goes_on():
            return
        self.compare.cancel()  # two trainings at once would starve one another
        try:
            layer, snapshot = self.input.present()
            config = self.form.config()
            if warm is not None:
                snapshot.require_held("Tuning")
                config = short(config)
        except Blind2GradError as error:
            self.panel.clear_progress()
            self._tell_failure(str(error))
            return
        self.watch.begin()
        self.conductor.start(layer, snapshot, config, self.choice.keys(), warm)

    def apply_to(self, layer: Image) -> None:
        """Denoise the whole of `layer` with the network in hand, without training."""
        application = self.reuse.application()
        if self.running or application is None or self._batch_goes_on():
            return
        self.compare.cancel()
        self.input.offer_axes(layer, application.network.axes)
        self.input.choose(layer)
        self.input.choose_region("whole")
        try:
            _, snapshot = self.input.present()
            config = application.config(self.form.config())
        except Blind2GradError as error:
            self.panel.clear_progress()
            self._tell_failure(str(error))
            return
        self.watch.begin()
        keys = self.choice.keys()
        self.conductor.start(layer, snapshot, config, keys, application=application)

    def pause(self) -> None:
        """Hold the run, or go on with it."""
        self.conductor.pause()

    def stop(self) -> None:
        """End the training and keep the result."""
        self.conductor.stop()

    def cancel(self, reason: str = "") -> None:
        """End the run at once; layers stay as they are. `reason` is told, if there is one."""
        self.conductor.cancel(reason)

    def on_dock_closed(self) -> None:
        """End what goes on; nobody is looking any more."""
        self.compare.cancel()
        self.batch.cancel()
        self.cancel()

    def apply_to_stack(self) -> None:
        """Run the present settings on the whole image."""
        self.input.choose_region("whole")
        self.run()

    def save(self, path: str | Path) -> None:
        """Write the denoised image of the chosen input to `path`, in the background."""
        layer = self.stage.denoised()
        if layer is None:
            self._tell_failure("There is nothing to save yet: run first.")
            return
        self.history.to_now()
        self.panel.show_status(f"Saving {path}…")
        self.saver.save(Path(path), layer, self.input.layer(), self.input.axes.text())

    def python(self) -> str:
        """Return Python that repeats the run that is shown, or that does what Run would do now."""
        return python_text(self.copier.recipe())

    def command(self) -> str:
        """Return the command line that repeats the run that is shown, or does what Run would do now."""
        return command_text(self.copier.recipe())

    # ----------------------------------------------------------------------------- layout

    def _build(self) -> None:
        content = self.content
        # From top to bottom: Tab goes through them in the order in which they are made.
        self.input = InputBox(self.viewer, content)
        self.stage = Stage(self.viewer, self.input, lambda: self.conductor.run, self)
        self.conductor = Conductor(self.viewer, self.stage, self._leash.hold, self)
        self.form = ParameterForm(content)
        self.copier = Copier(self.input, self.stage, self.form.config, self)
        self.thresholds = Thresholds(self.viewer, self.stage.scene, self.form.config, content)
        self.choice = LayerChoice(content)
        self.swipe = Swipe(self.viewer, self.stage.scene, content)
        self.panel = RunPanel(content)
        self.tuner = Tuner(content)
        self.plot = LossPlot(content)
        self.noise = QLabel(content)
        self.noise.setObjectName("noise")
        self.noise.setWordWrap(True)
        self.legend = MaskLegend(content)
        self.history = HistoryBar(content)
        self.watch = Watch(self.panel, self.plot, self.noise, self.legend, self.history)
        self.quality = QualityBox(content)
        self.judge = Judge(self.quality, self)
        self.compare = Compare(
            self.viewer,
            self.input.present,
            self.form.config,
            self._leash.hold,
            lambda: self.running or self.batch.running,
            content,
        )
        self.action_bar = ActionBar(content)
        self.reuse = Reuse(self.input.offered, content)
        self.batch = BatchBox(
            self.form.config,
            self._leash.hold,
            lambda: self.running or self.compare.running,
            content,
        )
        above = (self.input, self.form, self.thresholds, None, self.choice, self.swipe, None)
        running = (self.panel, self.tuner, self.plot, self.noise, self.legend, self.history)
        self.fill(
            (
                *above,
                *running,
                self.quality,
                self.compare,
                None,
                self.action_bar,
                self.reuse,
                self.batch,
            )
        )

    def _connect(self) -> None:
        self.input.changed.connect(self._on_input)
        self.form.changed.connect(self._on_config)
        self.form.told.connect(self.panel.show_status)
        self.form.failed.connect(self._tell_failure)
        self.thresholds.moved.connect(self.form.set_value)
        self.thresholds.measured.connect(lambda scale: self.form.set_scale(scale, exact=True))
        self.thresholds.drawn.connect(self.legend.show_mask)
        self.swipe.failed.connect(self._tell_failure)
        self.compare.chosen.connect(self.form.apply)
        self.compare.failed.connect(self._tell_failure)
        self.batch.failed.connect(self._tell_failure)
        self.choice.changed.connect(self.stage.choose)
        self.choice.side_by_side.connect(self.stage.show_side_by_side)
        self.conductor.changed.connect(self._show_state)
        self.conductor.told.connect(self.panel.show_status)
        self.conductor.failed.connect(self._tell_failure)
        self.conductor.started.connect(self._on_started)
        self.conductor.progressed.connect(self._on_progress)
        self.conductor.previewed.connect(self._on_preview)
        self.conductor.finished.connect(self._on_finished)
        self.panel.run_clicked.connect(self.run)
        self.tuner.due.connect(self._on_tune)
        self.panel.pause_clicked.connect(self.pause)
        self.panel.stop_clicked.connect(self.stop)
        self.action_bar.apply_clicked.connect(self.apply_to_stack)
        self.action_bar.save_clicked.connect(self._on_save)
        self.saver.saved.connect(lambda path: self.panel.show_status(f"Saved {path}."))
        self.saver.failed.connect(self._tell_failure)
        self.reuse.chosen.connect(self.apply_to)
        self.reuse.told.connect(self.panel.show_status)
        self.reuse.failed.connect(self._tell_failure)
        self.action_bar.copy_python_clicked.connect(self.copier.copy_python)
        self.action_bar.copy_command_clicked.connect(self.copier.copy_command)
        self.copier.copied.connect(self.panel.show_status)
        self.copier.failed.connect(self._tell_failure)
        layers = self.viewer.layers.events
        for layer in self.viewer.layers:
            self._follow(layer)
        for emitter, slot in (
            (layers.inserted, self._on_inserted),
            (layers.removing, self._context.make_current),
            (layers.removed, self._on_removed),
            (layers.reordered, self.input.update_layers),
            (self.viewer.layers.selection.events.active, self._on_active),
            (self.viewer.events.theme, self._on_theme),
            (self.viewer.dims.events.point, self._on_plane),
            (camera(self.viewer).events.center, self._on_view),
            (camera(self.viewer).events.zoom, self._on_view),
        ):
            self._leash.connect(emitter, slot)
        # Not a method of ours: when Qt deletes this widget, only the leash is still whole.
        self.destroyed.connect(self._leash.let_go)

    # ---------------------------------------------------------------------------- helpers

    def _show_state(self, state: State) -> None:
        idle = state is State.IDLE
        self.panel.set_state(state)
        self.input.set_locked(not idle)
        self.form.set_locked(not idle)
        self.reuse.set_idle(idle)
        self.action_bar.enable(
            apply=idle and self.input.region_key() != "whole",
            save=idle and self.stage.denoised() is not None,
        )

    def _batch_goes_on(self) -> bool:
        if self.batch.running:
            self._tell_failure("A batch goes on: stop it first, or wait for its end.")
        return self.batch.running

    def _tell_failure(self, text: str) -> None:
        self.panel.show_status(text, error=True)
        self.failed.emit(text)

    # --------------------------------------------------------------- what the user changes

    def _on_input(self) -> None:
        """Another layer, other axes or another region."""
        if self.running:
            return
        text, complaint = self.input.describe()
        self.panel.show_status(text, error=complaint)
        layer = self.input.layer()
        limits = layer.contrast_limits if layer is not None and not layer.rgb else None
        self.form.set_scale([limits[1] - limits[0]] if limits else [])
        if complaint:
            self.judge.look_at(None, "", {})
        else:
            self.judge.look_at(layer, self.input.axes.text(), self.input.plane())
        self._show_state(State.IDLE)
        self.tuner.changed(layer, running=False)
        self.thresholds.update_masks()

    def _on_config(self, config: Config) -> None:
        if self.running and not self.conductor.training:
            return  # nothing acts on a network that is only applied
        self.conductor.send(config)
        self.tuner.changed(self.input.layer(), running=self.running)
        self.thresholds.update_masks()

    def _on_tune(self) -> None:
        self.run(warm=self.tuner.state(self.input.layer()))

    def _on_plane(self) -> None:
        self.thresholds.update_masks()
        if self.input.region_key() == "plane":
            self.tuner.changed(self.input.layer(), running=self.running)

    def _on_view(self) -> None:
        if self.input.region_key() == "view":
            self.tuner.changed(self.input.layer(), running=self.running)

    def _on_shapes(self) -> None:
        if self.input.region_key() == "rectangle":
            self.tuner.changed(self.input.layer(), running=self.running)

    def _on_save(self) -> None:
        layer = self.stage.denoised()
        if layer is None:  # renamed by the user, say
            self._tell_failure("There is nothing to save yet: run first.")
            return
        ask_where(self, layer, self.input.layer(), self.save)

    # ------------------------------------------------------------------ what the viewer does

    def _follow(self, layer: Layer) -> None:
        """Hear of a layer's new name, and of what is drawn in it."""
        self._leash.connect(layer.events.name, self.input.update_layers)
        if isinstance(layer, Shapes):
            self._leash.connect(layer.events.data, self._on_shapes)

    def _on_inserted(self, event: Any) -> None:
        if not is_live(event.value):
            self._follow(event.value)
            self.input.update_layers()
            self._on_shapes()

    def _on_removed(self, event: Any) -> None:
        ended = self.conductor.leave(event.value)
        self._leash.release(event.value.events.name, self.input.update_layers)
        if isinstance(event.value, Shapes):
            self._leash.release(event.value.events.data, self._on_shapes)
            self._on_shapes()
        self.input.update_layers()
        self.swipe.on_removed(event.value)
        self._show_state(self.conductor.state)  # there may be nothing to save any more
        if ended:
            self.panel.show_status(ended, error=True)  # rather than what is chosen now

    def _on_active(self) -> None:
        if self.input.layer() is None:
            self._on_input()

    def _on_theme(self) -> None:
        colours = palette(self.viewer)
        self.panel.set_palette(colours)
        self.plot.set_palette(colours)
        self.thresholds.set_palette(colours)
        self.quality.set_palette(colours)

    # --------------------------------------------------------------------- what the run tells

    def _on_started(self, event: Started) -> None:
        self.form.set_scale(event.scale, exact=True)
        self.watch.show_started(event, self.conductor.run)
        self.swipe.update_layer()
        self.started.emit(event)

    def _on_progress(self, event: Progress) -> None:
        self.watch.show_progress(event, tell=self.conductor.state is State.RUNNING)

    def _on_preview(self, event: Preview) -> None:
        self.watch.show_preview(event)
        if "dual_mask" in event.maps:
            self.thresholds.update_histograms()
        self.previewed.emit(event)

    def _on_finished(self, run: Run, result: Result) -> None:
        self.thresholds.update_histograms()
        self.watch.show_finished(result, run)
        self.finished.emit(result)
        if run.application is None:
            self.tuner.keep(run.source, result.state)
            self.reuse.hold(trained_in(result, run.snapshot.name))
        image = run.image(result)
        if image is not None:
            self.judge.judge(run.snapshot, image, run.plane)
