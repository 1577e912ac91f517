"""Keys work in the window, and are told in the tool tips."""

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_blind2grad.gui.dock import Blind2GradWidget
from napari_blind2grad.gui.shortcuts import KEYS


@pytest.fixture
def shown(make_napari_viewer, engine, qtbot):
    viewer = make_napari_viewer(show=True)
    dock = Blind2GradWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Denoise")
    window = viewer.window._qt_window
    window.activateWindow()
    qtbot.waitUntil(dock.isVisible, timeout=5000)
    return viewer, dock


def press(widget, letter):
    modifiers = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier
    QTest.keyClick(widget, getattr(Qt.Key, f"Key_{letter}"), modifiers)


def test_keys_in_the_real_window(shown, stack, qtbot):
    viewer, dock = shown
    window = viewer.window._qt_window
    viewer.add_image(stack, name="X")
    with qtbot.waitSignal(dock.started, timeout=20_000):
        press(window, "R")
    press(window, "J")
    assert dock._run.worker.paused
    with qtbot.waitSignal(dock.finished, timeout=20_000):
        press(window, "K")
    for letter, name in (("U", "tune"), ("W", "swipe")):
        press(window, letter)
        assert dock.findChild(object, name).isChecked()
        press(window, letter)
        assert not dock.findChild(object, name).isChecked()
    press(window, "C")
    assert dock.findChild(object, "compare").isExpanded()


def test_every_key_has_its_target_and_its_tool_tip(dock):
    assert len({key.keys for key in KEYS}) == len(KEYS)
    for key in KEYS:
        assert "Keys: " in dock.findChild(object, key.target).toolTip()
        assert dock.shortcuts[key.target].key().toString() == key.keys
