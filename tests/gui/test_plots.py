"""The convergence plot shows what the events tell."""

import numpy as np
import pytest

from napari_blind2grad.gui.chart import short
from napari_blind2grad.gui.plots import LossPlot


def points(dock, name):
    steps, values = dock.findChild(LossPlot, "loss_plot")._curves[name].getData()
    return steps, 10.0**values


def test_terms_held_out_loss_and_noise(viewer, dock, stack, begin, qtbot):
    viewer.add_image(stack, name="X")
    begin()
    qtbot.waitUntil(lambda: len(points(dock, "held_out")[0]) >= 2, timeout=5000)
    # The fake engine: content 2 / i, held out 3 / (i + 1) at every fifth step, no deviation.
    steps, content = points(dock, "content")
    np.testing.assert_allclose(content, 2 / steps)
    steps, held_out = points(dock, "held_out")
    assert not (steps % 5).any()
    np.testing.assert_allclose(held_out, 3 / (steps + 1))
    # A variance of 1e-3 where the range is 1; the fake's range is 510 image units.
    _, sigma = dock.findChild(LossPlot, "loss_plot")._curves["noise_left"].getData()
    np.testing.assert_allclose(sigma, 510 * np.sqrt(1e-3))
    assert not len(points(dock, "deviation")[0])


def test_a_new_run_begins_a_new_plot(viewer, dock, stack, begin, finish, qtbot):
    viewer.add_image(stack, name="X")
    begin()
    qtbot.waitUntil(lambda: len(points(dock, "held_out")[0]) >= 2, timeout=5000)
    with qtbot.waitSignal(dock.finished, timeout=5000):
        dock.panel.stop.click()
    dock.set_config(dock.config().replace(iterations=20))
    finish()
    assert points(dock, "content")[0].max() <= 20
    assert points(dock, "held_out")[0].max(initial=0) <= 20


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.25, "0.25"), (-0.15, "-0.15"), (120, "120"), (2500, "2500"), (2.5e6, "2.5e6")],
)
def test_labels_are_short(value, text):
    assert short(value) == text


def test_labels_of_small_values_are_short():
    assert short(0.00323, 2) == "3.2e-3"
    assert short(1e-4) == "1e-4"
    assert short(0.0123) == "0.0123"
