"""Regions are cut out rightly, and their results lie where they were cut out."""

import numpy as np
import pytest

PLACEMENT = {
    "scale": (2.0, 0.5, 0.25),
    "translate": (3.0, -4.0, 5.0),
    "rotate": 25.0,
    "shear": (0.1, 0.2, 0.3),
    "affine": np.array([[1, 0, 0, 2], [0, 1, 0.1, 3], [0, 0, 1, 4], [0, 0, 0, 1.0]]),
}


def assert_lies_right(viewer, offset):
    source, image = viewer.layers["X"], viewer.layers["X denoised"]
    for corner in (np.zeros(3), np.array([0.0, 3, 5])):
        np.testing.assert_allclose(
            image.data_to_world(corner), source.data_to_world(corner + offset)
        )


@pytest.mark.parametrize("placement", [{}, PLACEMENT], ids=["plain", "rotated"])
def test_plane(viewer, dock, engine, stack, finish, placement):
    viewer.add_image(stack, name="X", **placement)
    dims = viewer.dims
    dims.set_point(0, viewer.layers["X"].data_to_world((2, 12, 16))[0])
    dock.input.choose_region("plane")
    finish()
    z = np.argmax([(plane == engine.images[0][0]).all() for plane in stack])
    assert_lies_right(viewer, (z, 0, 0))
    if not placement:
        assert z == 2


@pytest.mark.parametrize("placement", [{}, PLACEMENT], ids=["plain", "rotated"])
def test_rectangle(viewer, dock, engine, stack, finish, placement):
    viewer.add_image(stack, name="X", **placement)
    # From the middle of pixel (4, 10) to that of (11, 20), drawn in the image's own coordinates.
    box = np.array([[1, 4, 10], [1, 4, 20], [1, 11, 20], [1, 11, 10]], float)
    viewer.add_shapes([box], shape_type="polygon", **placement)
    dock.input.choose_region("rectangle")
    finish()
    np.testing.assert_array_equal(engine.images[0], stack[:, 4:12, 10:21])
    assert_lies_right(viewer, (0, 4, 10))


def test_rectangle_on_pixel_borders_takes_those_pixels(viewer, dock, engine, stack, finish):
    viewer.add_image(stack, name="X", scale=(1, 0.1, 0.1))
    flat = np.array([[3.5, 9.5], [10.5, 19.5]]) * 0.1
    viewer.add_shapes([flat], shape_type="rectangle")
    dock.input.choose_region("rectangle")
    finish()
    np.testing.assert_array_equal(engine.images[0], stack[:, 4:11, 10:20])


def test_selected_rectangle_is_taken(viewer, dock, engine, stack, finish):
    viewer.add_image(stack, name="X")
    shapes = viewer.add_shapes(
        [np.array([[1.0, 1], [5, 5]]), np.array([[8.0, 8], [15, 15]])], shape_type="rectangle"
    )
    dock.input.choose_region("rectangle")
    shapes.selected_data = {0}
    finish()
    assert engine.images[-1].shape == (4, 5, 5)
    shapes.selected_data = set()
    finish()
    assert engine.images[-1].shape == (4, 8, 8)  # the last one drawn
    assert_lies_right(viewer, (0, 8, 8))


def test_view(make_napari_viewer, engine, stack, qtbot):
    from napari_blind2grad.gui.dock import Blind2GradWidget

    viewer = make_napari_viewer(show=True)
    dock = Blind2GradWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Denoise")
    dock.set_config(dock.config().replace(iterations=5))
    layer = viewer.add_image(stack, name="X")
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    camera.zoom = 60
    camera.center = (0, 12, 16)
    qtbot.waitUntil(lambda: bool(layer.corner_pixels[0, 1:].all()), timeout=5000)
    (_, top, left), (_, bottom, right) = layer.corner_pixels
    dock.input.choose_region("view")
    with qtbot.waitSignal(dock.finished, timeout=10_000):
        dock.run()
    np.testing.assert_array_equal(engine.images[0], stack[:, top : bottom + 1, left : right + 1])
    assert engine.images[0].size < stack.size
    assert_lies_right(viewer, (0, top, left))
    viewer.dims.ndisplay = 3
    dock.run()
    assert "2D" in dock.panel.status.text()


def test_apply_to_stack_after_a_region(viewer, dock, engine, stack, finish, qtbot):
    viewer.add_image(stack, name="X")
    assert not dock.findChild(object, "apply").isEnabled()
    dock.input.choose_region("plane")
    finish()
    image = viewer.layers["X denoised"]
    assert image.data.shape == (1, 24, 32)
    with qtbot.waitSignal(dock.finished, timeout=5000):
        dock.findChild(object, "apply").click()
    assert engine.images[-1].shape == stack.shape
    assert viewer.layers["X denoised"] is image
    assert image.data.shape == stack.shape
    np.testing.assert_allclose(image.translate, 0)


@pytest.mark.parametrize(
    ("box", "words"), [(None, "no rectangle"), ([[100.0, 100], [120, 120]], "beside the image")]
)
def test_missing_rectangles_are_told(viewer, dock, stack, qtbot, box, words):
    viewer.add_image(stack, name="X")
    if box:
        viewer.add_shapes([np.array(box)], shape_type="rectangle")
    dock.input.choose_region("rectangle")
    with qtbot.waitSignal(dock.failed, timeout=1000) as failed:
        dock.run()
    assert words in failed.args[0]
