"""Thresholds by eye: lines, fields and masks agree, at once, before any training and after it."""

import time

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_blind2grad.config import Config
from napari_blind2grad.engine.thresholds import Sketch
from napari_blind2grad.gui.dock import Blind2GradWidget
from napari_blind2grad.gui.thresholds import SketchArrays


@pytest.fixture
def noisy():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :48]
    return rng.poisson(80 + 60 * (((x // 8) + (y // 8)) % 2), (3, 64, 48)).astype(np.uint16)


@pytest.fixture
def section(dock):
    return dock.findChild(object, "thresholds")


def opened(section, qtbot):
    with qtbot.waitSignal(section.drawn, timeout=20_000) as drawn:
        section.expand()
    return drawn.args[0]


def expected(image, plane, config):
    sketch = Sketch(image, "ZYX", config)
    return sketch.masks(sketch.distances({"Z": plane}, None, config), config)[0]


def test_opening_draws_the_mask_before_any_training(viewer, dock, noisy, section, qtbot):
    viewer.add_image(noisy, name="X", scale=(2, 0.5, 0.5))
    viewer.dims.set_current_step(0, 1)
    assert [layer.name for layer in viewer.layers] == ["X"]
    mask = opened(section, qtbot)
    layer = viewer.layers["X dual mask"]
    assert [layer.name for layer in viewer.layers] == ["X", "X dual mask"]
    assert layer.visible
    np.testing.assert_array_equal(layer.scale, (2, 0.5, 0.5))
    np.testing.assert_array_equal(layer.data[1], expected(noisy, 1, dock.config()))
    np.testing.assert_array_equal(layer.data[1], mask)
    assert not layer.data[0].any()  # other planes are drawn when they are looked at
    share = round(100 * np.mean(mask == 1))
    assert f"{share} %" in dock.findChild(object, "share_1").text()
    assert "Before any training" in dock.findChild(object, "thresholds_source").text()


def test_line_and_field_are_linked(viewer, dock, noisy, section, qtbot):
    viewer.add_image(noisy, name="X")
    opened(section, qtbot)
    plot = section.plots["eps_g"]
    field = dock.findChild(object, "eps_g")
    scale = plot._scale
    assert plot.line.value() == pytest.approx(40 / 255 * scale)
    with qtbot.waitSignal(section.drawn, timeout=5000) as drawn:
        plot.line.setPos(10 / 255 * scale)  # what dragging does
    assert field.value() == pytest.approx(10)
    np.testing.assert_array_equal(
        drawn.args[0], expected(noisy, 1, Config(iterations=20, eps_g=10))
    )
    with qtbot.waitSignal(section.drawn, timeout=5000) as drawn:
        field.setValue(0)
    assert plot.line.value() == 0
    assert (drawn.args[0] >= 2).all()
    assert "100.0 %" in dock.findChild(object, "eps_g_share").text()


def test_the_edge_threshold_moves_the_gate(viewer, dock, noisy, section, qtbot):
    viewer.add_image(noisy, name="X")
    dock.findChild(object, "show_standout_gate").click()
    opened(section, qtbot)
    with qtbot.waitSignal(section.drawn, timeout=5000):
        section.plots["eps_s"].line.setPos(0)
    assert dock.config().eps_s == 0
    live = dock.stage.live(viewer.layers["X"])
    assert live.arrays.standout_gate[1].all()


def test_another_plane_is_drawn_when_it_is_looked_at(viewer, dock, noisy, section, qtbot):
    viewer.add_image(noisy, name="X")
    opened(section, qtbot)
    with qtbot.waitSignal(section.drawn, timeout=5000):
        viewer.dims.set_current_step(0, 2)
    np.testing.assert_array_equal(
        viewer.layers["X dual mask"].data[2], expected(noisy, 2, dock.config())
    )


def test_a_run_takes_the_layer_over(viewer, dock, noisy, section, finish, qtbot):
    viewer.add_image(noisy, name="X")
    opened(section, qtbot)
    mask = viewer.layers["X dual mask"]
    result = finish()
    assert viewer.layers["X dual mask"] is mask
    np.testing.assert_array_equal(mask.data, result.dual_mask)
    kept = result.dual_mask.copy()
    with qtbot.waitSignal(section.drawn, timeout=5000):
        dock.findChild(object, "eps_g").setValue(0)
    assert (mask.data[1] >= 2).all()
    np.testing.assert_array_equal(result.dual_mask, kept)
    assert not isinstance(dock.stage.live(viewer.layers["X"]).arrays, SketchArrays)


def test_another_region_has_masks_of_its_own(viewer, dock, noisy, section, finish, qtbot):
    viewer.add_image(noisy, name="X")
    dock.input.choose_region("plane")
    finish()
    viewer.layers.remove("X denoised")
    dock.input.choose_region("whole")
    viewer.dims.set_current_step(0, 2)
    mask = opened(section, qtbot)
    assert viewer.layers["X dual mask"].data.shape == noisy.shape
    np.testing.assert_array_equal(viewer.layers["X dual mask"].data[2], mask)


def test_closed_it_does_nothing(viewer, dock, noisy, section, qtbot):
    viewer.add_image(noisy, name="X")
    with qtbot.assertNotEmitted(section.drawn, wait=300):
        dock.findChild(object, "eps_g").setValue(3)
    assert len(viewer.layers) == 1


def test_no_image_is_told(viewer, dock, section, qtbot):
    section.expand()
    assert "no image" in dock.findChild(object, "thresholds_source").text()


def test_a_drag_shows_within_200_ms(viewer, dock, section, qtbot):
    viewer.add_image(np.random.default_rng(0).poisson(50, (512, 512)).astype(np.uint16), name="X")
    opened(section, qtbot)
    plot, times = section.plots["eps_g"], []
    for value in range(3, 18):
        began = time.perf_counter()
        with qtbot.waitSignal(section.drawn, timeout=5000):
            plot.line.setPos(value / 255 * plot._scale)
        times.append(time.perf_counter() - began)
    assert np.median(times) < 0.2, times


def mouse(canvas, kind, x, y, button):
    place = QPointF(x, y)
    held = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseButtonRelease else button
    event = QMouseEvent(
        kind,
        place,
        QPointF(canvas.mapToGlobal(place.toPoint())),
        button,
        held,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(canvas, event)


def test_dragging_with_the_mouse(make_napari_viewer, engine, noisy, qtbot):
    viewer = make_napari_viewer(show=True)
    dock = Blind2GradWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Denoise")
    viewer.add_image(noisy, name="X")
    section = dock.thresholds
    opened(section, qtbot)
    plot = section.plots["eps_g"]
    canvas = plot._canvas.viewport()
    qtbot.waitUntil(lambda: canvas.isVisible() and canvas.height() > 50, timeout=5000)

    def across(value):
        """Where a value lies on the canvas."""
        scene = plot._view.mapViewToScene(QPointF(value, 0))
        return plot._canvas.mapFromScene(scene).x()

    start, end = across(plot.line.value()), across(plot.line.value() / 2)
    wanted = dock.config().eps_g / 2
    left = Qt.MouseButton.LeftButton
    mouse(canvas, QEvent.Type.MouseMove, start, 30, Qt.MouseButton.NoButton)
    mouse(canvas, QEvent.Type.MouseButtonPress, start, 30, left)
    with qtbot.waitSignal(section.drawn, timeout=5000):
        for step in range(1, 6):
            mouse(canvas, QEvent.Type.MouseMove, start + (end - start) * step / 5, 30, left)
            qtbot.wait(30)  # pyqtgraph takes faster moves together
    mouse(canvas, QEvent.Type.MouseButtonRelease, end, 30, left)
    assert dock.config().eps_g == pytest.approx(wanted, abs=2)
    own = dock.findChild(object, "eps_g_own").text()
    assert "=" in own  # the sketch has measured the scale


def test_after_a_run_the_mask_lies_over_the_denoised_image(
    viewer, dock, noisy, section, finish, qtbot
):
    viewer.add_image(noisy, name="X")
    finish()
    mask = viewer.layers["X dual mask"]
    assert not mask.visible
    opened(section, qtbot)
    assert mask.visible
    assert viewer.layers.index(mask) == viewer.layers.index(viewer.layers["X denoised"]) + 1
    assert "x_m is the denoised image" in dock.findChild(object, "thresholds_source").text()
    section.collapse()
    assert not mask.visible
