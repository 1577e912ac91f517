"""The arrays behind the live layers, filled by a real run."""

from __future__ import annotations

import numpy as np
import pytest

from napari_blind2grad import Config, denoise_iter
from napari_blind2grad.events import MAPS, Preview, Result, Started
from napari_blind2grad.gui.arrays import LiveArrays


@pytest.mark.parametrize(
    ("axes", "shape"),
    [("XY", (6, 10)), ("XYZ", (6, 10, 3)), ("SYX", (3, 6, 10)), ("YXS", (6, 10, 3))],
)
def test_previews_land_in_any_order_of_axes(axes, shape):
    from napari_blind2grad.axes import Axes

    image = np.random.default_rng(0).random(shape).astype(np.float32)
    config = Config(iterations=2, cycles=1, width=4, depth=1, patch=8, batch=1, passes=1, threads=1)
    for event in denoise_iter(image, axes, config):
        if isinstance(event, Started):
            arrays = LiveArrays(image, Axes(axes, shape), image.dtype)
        elif isinstance(event, Preview):
            arrays.write(event)
        elif isinstance(event, Result):
            np.testing.assert_array_equal(arrays.denoised, event.image)
            for name in MAPS:
                np.testing.assert_array_equal(arrays.get(name), getattr(event, name))
