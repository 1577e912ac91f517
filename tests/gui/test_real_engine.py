"""The window on the engine itself: whole runs, bad input, and a GUI thread that is never held up."""

import time
import warnings

import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer

from napari_blind2grad.config import Config
from napari_blind2grad.gui import preload
from napari_blind2grad.gui.dock import Blind2GradWidget

SHORT = Config(
    iterations=8, cycles=2, passes=2, width=8, depth=2, patch=32, batch=2, threads=1, device="cpu"
)
#: Longest time without an answer from the window, in milliseconds.
GAP = 150


@pytest.fixture
def dock(viewer):
    widget = Blind2GradWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Denoise")
    widget.set_config(SHORT)
    preload.start().join()
    return widget


@pytest.fixture
def noisy():
    rng = np.random.default_rng(0)
    smooth = np.sin(np.linspace(0, 6, 48))[:, None] * np.cos(np.linspace(0, 6, 40))
    return rng.poisson(100 + 50 * smooth, (3, 48, 40)).astype(np.uint16)


def test_a_whole_run(viewer, dock, noisy, qtbot):
    viewer.add_image(noisy, name="X", scale=(2, 0.5, 0.5), units=("um",) * 3)
    with qtbot.waitSignal(dock.finished, timeout=60_000) as finished:
        dock.run()
    result = finished.args[0]
    assert {layer.name for layer in viewer.layers} == {
        "X",
        "X denoised",
        "X dual mask",
        "X gradient",
        "X gradient deviation",
    }
    np.testing.assert_array_equal(viewer.layers["X denoised"].data, result.image)
    np.testing.assert_array_equal(viewer.layers["X dual mask"].data, result.dual_mask)
    assert viewer.layers["X denoised"].data.dtype == noisy.dtype
    assert viewer.layers["X denoised"].data.std() < noisy.std()
    assert viewer.layers["X gradient"].contrast_limits[1] > 0
    assert viewer.layers["X denoised"].metadata["blind2grad"]["config"] == SHORT.to_dict()


def test_live_change_takes_effect(viewer, dock, noisy, qtbot):
    viewer.add_image(noisy, name="X")
    dock.set_config(SHORT.replace(iterations=100_000))
    with qtbot.waitSignal(dock.previewed, timeout=60_000):
        dock.run()
    with qtbot.waitSignal(dock.finished, timeout=60_000) as finished:
        dock.findChild(object, "iterations").setValue(1)
    assert finished.args[0].config.iterations == 1
    assert not finished.args[0].stopped


BAD = {
    "constant": np.full((16, 16), 7.0, np.float32),
    "nan": np.full((16, 16), np.nan, np.float32),
    "bool": np.ones((16, 16), bool),
    "one pixel": np.ones((1, 1), np.uint8),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_told_or_denoised(viewer, dock, qtbot, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # napari's own, about what it cannot show
        layer = viewer.add_image(BAD[kind], name="X", contrast_limits=(0, 1))
        outcomes = []
        dock.finished.connect(outcomes.append)
        dock.failed.connect(outcomes.append)
        dock.run()
        qtbot.waitUntil(lambda: bool(outcomes), timeout=60_000)
    assert len(outcomes) == 1
    text = dock.panel.status.text()
    assert text
    assert "unexpected" not in text
    assert layer.data is BAD[kind]


def longest_gap(dock, qtbot):
    """Run and return the longest time between two ticks of a 10 ms timer, in milliseconds."""
    gaps, last = [], time.perf_counter()

    def tick():
        nonlocal last
        now = time.perf_counter()
        gaps.append(now - last)
        last = now

    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.setInterval(10)
    timer.timeout.connect(tick)
    with qtbot.waitSignal(dock.finished, timeout=120_000):
        timer.start()
        last = time.perf_counter()
        dock.run()
    timer.stop()
    return 1000 * max(gaps)


@pytest.mark.quiet
def test_gui_thread_is_never_held_up(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    dock = Blind2GradWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Denoise")
    preload.start().join()
    dock.set_config(Config(iterations=20, passes=2, device="cpu"))
    viewer.add_image(
        np.random.default_rng(0).poisson(30, (8, 256, 256)).astype(np.uint16), name="X"
    )
    gaps = []
    # Other programs on the machine make single gaps longer; what we do would make most of them long.
    for _ in range(3):
        for layer in list(viewer.layers)[1:]:
            viewer.layers.remove(layer)
        gaps.append(longest_gap(dock, qtbot))
    assert np.median(gaps) <= GAP, f"longest gaps of each run: {gaps} ms"
