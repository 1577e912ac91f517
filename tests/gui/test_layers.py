"""What a run leaves in the viewer."""

import numpy as np
import pytest
from fake_engine import denoised
from napari.layers import Image, Labels

from napari_blind2grad.errors import InputError
from napari_blind2grad.gui.live import METADATA

PLACEMENT = {
    "scale": (2.0, 0.5, 0.25),
    "translate": (3.0, -4.0, 5.0),
    "rotate": 25.0,
    "shear": (0.1, 0.2, 0.3),
    "affine": np.array([[1, 0, 0, 2], [0, 1, 0.1, 3], [0, 0, 1, 4], [0, 0, 0, 1.0]]),
    "units": ("micrometer", "micrometer", "micrometer"),
    "axis_labels": ("z", "y", "x"),
}
NAMES = ["X", "X gradient deviation", "X gradient", "X dual mask", "X denoised"]


def test_layers_have_names_types_and_order(viewer, dock, stack, finish):
    viewer.add_image(stack, name="X")
    viewer.add_points(np.zeros((1, 3)), name="mine")
    result = finish()
    assert [layer.name for layer in viewer.layers] == [*NAMES, "mine"]
    image = viewer.layers["X denoised"]
    assert image.data.dtype == stack.dtype
    np.testing.assert_array_equal(image.data, result.image)
    mask = viewer.layers["X dual mask"]
    assert isinstance(mask, Labels)
    assert set(np.unique(mask.data)) == {0, 1, 2, 3}
    for name in NAMES[1:3]:
        assert isinstance(viewer.layers[name], Image)
        assert viewer.layers[name].data.dtype == np.float32


def test_layers_lie_exactly_on_the_input(viewer, dock, stack, finish):
    source = viewer.add_image(stack, name="X", **PLACEMENT)
    finish()
    assert len(viewer.layers) == 5
    corner = np.array([1.0, 5, 7])
    for layer in viewer.layers:
        np.testing.assert_allclose(layer.scale, source.scale)
        np.testing.assert_allclose(layer.translate, source.translate)
        np.testing.assert_allclose(layer.rotate, source.rotate)
        np.testing.assert_allclose(layer.shear, source.shear)
        np.testing.assert_allclose(layer.affine.affine_matrix, source.affine.affine_matrix)
        np.testing.assert_allclose(layer.data_to_world(corner), source.data_to_world(corner))
        assert layer.units == source.units
        assert layer.axis_labels == source.axis_labels


def test_input_is_not_altered(viewer, dock, stack, finish):
    before = stack.copy()
    layer = viewer.add_image(stack, name="X", metadata={"mine": 1})
    limits, state = layer.contrast_limits, layer.colormap
    finish()
    assert layer.data is stack
    np.testing.assert_array_equal(stack, before)
    assert (layer.contrast_limits, layer.colormap, layer.metadata) == (limits, state, {"mine": 1})


def test_denoised_looks_like_the_input(viewer, dock, stack, finish):
    viewer.add_image(stack, name="X", contrast_limits=(110, 150), gamma=0.7, colormap="green")
    finish()
    image = viewer.layers["X denoised"]
    assert image.contrast_limits == [110, 150]
    assert image.gamma == pytest.approx(0.7)
    assert image.colormap.name == "green"


def test_metadata_tell_how_it_was_made(viewer, dock, stack, finish):
    viewer.add_image(stack, name="X")
    result = finish()
    for name in NAMES[1:]:
        record = viewer.layers[name].metadata[METADATA]
        assert record["config"] == result.config.to_dict()
        assert record["seed"] == result.seed
        assert record["device"] == "Pocket calculator"
        assert record["axes"] == "ZYX"
        assert len(record["losses"]["loss"]) == 20
        assert record["finished"]


def test_selection_camera_and_dims_stay(viewer, dock, stack, finish):
    first = viewer.add_image(stack, name="X")
    second = viewer.add_image(stack, name="Y")
    dock.input.choose(first)
    viewer.layers.selection = {first, second}
    viewer.dims.set_current_step(0, 3)
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    camera.zoom, camera.center = 7.0, (0.0, 5.0, 6.0)
    finish()
    assert set(viewer.layers.selection) == {first, second}
    assert viewer.dims.current_step[0] == 3
    assert camera.zoom == 7.0
    assert tuple(camera.center) == (0.0, 5.0, 6.0)


def test_contrast_limits_are_set_once(viewer, dock, stack, begin, qtbot):
    viewer.add_image(stack, name="X")
    begin()
    qtbot.waitUntil(lambda: "X gradient" in viewer.layers, timeout=5000)
    gradient = viewer.layers["X gradient"]
    assert gradient.contrast_limits == [0, 3]  # of the first preview
    gradient.contrast_limits = (1, 2)
    with qtbot.waitSignal(dock.finished, timeout=5000):
        dock.stop()
    assert gradient.contrast_limits == [1, 2]
    assert gradient.data.max() == 5


def test_second_run_uses_the_layers_again(viewer, dock, stack, finish):
    viewer.add_image(stack, name="X")
    finish()
    layers = list(viewer.layers)
    viewer.layers["X denoised"].opacity = 0.5
    finish()
    assert list(viewer.layers) == layers
    assert viewer.layers["X denoised"].opacity == 0.5


def test_second_run_follows_the_input_to_its_new_place(viewer, dock, stack, finish):
    source = viewer.add_image(stack, name="X")
    finish()
    source.scale, source.translate, source.rotate = (3, 0.5, 0.5), (1, 2, 3), 10.0
    finish()
    for name in NAMES[1:]:
        layer = viewer.layers[name]
        np.testing.assert_allclose(layer.scale, source.scale)
        np.testing.assert_allclose(layer.translate, source.translate)
        np.testing.assert_allclose(layer.rotate, source.rotate)


def test_run_that_never_started_leaves_the_last_record(viewer, dock, stack, finish, engine, qtbot):
    viewer.add_image(stack, name="X")
    finish()
    record = dict(viewer.layers["X denoised"].metadata[METADATA])
    assert record["finished"]
    engine.refusal = InputError("All pixels are equal.")
    with qtbot.waitSignal(dock.failed, timeout=5000):
        dock.run()
    assert viewer.layers["X denoised"].metadata[METADATA] == record


def test_drawing_tools_of_the_mask_come_when_asked_for(viewer, dock, stack, finish):
    viewer.add_image(stack, name="X")
    finish()
    mask = viewer.layers["X dual mask"]
    before = mask.data.copy()
    viewer.layers.selection.active = mask
    mask.visible = True  # hidden layers have no tools
    mask.mode = "polygon"
    assert mask._overlays["polygon"].visible
    mask.mode = "paint"
    mask.brush_size = 4
    mask.paint((1, 5, 5), 3)
    assert (mask.data != before).any()


def test_renamed_and_deleted_layers_are_made_anew(viewer, dock, stack, finish):
    viewer.add_image(stack, name="X")
    finish()
    kept = viewer.layers["X denoised"]
    kept.name = "the good one"
    before = kept.data
    viewer.layers.remove("X gradient")
    finish()
    assert kept.data is before
    assert {"the good one", *NAMES} == {layer.name for layer in viewer.layers}
    finish()
    assert len(viewer.layers) == 6


def test_ticking_and_unticking_layers(viewer, dock, stack, finish, qtbot):
    viewer.add_image(stack, name="X")
    dock.choice.set_keys({"denoised", "residual", "standout_gate"})
    finish()
    assert {layer.name for layer in viewer.layers} == {
        "X",
        "X denoised",
        "X residual",
        "X standout gate",
    }
    np.testing.assert_array_equal(viewer.layers["X residual"].data, 1)
    dock.findChild(object, "show_residual").setChecked(False)
    assert "X residual" not in viewer.layers
    dock.findChild(object, "show_gradient").setChecked(True)
    assert viewer.layers["X gradient"].contrast_limits == [0, 5]  # of the finished run
    finish()  # keeps no residual this time
    dock.findChild(object, "show_residual").setChecked(True)
    qtbot.waitUntil(lambda: "X residual" in viewer.layers, timeout=5000)
    np.testing.assert_array_equal(viewer.layers["X residual"].data, 1)


def test_ticking_the_residual_during_a_run(viewer, dock, stack, begin, qtbot):
    viewer.add_image(stack, name="X")
    begin()
    dock.findChild(object, "show_residual").setChecked(True)
    qtbot.waitUntil(lambda: "X residual" in viewer.layers, timeout=5000)
    with qtbot.waitSignal(dock.finished, timeout=5000):
        dock.stop()
    np.testing.assert_array_equal(viewer.layers["X residual"].data, 1)


def test_colour_image(viewer, dock, finish):
    data = np.random.default_rng(0).integers(1, 255, (3, 20, 24, 3)).astype(np.uint8)
    viewer.add_image(data, name="X", rgb=True)
    assert dock.input.axes.text() == "ZYXS"
    finish()
    assert viewer.layers["X denoised"].rgb
    np.testing.assert_array_equal(viewer.layers["X denoised"].data, denoised(data))
    assert viewer.layers["X dual mask"].data.shape == (3, 20, 24)


def test_lazy_multiscale_image_is_denoised_at_full_size(viewer, dock, stack, engine, finish):
    dask = pytest.importorskip("dask.array")
    levels = [dask.from_array(stack), dask.from_array(stack[:, ::2, ::2])]
    viewer.add_image(levels, multiscale=True, name="X", contrast_limits=(0, 200))
    finish()
    assert type(engine.images[0]) is np.ndarray
    np.testing.assert_array_equal(viewer.layers["X denoised"].data, denoised(stack))


def test_side_by_side_shows_every_layer(viewer, dock, stack, finish):
    viewer.add_image(stack, name="X")
    finish()
    assert not viewer.layers["X gradient"].visible
    dock.choice.grid.setChecked(True)
    assert all(layer.visible for layer in viewer.layers)
    dock.choice.grid.setChecked(False)
    assert [layer.name for layer in viewer.layers if layer.visible] == ["X", "X denoised"]


def test_side_by_side_shows_whole_images(viewer, dock, stack, finish):
    viewer.add_image(stack, name="X")
    eye = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    alone = eye.zoom
    box = dock.findChild(object, "side_by_side")
    box.setChecked(True)
    one = eye.zoom
    finish()
    many = eye.zoom
    assert many < one  # cells are smaller now
    viewer.fit_to_view()
    assert eye.zoom == many
    # Somebody looks closer: the view stays.
    eye.zoom = 3 * many
    dock.findChild(object, "show_residual").setChecked(True)
    dock.findChild(object, "show_standout_gate").setChecked(True)
    assert eye.zoom == 3 * many
    box.setChecked(False)
    assert eye.zoom == pytest.approx(alone)


def test_limits_that_a_smaller_run_left_open(viewer, dock, engine, stack, finish):
    viewer.add_image(stack, name="X")
    viewer.dims.set_current_step(0, 2)
    dock.input.choose_region("plane")
    engine.edges = 0.0
    finish()
    assert viewer.layers["X gradient"].contrast_limits == [0, 1]
    dock.input.choose_region("whole")
    engine.edges = 3.0
    finish()
    assert viewer.layers["X gradient"].contrast_limits == [0, 3]
