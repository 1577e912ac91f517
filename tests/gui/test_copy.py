"""What is copied gives the very pixels of the window's run, in a process of its own."""

import shlex
import subprocess
import sys

import numpy as np
import pytest
from qtpy.QtGui import QGuiApplication

from napari_blind2grad.config import Config
from napari_blind2grad.gui import preload
from napari_blind2grad.gui.dock import Blind2GradWidget
from napari_blind2grad.io import read_image, read_parameters, write_image

SHORT = Config(
    iterations=6, cycles=2, passes=2, width=8, depth=2, patch=32, seed=7, omega=0.3, device="cpu"
)


@pytest.fixture
def real_dock(viewer):
    widget = Blind2GradWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Denoise")
    widget.set_config(SHORT)
    preload.start().join()
    return widget


@pytest.fixture
def opened(viewer, tmp_path):
    """A layer that came from a file."""
    path = tmp_path / "it's noisy.tif"
    image = np.random.default_rng(0).poisson(90, (4, 40, 48)).astype(np.uint16)
    write_image(path, image, axes="ZYX")
    (layer,) = viewer.open(str(path), plugin="napari")
    return layer


def ran(dock, qtbot):
    with qtbot.waitSignal(dock.finished, timeout=60_000) as finished:
        dock.run()
    return finished.args[0]


def in_a_fresh_process(words):
    subprocess.run([sys.executable, *words], check=True, timeout=120, capture_output=True)


@pytest.mark.parametrize("region", ["whole", "plane", "rectangle"])
def test_the_command_gives_the_same_bits(viewer, real_dock, opened, qtbot, region):
    viewer.dims.set_point(0, 2)
    if region == "rectangle":
        viewer.add_shapes([[3, 5], [3, 40], [35, 40], [35, 5]], shape_type="rectangle")
    real_dock.input.choose_region(region)
    result = ran(real_dock, qtbot)
    real_dock.findChild(object, "copy_command").click()
    text = QGuiApplication.clipboard().text()
    assert "#" not in text
    words = shlex.split(text)
    in_a_fresh_process(["-m", "napari_blind2grad", *words[1:]])
    target = words[words.index("-o") + 1]
    again = read_image(target)
    assert again.data.dtype == result.image.dtype
    np.testing.assert_array_equal(again.data.reshape(result.image.shape), result.image)
    crop = {"whole": "", "plane": "Z=2:3", "rectangle": "Y=3:36,X=5:41"}[region]
    layer = viewer.layers[f"{opened.name} denoised"]
    assert layer.metadata["blind2grad"]["crop"] == crop
    assert read_parameters(target)["crop"] == crop


def test_the_python_gives_the_same_bits(viewer, real_dock, opened, qtbot, tmp_path):
    viewer.dims.set_point(0, 1)
    real_dock.input.choose_region("plane")
    result = ran(real_dock, qtbot)
    real_dock.findChild(object, "copy_python").click()
    script = tmp_path / "again.py"
    out = tmp_path / "again.npy"
    text = QGuiApplication.clipboard().text()
    assert "image[1:2, :, :]" in text
    script.write_text(f"{text}\nimport numpy\nnumpy.save({str(out)!r}, result.image)\n")
    in_a_fresh_process([str(script)])
    np.testing.assert_array_equal(np.load(out), result.image)


def test_a_saved_file_says_how_it_was_made(viewer, real_dock, opened, qtbot, tmp_path):
    result = ran(real_dock, qtbot)
    path = tmp_path / "out.ome.tif"
    with qtbot.waitSignal(real_dock.saver.saved, timeout=10_000):
        real_dock.save(path)
    found = read_parameters(path)
    assert found["config"] == result.config.to_dict()
    assert (found["seed"], found["version"], found["device"]) == (7, result.version, result.device)
    assert found["changes"] == []
    again = tmp_path / "again.ome.tif"
    words = ["denoise", opened.source.path, "-o", str(again), "--settings", str(path)]
    in_a_fresh_process(["-m", "napari_blind2grad", *words])
    np.testing.assert_array_equal(read_image(again).data, result.image)


def test_changes_during_the_run_are_owned_up_to(viewer, dock, stack, qtbot, begin, engine):
    viewer.add_image(stack, name="X")
    worker = begin()
    omega = dock.findChild(object, "omega")
    omega.setValue(1.25)
    qtbot.waitUntil(lambda: bool(worker.changes), timeout=5000)
    with qtbot.waitSignal(dock.finished, timeout=10_000):
        dock.stop()
    (change,) = viewer.layers["X denoised"].metadata["blind2grad"]["changes"]
    assert change["omega"] == 1.25
    assert 0 < change["iteration"] <= engine.iteration
    dock.findChild(object, "copy_command").click()
    comments, command = QGuiApplication.clipboard().text().rsplit("\n", 1)
    assert f"after step {change['iteration']}: omega = 1.25" in comments
    assert f"stopped after {engine.iteration} steps" in comments
    assert command.startswith("blind2grad denoise X.tif ")
    assert "another image" in dock.panel.status.text()


def test_other_settings_than_those_shown_are_said_to_be(viewer, dock, stack, finish):
    viewer.add_image(stack, name="X")
    finish()
    assert dock.copier.recipe().notes == (
        "The image shown was computed on Pocket calculator: only a CPU gives the same bits again.",
    )
    dock.findChild(object, "omega").setValue(0.9)
    assert "other settings" in dock.python()
    assert "omega=0.9" in dock.python()


def test_a_region_that_cannot_be_had_is_told(viewer, dock, stack, qtbot):
    viewer.add_image(stack, name="X")
    dock.input.choose_region("rectangle")
    with qtbot.waitSignal(dock.failed, timeout=1000) as failed:
        dock.findChild(object, "copy_python").click()
    assert "draw a rectangle" in failed.args[0]
