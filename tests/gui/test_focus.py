"""The preview follows the plane that the user looks at."""

import numpy as np
import pytest

from napari_blind2grad.axes import Axes
from napari_blind2grad.gui.focus import looked_at


def test_preview_follows_the_slider(viewer, dock, engine, stack, begin, qtbot):
    viewer.add_image(stack, name="X", scale=(2, 1, 1), translate=(7, 0, 0))
    viewer.dims.set_current_step(0, 1)
    begin()
    assert engine.looked_at[-1] == {"Z": 1}
    viewer.dims.set_current_step(0, 3)
    with qtbot.waitSignal(
        dock.previewed, check_params_cb=lambda event: event.index == {"Z": 3}, timeout=5000
    ):
        pass
    image = viewer.layers["X denoised"].data
    np.testing.assert_array_equal(image[3], stack[3] - 1)
    np.testing.assert_array_equal(image[0], stack[0])  # not looked at


def test_only_the_displayed_plane_is_redrawn(viewer, dock, engine, stack, begin, qtbot):
    viewer.add_image(stack, name="X")
    begin()
    layer = viewer.layers["X denoised"]
    drawn = []
    layer.events.set_data.connect(lambda: drawn.append(viewer.dims.current_step[0]))
    with qtbot.waitSignal(dock.previewed, timeout=5000):
        pass
    assert drawn
    hidden = viewer.layers["X dual mask"]
    redrawn = []
    hidden.events.set_data.connect(lambda: redrawn.append(1))
    with qtbot.waitSignal(dock.previewed, timeout=5000):
        pass
    assert not redrawn


@pytest.mark.parametrize(
    ("shape", "axes", "step", "expected"),
    [
        ((3, 4, 5, 8, 8), "TCZYX", (1, 2, 3, 0, 0), {"T": 1, "C": 2, "Z": 3}),
        ((5, 8, 8), "ZYX", (1, 2, 3, 0, 0), {"Z": 3}),
        ((8, 8), "YX", (1, 2, 3, 0, 0), {}),
        ((4, 8, 8), "TYX", (1, 2, 3, 0, 0), {"T": 3}),
    ],
)
def test_layers_with_fewer_dimensions_than_the_viewer(viewer, shape, axes, step, expected):
    viewer.add_image(np.zeros((3, 4, 5, 8, 8)))
    layer = viewer.add_image(np.zeros(shape))
    viewer.dims.current_step = step
    assert looked_at(viewer, layer, Axes(axes, shape), {}) == expected


def test_displayed_axes_keep_the_last_plane(viewer):
    layer = viewer.add_image(np.zeros((5, 8, 8)))
    viewer.dims.set_current_step(0, 3)
    axes = Axes("ZYX", (5, 8, 8))
    last = looked_at(viewer, layer, axes, {})
    viewer.dims.ndisplay = 3
    assert looked_at(viewer, layer, axes, last) == {"Z": 3}
    viewer.dims.ndisplay = 2
    viewer.dims.order = (2, 0, 1)
    assert looked_at(viewer, layer, axes, last) == {"Z": 3}


def test_other_units_than_the_viewers(viewer):
    pytest.importorskip("napari", minversion="0.9")
    viewer.add_image(np.zeros((50, 8, 8)), units=("um",) * 3)
    layer = viewer.add_image(np.zeros((50, 8, 8)), units=("nm",) * 3, scale=(1000, 1, 1))
    viewer.dims.set_point(0, 7 if str(viewer.dims.units[0]) == "micrometer" else 7000)
    assert looked_at(viewer, layer, Axes("ZYX", (50, 8, 8)), {}) == {"Z": 7}


def test_region_counts_from_its_own_start(viewer, dock, engine, stack, begin):
    viewer.add_image(stack, name="X")
    viewer.dims.set_current_step(0, 2)
    dock.input.choose_region("plane")
    begin()
    assert engine.images[0].shape == (1, 24, 32)
    assert engine.looked_at[-1] == {"Z": 0}
