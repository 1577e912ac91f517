"""Saving and copying."""

import numpy as np
import pytest
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog

from napari_blind2grad.cli.options import build_parser, config_from
from napari_blind2grad.config import Config
from napari_blind2grad.gui.worker import leave_a_core
from napari_blind2grad.io import read_image


@pytest.mark.parametrize("name", ["out.ome.tif", "out.tif"])
def test_save_keeps_everything(viewer, dock, stack, finish, qtbot, tmp_path, name):
    viewer.add_image(
        stack, name="X", scale=(2, 0.5, 0.25), units=("um",) * 3, axis_labels=("t", "y", "x")
    )
    result = finish()
    path = tmp_path / name
    dock.save(path)
    qtbot.waitUntil(lambda: "Saved" in dock.panel.status.text(), timeout=5000)
    file = read_image(path)
    np.testing.assert_array_equal(file.data, result.image)
    assert file.axes == "TYX"
    assert file.dtype == stack.dtype
    assert file.scale["Y"] == pytest.approx(0.5)
    assert file.scale["X"] == pytest.approx(0.25)
    assert file.units["X"] == "µm"


def test_save_failures_are_told(viewer, dock, stack, finish, qtbot, tmp_path):
    viewer.add_image(stack, name="X")
    with qtbot.waitSignal(dock.failed, timeout=1000):
        dock.save(tmp_path / "early.tif")
    finish()
    with qtbot.waitSignal(dock.failed, timeout=5000) as failed:
        dock.save(tmp_path / "no such folder" / "x.tif")
    assert "no such folder" in failed.args[0]
    assert dock.panel.status.text() == failed.args[0]


def test_save_asks_for_a_name_and_holds_nothing_up(viewer, dock, stack, finish, qtbot, tmp_path):
    button = dock.findChild(object, "save")
    assert not button.isEnabled()
    viewer.add_image(stack, name="X")
    finish()
    button.click()
    dialog = dock.findChild(QFileDialog, "save_dialog")
    assert dialog.isVisible()
    assert not dialog.isModal()
    assert dialog.selectedFiles()[0].endswith("X denoised.ome.tif")
    dialog.fileSelected.emit(str(tmp_path / "chosen.ome.tif"))
    qtbot.waitUntil((tmp_path / "chosen.ome.tif").exists, timeout=5000)
    qtbot.waitUntil(lambda: "Saved" in dock.panel.status.text(), timeout=5000)
    with qtbot.waitSignal(dialog.destroyed, timeout=1000):
        dialog.reject()


def test_nothing_is_left_to_save(viewer, dock, stack, finish, qtbot):
    viewer.add_image(stack, name="X")
    finish()
    button = dock.findChild(object, "save")
    viewer.layers["X denoised"].name = "mine"
    with qtbot.waitSignal(dock.failed, timeout=1000):
        button.click()
    viewer.layers.remove("mine")
    assert not button.isEnabled()


def test_removed_images_are_let_go_of(viewer, dock, stack):
    before = len(dock._leash._connections)
    for _ in range(3):
        viewer.add_image(stack)
        viewer.layers.clear()
    assert len(dock._leash._connections) == before


SETTINGS = Config.preset("paper", omega=0.35, device="cpu", attention=False, mask="bernoulli")


def test_python_leads_to_the_same_config(viewer, dock, stack, monkeypatch):
    import napari_blind2grad

    viewer.add_image(stack, name="it's X", axis_labels=("t", "y", "x"))
    dock.set_config(SETTINGS)
    dock.findChild(object, "copy_python").click()
    text = QGuiApplication.clipboard().text()
    calls = []
    monkeypatch.setattr(
        napari_blind2grad,
        "denoise",
        lambda image, axes, config: calls.append((image, axes, config)),
        raising=False,
    )
    exec(text, {"viewer": viewer})
    ((image, axes, config),) = calls
    assert image is stack
    assert (axes, config) == ("TYX", leave_a_core(SETTINGS))


def test_python_reads_the_file_that_the_layer_came_from(dock, tmp_path):
    from napari_blind2grad.gui.snippets import Recipe, python_text

    path = str(tmp_path / "my image.tif")
    text = python_text(Recipe(SETTINGS, name="X", path=path, axes="ZYX"))
    assert f"read_image({path!r}, axes='ZYX').data" in text
    assert "viewer" not in text


def test_command_leads_to_the_same_config(viewer, dock, stack):
    import shlex

    viewer.add_image(stack, name="it's X")
    dock.set_config(SETTINGS)
    dock.findChild(object, "copy_command").click()
    note, command = QGuiApplication.clipboard().text().split("\n")
    assert note.startswith("# Save the layer “it's X”")
    words = shlex.split(command)
    assert words[:3] == ["blind2grad", "denoise", "it's X.tif"]
    options = build_parser().parse_args(words[1:])
    assert config_from(options) == leave_a_core(SETTINGS)
    assert options.axes == "ZYX"
