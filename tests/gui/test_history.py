"""The slider brings back past cycles, and changes nothing else."""

import numpy as np
import pytest
from fake_engine import FakeEngine
from qtpy.QtWidgets import QLabel, QSlider

from napari_blind2grad.axes import Axes
from napari_blind2grad.events import Progress
from napari_blind2grad.gui import past as past_module
from napari_blind2grad.gui.arrays import LiveArrays
from napari_blind2grad.gui.past import Packed, Past, unpacked

STACK = Axes("ZYX", (3, 4, 5))


def progress(cycle, network=1, cycles=4):
    return Progress("train", 1, 9, cycle, cycles, network, 1, 0.5, 1.0, 1.0, 0.0, 1.0, 1.0)


@pytest.fixture
def arrays():
    return LiveArrays(np.arange(60, dtype=np.float32).reshape(3, 4, 5), STACK, np.dtype(np.float32))


# ------------------------------------------------------------------------------ what is kept


def test_a_moment_is_kept_when_the_cycle_changes(arrays):
    past = Past()
    for cycle in (1, 1, 2, 2, 3):
        arrays.gradient[:] = cycle
        past.take(progress(cycle), arrays, STACK, {"Z": 1})
    assert [m.cycle for m in past.moments] == [1, 2]
    assert not past.planes_only
    # At the first event of cycle 3 the arrays hold what was filled in right before it.
    assert (unpacked(past.moments[1], arrays, STACK)["gradient"] == 3).all()
    shown = unpacked(past.moments[0], arrays, STACK)["denoised"]
    np.testing.assert_allclose(shown, arrays.denoised, atol=59 / 65535)


def test_wide_integers_are_kept_to_the_nearest():
    values = np.array([[-3, 0], [70_000, 70_001]], np.int32)
    shown = Packed.of(values).unpacked()
    assert shown.dtype == np.int32
    assert np.abs(shown - values).max() <= 1
    exact = np.arange(
        65_536, dtype=np.int64
    )  # a step of 1: not one may be cut off to the one below
    np.testing.assert_array_equal(Packed.of(exact).unpacked(), exact)


def test_the_next_network_begins_with_cycle_1_again(arrays):
    past = Past()
    for network, cycle in ((1, 1), (1, 2), (2, 1), (2, 2)):
        past.take(progress(cycle, network), arrays, STACK, {})
    assert [(m.network, m.cycle) for m in past.moments] == [(1, 1), (1, 2), (2, 1)]


def test_packing_is_exact_to_half_a_step():
    values = np.random.default_rng(0).normal(1e6, 3e4, (50, 50)).astype(np.float32)
    packed = Packed.of(values)
    assert packed.values.nbytes == values.nbytes // 2
    np.testing.assert_allclose(packed.unpacked(), values, rtol=0, atol=np.ptp(values) / 65535)
    whole = np.arange(6, dtype=np.uint16)
    assert np.array_equal(Packed.of(whole).unpacked(), whole)
    assert Packed.of(whole).values is not whole
    broken = np.array([1, np.nan, 3, np.inf], np.float32)
    np.testing.assert_allclose(Packed.of(broken).unpacked(), [1, 1, 3, 1])
    for constant in (7.0, np.nan):
        shown = Packed.of(np.full(3, constant, np.float32)).unpacked()
        assert (shown == (7 if constant == 7 else 0)).all()


def test_memory_is_bounded(arrays, monkeypatch):
    monkeypatch.setattr(past_module, "BUDGET", 700)  # a plane takes 20 · (2 + 1 + 2 + 2 + 1) = 160
    past = Past()
    for cycle in range(1, 12):
        past.take(progress(cycle, cycles=12), arrays, STACK, {"Z": 2})
        assert sum(m.nbytes for m in past.moments) <= 700
    assert past.planes_only
    assert past.moments[-1].plane == {"Z": 2}
    shown = unpacked(past.moments[-1], arrays, STACK)["denoised"]
    assert shown.shape == STACK.shape
    np.testing.assert_allclose(shown[0], arrays.denoised[2], atol=1e-3)


# ------------------------------------------------------------------------------- the window


@pytest.fixture
def slider(dock):
    return dock.findChild(QSlider, "history")


@pytest.fixture
def cycles(viewer, dock, engine, stack, monkeypatch):
    """An input, and an engine whose gradient is the number of the iteration."""
    viewer.add_image(stack, name="X")
    dock.set_config(dock.config().replace(iterations=20, cycles=4))
    engine.previews = 2
    monkeypatch.setattr(
        engine, "_maps", lambda shape, _: FakeEngine._maps(shape, float(engine.iteration))
    )


def gradient(viewer):
    return viewer.layers["X gradient"].data


def text(dock):
    return dock.findChild(QLabel, "history_label").text()


def test_past_cycles_are_brought_back(viewer, dock, slider, cycles, finish, qtbot):
    assert not slider.isEnabled()
    result = finish()
    assert slider.isEnabled()
    assert (slider.maximum(), slider.value(), text(dock)) == (3, 3, "now")
    # A cycle is 5 iterations long and ends with the first news of the next; previews are even.
    plane = viewer.dims.current_step[0]
    for value, last in ((0, 4), (2, 14)):
        slider.setValue(value)
        qtbot.waitUntil(lambda last=last: gradient(viewer)[plane, 0, 0] == last, timeout=5000)
        assert text(dock) == f"cycle {value + 1}"
    slider.setValue(3)
    assert gradient(viewer) is result.gradient
    assert viewer.layers["X denoised"].data is result.image


def test_the_run_goes_on_and_ends_in_the_present(
    viewer, dock, engine, slider, cycles, qtbot, stack
):
    engine.pace = 0.05
    with qtbot.waitSignal(dock.finished, timeout=20_000) as finished:
        dock.run()
        qtbot.waitUntil(lambda: slider.maximum() >= 2, timeout=10_000)
        slider.setValue(0)
        plane = viewer.dims.current_step[0]
        qtbot.waitUntil(lambda: gradient(viewer)[plane, 0, 0] == 4, timeout=5000)
        qtbot.waitUntil(lambda: slider.maximum() >= 3, timeout=10_000)
        assert slider.value() == 0
        assert gradient(viewer)[plane, 0, 0] == 4  # while the worker fills its own arrays
    assert slider.value() == slider.maximum()
    assert gradient(viewer) is finished.args[0].gradient
    np.testing.assert_array_equal(finished.args[0].image, stack - 1)


def test_saving_saves_the_present(viewer, dock, slider, cycles, finish, qtbot, tmp_path):
    result = finish()
    slider.setValue(0)
    qtbot.waitUntil(lambda: viewer.layers["X denoised"].data is not result.image, timeout=5000)
    with qtbot.waitSignal(dock.saver.saved, timeout=10_000):
        dock.save(tmp_path / "out.tif")
    assert text(dock) == "now"
    assert viewer.layers["X denoised"].data is result.image


def test_a_stack_too_large_says_so(viewer, dock, slider, cycles, finish, monkeypatch):
    monkeypatch.setattr(past_module, "BUDGET", 30_000)
    finish()
    assert slider.maximum() == 3
    assert "only the plane" in dock.history.toolTip()
    assert set(dock.history._moments[0].plane) == {"Z"}


def test_a_new_run_forgets_the_last_one(viewer, dock, slider, cycles, finish, qtbot):
    finish()
    slider.setValue(0)
    dock.set_config(dock.config().replace(cycles=1))
    result = finish()
    assert slider.maximum() == 0
    assert not slider.isEnabled()
    assert text(dock) == "no cycle yet"
    assert viewer.layers["X denoised"].data is result.image
