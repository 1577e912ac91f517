"""Compare: each combination is run, shown, opened and taken over."""

import numpy as np
import pytest
from qtpy.QtWidgets import QToolButton

from napari_blind2grad.config import Config
from napari_blind2grad.errors import ConfigError
from napari_blind2grad.gui import compare as module
from napari_blind2grad.gui.figures import neighbour_correlation, steepness


@pytest.fixture
def section(dock):
    section = dock.findChild(object, "compare")
    section.expand()
    dock.findChild(object, "compare_iterations").setValue(4)
    return section


def fill(dock, first, values, second="", others=""):
    for name, parameter, text in (
        ("compare_first", first, values),
        ("compare_second", second, others),
    ):
        combo = dock.findChild(object, name)
        combo.setCurrentIndex(combo.findData(parameter))
        dock.findChild(object, f"{name}_values").setText(text)


def compared(dock, section, qtbot):
    with qtbot.waitSignal(section.over, timeout=20_000):
        dock.findChild(object, "compare_run").click()


def test_every_combination_is_run_and_shown(viewer, dock, stack, engine, section, qtbot):
    viewer.add_image(stack, name="X", scale=(2, 0.5, 0.5))
    dock.input.choose_region("plane")
    fill(dock, "omega", "0, 0.8", "eps_g", "10, 40")
    configs = []
    original = engine._events
    engine._events = lambda image, axes, config, *rest: (
        configs.append(config) or original(image, axes, config, *rest)
    )
    compared(dock, section, qtbot)
    assert [(c.omega, c.eps_g) for c in configs] == [(0, 10), (0, 40), (0.8, 10), (0.8, 40)]
    assert {(c.iterations, c.seed) for c in configs} == {(4, 0)}
    assert all(image.shape == (1, 24, 32) for image in engine.images)
    words = dock.findChild(object, "compare_figures_2").text()
    assert "ω = 0.8, ε_g = 10" in words
    assert "error 1<br>" in words  # the mean of the fake's last losses
    assert [layer.name for layer in viewer.layers] == ["X"]
    dock.findChild(QToolButton, "compare_open_2").click()
    layer = viewer.layers["X ω = 0.8, ε_g = 10"]
    assert layer.data.shape == (1, 24, 32)
    assert layer.metadata["blind2grad"]["config"]["omega"] == 0.8
    dock.findChild(object, "compare_use_2").click()
    assert (dock.config().omega, dock.config().eps_g) == (0.8, 10)
    assert dock.config().iterations == 20


def test_it_can_be_cancelled(viewer, dock, stack, engine, section, qtbot):
    viewer.add_image(stack, name="X")
    dock.findChild(object, "compare_iterations").setValue(100_000)
    fill(dock, "omega", "0, 1")
    button = dock.findChild(object, "compare_run")
    button.click()
    qtbot.waitUntil(lambda: "%" in dock.findChild(object, "compare_status").text(), timeout=10_000)
    with qtbot.waitSignal(section.over, timeout=5000):
        button.click()
    assert "Cancelled after 0 of 2" in dock.findChild(object, "compare_status").text()
    assert len(engine.images) == 1
    assert engine.closed.is_set()


def test_closing_the_dock_ends_it(viewer, dock, stack, engine, section, qtbot):
    viewer.add_image(stack, name="X")
    dock.findChild(object, "compare_iterations").setValue(100_000)
    dock.findChild(object, "compare_run").click()
    qtbot.waitUntil(lambda: len(engine.images) == 1, timeout=10_000)
    with qtbot.waitSignal(section.over, timeout=5000):
        dock.on_dock_closed()
    assert engine.closed.wait(5)


@pytest.mark.parametrize(
    ("first", "values", "second", "others", "words"),
    [
        ("omega", "", "", "", "Give the values"),
        ("omega", "0, much", "", "", "must be a number"),
        ("omega", "0, 99", "", "", "between 0 and 4"),
        ("omega", "0", "omega", "1", "two different"),
        ("omega", ",".join(["1"] * 40), "", "", "too many"),
        ("mask", "dual, odd", "", "", "must be one of"),
    ],
)
def test_mistakes_are_told(
    viewer, dock, stack, section, qtbot, first, values, second, others, words
):
    viewer.add_image(stack, name="X")
    fill(dock, first, values, second, others)
    with qtbot.waitSignal(section.failed, timeout=1000) as failed:
        dock.findChild(object, "compare_run").click()
    assert words in failed.args[0]
    assert not section.running


def test_not_while_a_run_goes_on(viewer, dock, stack, section, begin, qtbot):
    viewer.add_image(stack, name="X")
    begin()
    with qtbot.waitSignal(section.failed, timeout=1000) as failed:
        dock.findChild(object, "compare_run").click()
    assert "stop it first" in failed.args[0]
    dock.cancel()


def test_values_of_every_kind():
    kinds = {p.name: p for p in module.parameters()}
    assert module.parse_values(kinds["attention"], "no, yes") == [False, True]
    assert module.parse_values(kinds["cycles"], "1,3") == [1, 3]
    with pytest.raises(ConfigError, match="whole number"):
        module.parse_values(kinds["cycles"], "1.5")
    assert Config(mask=module.parse_values(kinds["mask"], "uniform")[0]).mask == "uniform"


def test_figures_by_hand():
    # Stripes one pixel wide: along X each neighbour is the opposite, along Y the same.
    stripes = np.tile([1.0, -1.0], (4, 4))
    assert neighbour_correlation(stripes) == pytest.approx(0)
    assert neighbour_correlation(np.repeat(stripes, 2, axis=1)) > 0.4
    assert np.isnan(neighbour_correlation(np.ones((4, 4))))
    ramp = np.arange(5.0)[:, None] * 3 + np.arange(6.0)[None] * 4
    assert steepness(ramp) == pytest.approx(5)  # 3 down, 4 to the right


def test_thumbnails_show_the_limits(qtbot):
    plane = np.array([[0.0, 100.0], [50.0, 200.0]]).repeat(59, 0).repeat(59, 1)
    image = module.thumbnail(plane, (0, 100)).toImage()
    assert (image.width(), image.height()) == (118, 118)
    greys = [image.pixelColor(x, y).red() for y in (20, 100) for x in (20, 100)]
    assert greys == [0, 255, 128, 255]
