"""Keep tuning: a change after a run trains on, and Run starts anew."""

import numpy as np
import pytest

from napari_blind2grad.config import Config
from napari_blind2grad.gui import preload, tuning
from napari_blind2grad.gui.dock import Blind2GradWidget


@pytest.fixture
def tune(dock):
    box = dock.findChild(object, "tune")
    assert not box.isChecked()
    box.click()
    return box


def changed(dock, qtbot, name, value):
    with qtbot.waitSignal(dock.finished, timeout=10_000) as finished:
        dock.findChild(object, name).setValue(value)
    return finished.args[0]


def test_a_change_goes_on_from_the_last_network(viewer, dock, stack, engine, finish, qtbot, tune):
    layer = viewer.add_image(stack, name="X")
    dock.set_config(Config(iterations=300))
    first = finish()
    second = changed(dock, qtbot, "omega", 0.9)
    assert engine.warm == [None, first.state]
    assert second.config.omega == 0.9
    assert second.config.iterations == tuning.STEPS
    assert dock.config().iterations == 300  # the form still has what Apply to stack will take
    assert viewer.layers["X denoised"].metadata["blind2grad"]["continued"]
    assert dock.tuner.state(layer) is second.state
    assert (
        "trained before" in dock.copier.recipe().notes[0]
        or "other settings" in dock.copier.recipe().notes[0]
    )


def test_runs_that_are_asked_for_start_anew(viewer, dock, stack, engine, finish, qtbot, tune):
    viewer.add_image(stack, name="X")
    dock.input.choose_region("plane")
    finish()
    finish()
    with qtbot.waitSignal(dock.finished, timeout=10_000):
        dock.findChild(object, "apply").click()
    qtbot.waitUntil(lambda: not dock.running, timeout=5000)
    assert engine.warm[:3] == [None, None, None]
    assert not viewer.layers["X denoised"].metadata["blind2grad"]["continued"]


def test_another_plane_is_trained_on(viewer, dock, stack, engine, finish, qtbot, tune):
    viewer.add_image(stack, name="X")
    dock.input.choose_region("plane")
    finish()
    with qtbot.waitSignal(dock.finished, timeout=10_000):
        viewer.dims.set_point(0, 0)
    assert engine.warm[-1] is not None
    np.testing.assert_array_equal(engine.images[-1], stack[:1])


def test_without_it_nothing_starts(viewer, dock, stack, engine, finish, qtbot):
    viewer.add_image(stack, name="X")
    finish()
    dock.findChild(object, "omega").setValue(0.9)
    dock.input.choose_region("plane")
    assert not dock.tuner.waiting
    assert not dock.running


def test_a_change_during_the_run_is_trained_on_after_it(
    viewer, dock, stack, engine, begin, qtbot, tune
):
    viewer.add_image(stack, name="X")
    begin()
    dock.findChild(object, "omega").setValue(0.7)
    with qtbot.waitSignals([dock.finished, dock.started], timeout=10_000):
        dock.stop()
    qtbot.waitUntil(lambda: len(engine.warm) == 2, timeout=5000)
    assert engine.warm[1] is not None
    dock.cancel()


def test_choosing_an_image_without_a_network_starts_nothing(
    viewer, dock, stack, engine, finish, qtbot, tune
):
    layer = viewer.add_image(stack, name="X")
    finish()
    dock.findChild(object, "omega").setValue(0.9)
    assert dock.tuner.waiting
    viewer.add_image(stack.copy(), name="Y")
    dock.input.choose(viewer.layers["Y"])
    assert not dock.tuner.waiting
    dock.input.choose(layer)
    assert dock.tuner.waiting
    viewer.layers.remove(layer)
    assert not dock.tuner.waiting
    assert len(engine.warm) == 1


def test_the_real_thing_shows_an_effect_at_once(viewer, qtbot):
    dock = Blind2GradWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Denoise")
    preload.start().join()
    dock.set_config(
        Config(iterations=30, cycles=2, passes=1, width=8, depth=2, patch=32, device="cpu")
    )
    rng = np.random.default_rng(0)
    viewer.add_image(rng.poisson(50, (64, 64)).astype(np.uint16), name="X")
    with qtbot.waitSignal(dock.finished, timeout=60_000):
        dock.run()
    before = np.mean(viewer.layers["X dual mask"].data >= 2)
    assert before < 1
    dock.findChild(object, "tune").click()
    with qtbot.waitSignal(
        dock.previewed, timeout=20_000, check_params_cb=lambda e: "dual_mask" in e.maps
    ):
        dock.findChild(object, "eps_g").setValue(0)
    qtbot.waitUntil(lambda: bool((viewer.layers["X dual mask"].data >= 2).all()), timeout=10_000)
    dock.cancel()


def test_a_moved_view_is_trained_on(viewer, dock, stack, engine, finish, qtbot, tune):
    viewer.window._qt_window.show()
    viewer.add_image(stack, name="X")
    camera = getattr(viewer, "scene", viewer).camera
    camera.zoom *= 2
    dock.input.choose_region("view")
    qtbot.waitUntil(lambda: not dock.tuner.waiting, timeout=2000)
    finish()
    before = engine.images[-1]
    with qtbot.waitSignal(dock.finished, timeout=10_000):
        camera.zoom *= 2  # two changes, one run
        camera.center = (0.0, 5.0, 5.0)
    assert len(engine.warm) == 2
    assert engine.warm[-1] is not None
    assert engine.images[-1].size < before.size
    dock.input.choose_region("plane")
    dock.tuner._timer.stop()
    camera.zoom /= 2
    assert not dock.tuner.waiting


def test_a_changed_rectangle_is_trained_on(viewer, dock, stack, engine, finish, qtbot, tune):
    viewer.add_image(stack, name="X")
    shapes = viewer.add_shapes([[2, 3], [2, 20], [15, 20], [15, 3]])
    dock.input.choose_region("rectangle")
    finish()
    with qtbot.waitSignal(dock.finished, timeout=10_000):
        shapes.data = [np.array([[2, 3], [2, 11], [12, 11], [12, 3]])]
    assert engine.images[-1].shape == (4, 11, 9)
    viewer.layers.remove(shapes)
    dock.input.choose_region("whole")
    dock.tuner._timer.stop()
    viewer.add_shapes([[2, 3], [2, 20], [15, 20], [15, 3]])
    assert not dock.tuner.waiting
