"""The input combo, and what it refuses in words."""

import numpy as np
import pytest

from napari_blind2grad.errors import InputError
from napari_blind2grad.gui.adapter import suggested_axes


def names(dock):
    return [dock.input.combo.itemText(i) for i in range(dock.input.combo.count())]


def test_combo_follows_the_layer_list(viewer, dock, stack):
    assert names(dock) == []
    first = viewer.add_image(stack, name="a")
    viewer.add_image(stack, name="b")
    viewer.add_labels(np.zeros((4, 4), int), name="l")
    assert names(dock) == ["a", "b"]
    assert dock.input.layer() is first
    first.name = "c"
    assert names(dock) == ["c", "b"]
    viewer.layers.remove(first)
    assert names(dock) == ["b"]
    viewer.layers.clear()
    assert dock.input.layer() is None


def test_layers_of_runs_are_not_on_offer(viewer, dock, stack, finish):
    viewer.add_image(stack, name="X")
    finish()
    assert names(dock) == ["X"]


def run_and_fail(dock, qtbot):
    with qtbot.waitSignal(dock.failed, timeout=5000) as failed:
        dock.findChild(object, "run").click()
    assert dock.findChild(object, "status").text() == failed.args[0]
    assert not dock.running
    return failed.args[0]


def test_no_layer_is_told(viewer, dock, qtbot):
    assert "no image" in dock.panel.status.text()
    assert "no image" in run_and_fail(dock, qtbot)


@pytest.mark.parametrize("kind", ["labels", "points", "shapes"])
def test_other_layers_are_refused_by_name(viewer, dock, qtbot, kind):
    data = {"labels": np.ones((8, 8), int), "points": np.ones((2, 2)), "shapes": [np.eye(2) * 5]}
    getattr(viewer, f"add_{kind}")(data[kind], name="mine")
    text = run_and_fail(dock, qtbot)
    assert "“mine”" in text
    assert kind.capitalize() in text


def test_errors_of_the_engine_make_no_layers(viewer, dock, engine, qtbot, stack):
    engine.refusal = InputError("All pixels are equal.")
    viewer.add_image(stack, name="X")
    assert run_and_fail(dock, qtbot) == "All pixels are equal."
    assert len(viewer.layers) == 1


@pytest.mark.parametrize(
    ("axes", "words"), [("ZY", "3"), ("QYX", "Unknown axis"), ("ZZYX", "4"), ("ZCT", "lack")]
)
def test_wrong_axes_are_told(viewer, dock, stack, qtbot, axes, words):
    viewer.add_image(stack, name="X")
    dock.input.axes.setText(axes)
    dock.input.axes.editingFinished.emit()
    assert words in dock.panel.status.text()
    assert words in run_and_fail(dock, qtbot)


def test_axes_can_be_overridden_and_guessed_again(viewer, dock, engine, stack, finish):
    first = viewer.add_image(stack, name="X")
    second = viewer.add_image(stack[0], name="Y")
    assert dock.input.axes.text() == "ZYX"
    dock.input.axes.setText("tyx")
    dock.input.axes.editingFinished.emit()
    dock.input.choose(second)
    assert dock.input.axes.text() == "YX"
    dock.input.choose(first)
    assert dock.input.axes.text() == "TYX"
    finish()
    assert engine.axes == ["TYX"]
    dock.input.axes.setText("")
    dock.input.axes.editingFinished.emit()
    assert dock.input.axes.text() == "ZYX"


@pytest.mark.parametrize(
    ("shape", "rgb", "labels", "expected"),
    [
        ((8, 9), False, None, "YX"),
        ((3, 8, 9), False, None, "ZYX"),
        ((2, 3, 8, 9), False, None, "TZYX"),
        ((2, 3, 4, 8, 9), False, None, "TCZYX"),
        ((8, 9, 3), True, None, "YXS"),
        ((5, 8, 9), False, ("t", "y", "x"), "TYX"),
        ((5, 2, 8, 9), False, ("z", "c", "y", "x"), "ZCYX"),
        ((5, 8, 9, 3), True, ("Time", "Row", "Column"), "TYXS"),
        ((5, 8, 9), False, ("a", "b", "c"), "ZYX"),
    ],
)
def test_guessed_axes(shape, rgb, labels, expected):
    from napari.layers import Image

    options = {} if labels is None else {"axis_labels": labels}
    layer = Image(np.zeros(shape), rgb=rgb, **options)
    assert suggested_axes(layer) == expected


def test_an_array_in_memory_that_leaves_no_room_is_refused(viewer, dock, qtbot, monkeypatch):
    import psutil

    big = np.broadcast_to(np.zeros((1, 64, 64), np.uint16), (2**14, 64, 64))
    viewer.add_image(big, name="big", contrast_limits=(0, 1))
    free = psutil.virtual_memory()._replace(available=2**30)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    words = run_and_fail(dock, qtbot)
    assert "takes about 2 GiB of memory, and 1 GiB are free" in words
    assert "tile by tile" in words
