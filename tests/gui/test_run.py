"""Stopping, pausing, steering and failing."""

import numpy as np
import pytest
from qtpy.QtCore import QThreadPool

from napari_blind2grad.errors import EngineError, InputError

#: Iterations that a worker may still do once it is told to end.
PATIENCE = 20


@pytest.fixture
def running(viewer, dock, engine, stack, begin):
    engine.pace = 0.01  # closing a viewer takes napari itself some 50 ms
    viewer.add_image(stack, name="X")
    return begin()


@pytest.fixture
def ends(engine, running):
    """Check that the worker's thread ended soon after the iteration given."""

    def check(iteration):
        assert QThreadPool.globalInstance().waitForDone(5000)
        assert engine.closed.is_set()
        assert engine.iteration - iteration <= PATIENCE

    return check


def test_stop_keeps_the_result(viewer, dock, engine, ends, qtbot):
    at = engine.iteration
    with qtbot.waitSignal(dock.finished, timeout=5000) as finished:
        dock.panel.stop.click()
    ends(at)
    assert finished.args[0].stopped
    assert "Stopped after" in dock.panel.status.text()
    assert viewer.layers["X denoised"].metadata["blind2grad"]["stopped"]


def test_closing_the_dock_ends_the_worker(viewer, dock, engine, ends):
    at = engine.iteration
    dock._dock.close()
    ends(at)
    assert "X denoised" in viewer.layers


def test_removing_the_dock_ends_the_worker(viewer, dock, engine, ends, qtbot):
    at = engine.iteration
    viewer.window.remove_dock_widget(dock._dock)
    ends(at)
    with qtbot.waitSignal(dock.destroyed, timeout=5000):
        dock.deleteLater()
    viewer.add_image(np.zeros((4, 4)))  # nothing left behind that trips over it


def test_deleting_the_input_ends_the_worker_in_words(viewer, dock, engine, ends, qtbot):
    at = engine.iteration
    with qtbot.waitSignal(dock.failed, timeout=5000) as failed:
        viewer.layers.remove("X")
    ends(at)
    assert "removed" in failed.args[0]
    assert dock.panel.status.text() == failed.args[0]  # not yet what is chosen instead
    assert "X denoised" in viewer.layers
    assert not dock.running


def test_replacing_the_input_ends_the_worker_in_words(viewer, dock, engine, ends, qtbot, stack):
    at = engine.iteration
    with qtbot.waitSignal(dock.failed, timeout=5000) as failed:
        viewer.layers["X"].data = stack.copy()
    ends(at)
    assert "replaced" in failed.args[0]
    assert "X denoised" in viewer.layers


def test_closing_the_viewer_ends_the_worker(viewer, dock, engine, ends):
    at = engine.iteration
    viewer.close()
    ends(at)


def test_deleting_the_window_ends_the_worker(viewer, dock, engine, ends, qtbot):
    # What a click on the window's close button does: the layers are still there.
    at = engine.iteration
    with qtbot.waitSignal(dock.destroyed, timeout=5000):
        viewer.window.close()
    ends(at)


def test_quitting_waits_for_the_worker(dock, engine, ends):
    from superqt.utils import WorkerBase

    at = engine.iteration
    WorkerBase.await_workers(5000)
    ends(at)


def test_renaming_the_input_goes_on(viewer, dock, running, qtbot):
    viewer.layers["X"].name = "Z"
    assert dock.running
    assert dock.input.combo.currentText() == "Z"
    with qtbot.waitSignal(dock.finished, timeout=5000):
        dock.stop()


def test_pause_resume_stop(dock, engine, running, qtbot):
    dock.panel.pause.click()
    assert dock.panel.pause.text() == "Resume"
    with qtbot.waitSignal(
        dock.findChild(object, "progress").valueChanged, raising=False, timeout=300
    ):
        pass
    held = engine.iteration
    with qtbot.waitSignal(dock.previewed, raising=False, timeout=300) as preview:
        pass
    assert engine.iteration == held
    assert not preview.signal_triggered
    dock.panel.pause.click()
    qtbot.waitUntil(lambda: engine.iteration > held + 5, timeout=5000)
    dock.panel.pause.click()
    with qtbot.waitSignal(dock.finished, timeout=5000) as finished:
        dock.panel.stop.click()
    assert finished.args[0].stopped


def test_pausing_and_resuming_at_once_does_not_hang(dock, engine, running, qtbot):
    at = engine.iteration
    for _ in range(6):
        dock.pause()
    qtbot.waitUntil(lambda: engine.iteration > at + 10, timeout=5000)


def test_closing_the_dock_while_paused(dock, engine, ends):
    dock.pause()
    at = engine.iteration
    dock._dock.close()
    ends(at)


def test_live_parameters_reach_the_engine(dock, engine, running, qtbot):
    at = engine.iteration
    dock.findChild(object, "omega").setValue(1.25)
    qtbot.waitUntil(lambda: bool(engine.configs), timeout=5000)
    assert engine.iteration - at < PATIENCE
    assert engine.configs[-1].omega == 1.25
    dock.findChild(object, "mask_rate").setValue(0.4)
    qtbot.waitUntil(lambda: engine.configs[-1].mask_rate == 0.4, timeout=5000)
    assert engine.configs[-1].omega == 1.25


def test_fixed_controls_are_locked_and_say_why(dock, running, qtbot):
    for name in ("cycles", "preset", "width", "device"):
        widget = dock.findChild(object, name)
        assert not widget.isEnabled()
        assert "while a run goes on" in widget.toolTip()
    for name in ("omega", "gamma", "eps_g", "eps_s", "mask_rate", "iterations", "lr"):
        assert dock.findChild(object, name).isEnabled()
    assert not dock.input.combo.isEnabled()
    assert not dock.panel.run.isEnabled()
    with qtbot.waitSignal(dock.finished, timeout=5000):
        dock.stop()
    assert dock.findChild(object, "cycles").isEnabled()
    assert dock.input.combo.isEnabled()


@pytest.mark.parametrize(
    "error", [RuntimeError("the kernel broke"), EngineError("the kernel broke")]
)
def test_engine_errors_reach_the_window(viewer, dock, engine, stack, qtbot, error):
    viewer.add_image(stack, name="X")
    engine.error = error
    with qtbot.waitSignal(dock.failed, timeout=5000) as failed:
        dock.run()
    assert "the kernel broke" in failed.args[0]
    assert dock.panel.status.text() == failed.args[0]
    assert not dock.running
    assert dock.panel.run.isEnabled()
    engine.error = None
    with qtbot.waitSignal(dock.finished, timeout=5000):
        dock.run()


def test_unexpected_errors_are_napari_notifications(
    viewer, dock, engine, stack, qtbot, monkeypatch
):
    from napari.utils.notifications import notification_manager

    seen = []
    monkeypatch.setattr(notification_manager, "receive_error", lambda *error: seen.append(error[1]))
    viewer.add_image(stack, name="X")
    engine.error = KeyError("a bug")
    with qtbot.waitSignal(dock.failed, timeout=5000) as failed:
        dock.run()
    assert "a bug" in failed.args[0]
    assert seen == [engine.error]


def test_expected_errors_are_not(viewer, dock, engine, stack, qtbot, monkeypatch):
    from napari.utils.notifications import notification_manager

    monkeypatch.setattr(notification_manager, "receive_error", lambda *_: pytest.fail("a popup"))
    viewer.add_image(stack, name="X")
    engine.error = InputError("All pixels are equal.")
    with qtbot.waitSignal(dock.failed, timeout=5000) as failed:
        dock.run()
    assert failed.args[0] == "All pixels are equal."


def test_run_is_off_the_gui_thread_and_gone_afterwards(dock, engine, running, qtbot):
    assert engine.threads[0] != "MainThread"
    with qtbot.waitSignal(dock.finished, timeout=5000):
        dock.stop()
    assert QThreadPool.globalInstance().waitForDone(5000)


def test_progress_in_the_activity_dock(viewer, dock, running, qtbot):
    from napari.utils.progress import progress

    bars = [bar for bar in progress._all_instances if "X" in bar.desc]
    assert len(bars) == 1
    with qtbot.waitSignal(dock.finished, timeout=5000):
        dock.stop()
    assert not [bar for bar in progress._all_instances if "X" in bar.desc]


def test_status_tells_device_noise_and_thresholds(dock, running, qtbot):
    qtbot.waitUntil(lambda: "Pocket calculator" in dock.panel.status.text(), timeout=5000)
    assert "12.5" in dock.noise.text()
    assert "A note." in dock.noise.text()
    assert dock.findChild(object, "eps_g_own").text() == "/255 =\u00a080"  # 40 / 255 * 510
    assert dock.findChild(object, "share_1").text() == "hidden, flat 25 %"


def test_a_run_that_is_left_while_layers_get_their_result_is_gone(dock, stack, viewer, qtbot):
    from napari_blind2grad.gui.run import Run

    viewer.add_image(stack, name="X")
    dock.run()
    run = dock.conductor.run
    step = run.live.step
    run.live.step = lambda: run._result is not None or step()  # never done with the result
    qtbot.waitUntil(lambda: run._thread_gone, timeout=10_000)
    with qtbot.waitSignal(run.destroyed, timeout=5000):
        dock.cancel()
    assert not dock.findChildren(Run)


def test_controls_of_a_layer_that_is_not_shown_any_more_are_gone(dock, stack, viewer, qtbot):
    viewer.add_image(stack, name="X")
    dock.run()
    live = dock.conductor.run.live

    def ready():  # a layer is made, and so are its controls
        return live._made is not None and live._controls._layer is not None

    qtbot.waitUntil(ready, timeout=10_000)
    dock.conductor.run._result = object()  # came just now
    dock.cancel()
    assert set(viewer.window._qt_viewer.controls.widgets) == set(viewer.layers)


def test_the_first_preview_comes_before_the_other_layers(viewer, dock, engine, stack, qtbot):
    viewer.add_image(stack, name="X")
    dock.set_config(dock.config().replace(iterations=100_000))
    with qtbot.waitSignal(dock.previewed, timeout=10_000):
        dock.run()
    assert [layer.name for layer in viewer.layers] == ["X", "X denoised"]
    held = engine.iteration
    assert held == engine.previews
    qtbot.waitUntil(lambda: engine.iteration > held, timeout=10_000)
    assert {"X dual mask", "X gradient", "X gradient deviation"} < {x.name for x in viewer.layers}
    gradient = viewer.layers["X gradient"]
    assert gradient.contrast_limits == [0, 3]  # of that preview


@pytest.mark.parametrize("end", ["stop", "cancel"])
def test_ended_while_it_waits_for_the_other_layers(viewer, dock, engine, stack, qtbot, end):
    viewer.add_image(stack, name="X")
    dock.set_config(dock.config().replace(iterations=100_000))
    with qtbot.waitSignal(dock.previewed, timeout=10_000):
        dock.run()
    worker = dock.conductor.run.worker
    with qtbot.waitSignal(worker.finished, timeout=5000):
        getattr(dock, end)()
    qtbot.waitUntil(lambda: not dock.running, timeout=5000)
    assert engine.iteration <= engine.previews + PATIENCE
