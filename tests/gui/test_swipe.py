"""The swipe shows noisy on the left and denoised on the right, and copies nothing."""

import numpy as np
import pytest
from hands import drag
from qtpy.QtCore import QPoint


@pytest.fixture
def box(dock):
    return dock.findChild(object, "swipe")


def test_the_line_moves(viewer, dock, stack, finish, box):
    layer = viewer.add_image(stack, name="X", scale=(2, 0.5, 0.5), colormap="green")
    finish()
    box.click()
    top = viewer.layers[-1]
    assert top.name == "X swipe"
    np.testing.assert_array_equal(top.data, stack[..., :16])
    assert np.shares_memory(top.data, stack)
    np.testing.assert_array_equal(top.scale, (2, 0.5, 0.5))
    assert top.colormap.name == "green"
    assert dock.input.layer() is layer
    slider = dock.findChild(object, "swipe_position")
    slider.setValue(250)
    np.testing.assert_array_equal(top.data, stack[..., :8])
    slider.setValue(0)
    assert not top.visible
    slider.setValue(1000)
    assert top.visible
    assert top.data.shape == stack.shape
    box.click()
    assert top not in viewer.layers
    assert not slider.isEnabled()


def test_a_region_has_its_own_border(viewer, dock, stack, finish, box):
    viewer.add_image(stack, name="X", scale=(2, 0.5, 0.5))
    viewer.add_shapes([[0, 2, 4], [0, 2, 15], [0, 9, 15], [0, 9, 4]], scale=(2, 0.5, 0.5))
    dock.input.choose_region("rectangle")
    finish()
    box.click()
    denoised, top = viewer.layers["X denoised"], viewer.layers["X swipe"]
    np.testing.assert_array_equal(top.translate, denoised.translate)
    width = denoised.data.shape[-1]
    np.testing.assert_array_equal(top.data, stack[:, 2:10, 4 : 4 + width // 2])


def test_contrast_follows(viewer, dock, stack, finish, box):
    viewer.add_image(stack, name="X")
    finish()
    box.click()
    viewer.layers["X denoised"].contrast_limits = (110, 150)
    assert tuple(viewer.layers["X swipe"].contrast_limits) == (110, 150)


def test_colour_and_x_first(viewer, dock, finish, box):
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    viewer.add_image(image, name="X", rgb=True)
    finish()
    box.click()
    np.testing.assert_array_equal(viewer.layers["X swipe"].data, image[:, :15])


def test_colour_in_three_dimensions_with_the_line_at_its_left_end(viewer, dock, finish, box):
    """napari cannot add a hidden colour layer there."""
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    viewer.add_image(image, name="X", rgb=True)
    finish()
    viewer.dims.ndisplay = 3
    slider = dock.findChild(object, "swipe_position")
    slider.setValue(0)
    box.click()
    top = viewer.layers["X swipe"]
    assert not top.visible
    slider.setValue(500)
    assert top.visible


def test_before_a_run_it_says_so(viewer, dock, stack, qtbot, box):
    viewer.add_image(stack, name="X")
    with qtbot.waitSignal(dock.failed, timeout=1000) as failed:
        box.click()
    assert "run first" in failed.args[0]
    assert not box.isChecked()
    assert len(viewer.layers) == 1


def test_removing_its_layer_switches_it_off(viewer, dock, stack, finish, box):
    viewer.add_image(stack, name="X")
    finish()
    box.click()
    viewer.layers.remove("X swipe")
    assert not box.isChecked()
    box.click()
    assert "X swipe" in viewer.layers


def test_it_lasts_through_the_next_run(viewer, dock, stack, finish, box):
    viewer.add_image(stack, name="X")
    finish()
    box.click()
    viewer.dims.set_point(0, 0)
    dock.input.choose_region("plane")
    finish()
    np.testing.assert_array_equal(viewer.layers["X swipe"].data, stack[:1, :, :16])


def camera(viewer):
    return getattr(viewer, "scene", viewer).camera


def on_canvas(viewer, canvas, x):
    """Return where the left border of column `x` is drawn, in the middle row."""
    layer = viewer.layers["X swipe"]
    world = layer.data_to_world([*viewer.dims.current_step[: layer.ndim - 2], 12, x - 0.5])
    away = (np.array(world[-2:]) - camera(viewer).center[-2:]) * camera(viewer).zoom
    return QPoint(round(canvas.width() / 2 + away[1]), round(canvas.height() / 2 + away[0]))


def test_the_border_is_dragged_on_the_canvas(viewer, dock, stack, finish, box, qtbot):
    viewer.window._qt_window.resize(1200, 800)
    viewer.window._qt_window.show()
    viewer.add_image(stack, name="X", scale=(2, 0.5, 0.5))
    finish()
    before = list(viewer.mouse_drag_callbacks)  # napari has its own
    box.click()
    assert len(viewer.mouse_drag_callbacks) == len(before) + 1
    slider = dock.findChild(object, "swipe_position")
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.wait(200)  # until the window has its size
    center = camera(viewer).center

    def move(start, end):
        drag(canvas, on_canvas(viewer, canvas, start), on_canvas(viewer, canvas, end))

    move(16, 24)
    assert slider.value() == pytest.approx(750, abs=12)
    np.testing.assert_array_equal(viewer.layers["X swipe"].data, stack[..., :24])
    move(24, -5)
    assert slider.value() == 0
    assert camera(viewer).center == center  # the image stayed where it was
    # Far from the border, the mouse moves the image as ever.
    slider.setValue(500)
    move(28, 20)
    assert slider.value() == 500
    assert camera(viewer).center != center
    box.click()
    assert viewer.mouse_drag_callbacks == before
    assert camera(viewer).mouse_pan


def test_the_mouse_is_given_back(viewer, dock, stack, finish, box, qtbot):
    viewer.add_image(stack, name="X")
    finish()
    before = list(viewer.mouse_drag_callbacks)
    box.click()
    viewer.layers.remove("X swipe")
    assert viewer.mouse_drag_callbacks == before
    box.click()
    assert viewer.mouse_drag_callbacks != before
    viewer.window.remove_dock_widget(dock)
    with qtbot.waitSignal(dock.destroyed, timeout=5000):
        dock.deleteLater()
    assert viewer.mouse_drag_callbacks == before
