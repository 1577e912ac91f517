"""Apply to…, Save network… and Load network…."""

import json
import shlex
import subprocess
import sys

import numpy as np
import pytest
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog, QMenu

from napari_blind2grad.config import Config
from napari_blind2grad.gui import preload
from napari_blind2grad.gui.dock import Blind2GradWidget
from napari_blind2grad.io import read_image, write_image

SHORT = Config(
    iterations=6, cycles=2, passes=2, width=8, depth=2, patch=32, seed=7, device="cpu", threads=1
)


def offered(dock):
    """Open the menu of Apply to… without waiting in it, and return what it offers by name."""
    menu = dock.reuse.findChild(QMenu)
    menu.aboutToShow.emit()
    return {action.text(): action for action in menu.actions()}


def applied_to(dock, qtbot, name):
    with qtbot.waitSignal(dock.finished, timeout=30_000) as finished:
        offered(dock)[name].trigger()
    return finished.args[0]


# ------------------------------------------------------------------------ on the fake engine


def test_there_is_nothing_to_apply_before_a_run(viewer, dock, stack, finish):
    button, save = (dock.findChild(object, n) for n in ("apply_to", "save_network"))
    assert not button.isEnabled()
    assert not save.isEnabled()
    assert "run first" in button.toolTip()
    viewer.add_image(stack, name="X")
    finish()
    assert button.isEnabled()
    assert save.isEnabled()
    assert "“X”" in dock.findChild(object, "network").text()


def test_the_network_is_applied_to_another_layer(viewer, dock, stack, engine, finish, qtbot):
    viewer.add_image(stack, name="X")
    dock.set_config(Config(iterations=20, omega=0.3))
    first = finish()
    other = viewer.add_image(stack[:, :20] + 5, name="A & B", scale=(2, 0.5, 0.5))
    dock.input.choose_region("plane")
    dock.findChild(object, "omega").setValue(0.9)  # of no concern to a network that is trained
    assert set(offered(dock)) == {"X", "A && B"}
    dock.findChild(object, "other_exposure").click()
    applied_to(dock, qtbot, "A && B")
    ((state, intensity, config),) = engine.applied
    assert state is first.state
    assert intensity == "image"
    assert config.omega == 0.3
    np.testing.assert_array_equal(viewer.layers["A & B denoised"].data, other.data - 1)
    np.testing.assert_array_equal(viewer.layers["A & B denoised"].scale, other.scale)
    record = viewer.layers["A & B denoised"].metadata["blind2grad"]
    assert record["network"] == {"name": "X", "folder": None}
    assert (record["intensity"], record["changes"]) == ("image", [])
    json.dumps(record)
    assert dock.input.layer() is other
    assert dock.input.region_key() == "whole"
    assert dock.findChild(object, "omega").value() == 0.9
    assert not dock.conductor.run
    # What is in hand is still the network that was trained.
    assert dock.reuse.network.name == "X"


def test_it_can_be_stopped_and_nothing_steers_it(viewer, dock, stack, engine, finish, qtbot):
    viewer.add_image(stack, name="X")
    finish()
    dock.reuse.network.config.__dict__["iterations"] = 100_000  # how long the fake will take
    dock.findChild(object, "tune").click()
    with qtbot.waitSignal(dock.previewed, timeout=10_000):
        offered(dock)["X"].trigger()
    assert not dock.findChild(object, "apply_to").isEnabled()
    assert "Denoising with the network of “X”" in dock.panel.status.text() or (
        "Denoising plane by plane" in dock.panel.status.text()
    )
    dock.findChild(object, "omega").setValue(0.1)
    with qtbot.waitSignal(dock.finished, timeout=10_000):
        dock.findChild(object, "stop").click()
    assert "quick pass" in dock.panel.status.text()
    record = viewer.layers["X denoised"].metadata["blind2grad"]
    assert record["stopped"]
    assert record["changes"] == []
    assert not dock.tuner.waiting
    assert "quick pass" in dock.command()


def test_a_layer_that_goes_away_ends_it(viewer, dock, stack, finish, qtbot):
    viewer.add_image(stack, name="X")
    finish()
    other = viewer.add_image(stack, name="Y")
    dock.reuse.network.config.__dict__["iterations"] = 100_000
    with qtbot.waitSignal(dock.previewed, timeout=10_000):
        offered(dock)["Y"].trigger()
    with qtbot.waitSignal(dock.conductor.failed, timeout=5000) as failed:
        viewer.layers.remove(other)
    assert "was removed" in failed.args[0]
    assert not dock.running
    assert set(offered(dock)) == {"X"}


def test_axes_of_the_training_are_taken_over(viewer, dock, stack, engine, finish, qtbot):
    viewer.add_image(stack, name="X")
    dock.input.axes.setText("TYX")
    dock.input.axes.editingFinished.emit()
    finish()
    viewer.add_image(stack, name="Y")
    viewer.add_image(stack, name="Z", axis_labels=("z", "y", "x"))
    applied_to(dock, qtbot, "Y")
    assert engine.axes[-1] == "TYX"
    applied_to(dock, qtbot, "Z")
    assert engine.axes[-1] == "ZYX"  # as its own labels say


def test_an_unsaved_network_is_said_to_be(viewer, dock, stack, finish, qtbot):
    viewer.add_image(stack, name="X")
    finish()
    viewer.add_image(stack, name="Y")
    applied_to(dock, qtbot, "Y")
    text = dock.command()
    assert "saved nowhere yet" in text
    assert text.splitlines()[-1].startswith("blind2grad apply my-network Y.tif ")
    assert "apply('my-network', image" in dock.python()


def test_saving_without_a_network_is_refused(dock, qtbot, tmp_path):
    with qtbot.waitSignal(dock.failed, timeout=1000) as failed:
        dock.reuse.save(tmp_path / "n")
    assert "run first" in failed.args[0]
    assert not (tmp_path / "n").exists()


@pytest.mark.parametrize("which", ["save", "load"])
def test_the_dialogs_hold_nothing_up(viewer, dock, stack, finish, qtbot, tmp_path, which):
    viewer.add_image(stack, name="X")
    finish()
    dock.findChild(object, f"{which}_network").click()
    dialog = dock.findChild(QFileDialog, f"{which}_network_dialog")
    assert not dialog.isModal()
    asked = []
    dock.reuse.files.save = lambda network, path: asked.append(path)
    dock.reuse.files.load = asked.append
    dialog.fileSelected.emit(str(tmp_path / "n"))
    dialog.reject()
    assert asked == [tmp_path / "n"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no model folder"),
        ({}, "is missing"),
        ({"model.json": "{}", "weights.safetensors": ""}, "no model of blind2grad"),
        ({"model.json": "[1", "weights.safetensors": ""}, "is not JSON"),
    ],
)
def test_a_folder_that_is_no_network_is_refused(dock, qtbot, tmp_path, content, words):
    folder = tmp_path / "net"
    if content is not None:
        folder.mkdir()
        for name, text in content.items():
            (folder / name).write_text(text)
    with qtbot.waitSignal(dock.failed, timeout=20_000) as failed:
        dock.reuse.load(folder)
    assert words in failed.args[0]
    assert dock.reuse.network is None
    assert not dock.findChild(object, "apply_to").isEnabled()


# ------------------------------------------------------------------------ on the real engine


@pytest.fixture
def real_dock(viewer):
    widget = Blind2GradWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Denoise")
    widget.set_config(SHORT)
    preload.start().join()
    return widget


def opened(viewer, tmp_path, name, seed):
    path = tmp_path / f"{name}.tif"
    image = np.random.default_rng(seed).poisson(90, (2, 40, 48)).astype(np.uint16)
    write_image(path, image, axes="ZYX")
    (layer,) = viewer.open(str(path), plugin="napari")
    return layer


def test_saved_loaded_and_applied_the_command_gives_the_same_bits(
    viewer, real_dock, qtbot, tmp_path
):
    first = opened(viewer, tmp_path, "first", 0)
    with qtbot.waitSignal(real_dock.finished, timeout=60_000) as finished:
        real_dock.run()
    trained = finished.args[0]
    # On its own image it gives what the run gave, also by way of a folder.
    again = applied_to(real_dock, qtbot, first.name)
    np.testing.assert_array_equal(again.image, trained.image)
    folder = tmp_path / "a network"
    with qtbot.waitSignal(real_dock.reuse.files.saved, timeout=20_000):
        real_dock.reuse.save(folder)
    assert "saved nowhere" not in real_dock.command()  # the record knows of it
    real_dock.reuse.network = None
    with qtbot.waitSignal(real_dock.reuse.files.loaded, timeout=20_000):
        real_dock.reuse.load(folder)
    second = opened(viewer, tmp_path, "second", 1)
    result = applied_to(real_dock, qtbot, second.name)
    assert result.iterations == 0
    real_dock.findChild(object, "copy_command").click()
    text = QGuiApplication.clipboard().text()
    assert "#" not in text
    words = shlex.split(text)
    assert words[:3] == ["blind2grad", "apply", str(folder)]
    command = [sys.executable, "-m", "napari_blind2grad", *words[1:]]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    written = read_image(words[words.index("-o") + 1])
    np.testing.assert_array_equal(written.data, result.image)
    script, out = tmp_path / "again.py", tmp_path / "again.npy"
    script.write_text(
        f"{real_dock.python()}\nimport numpy\nnumpy.save({str(out)!r}, result.image)\n"
    )
    subprocess.run([sys.executable, script], check=True, timeout=120, capture_output=True)
    np.testing.assert_array_equal(np.load(out), result.image)


def test_an_image_that_does_not_fit_is_told(viewer, real_dock, qtbot):
    rng = np.random.default_rng(0)
    viewer.add_image(rng.poisson(50, (32, 32)).astype(np.uint16), name="X")
    with qtbot.waitSignal(real_dock.finished, timeout=60_000):
        real_dock.run()
    viewer.add_image(rng.poisson(50, (32, 32, 3)).astype(np.uint8), name="RGB", rgb=True)
    with qtbot.waitSignal(real_dock.failed, timeout=20_000) as failed:
        offered(real_dock)["RGB"].trigger()
    assert "trained on grey images, but this one is in colour" in failed.args[0]
    qtbot.waitUntil(lambda: not real_dock.running, timeout=5000)
    assert "RGB denoised" not in viewer.layers
