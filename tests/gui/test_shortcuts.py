"""Keys work in the window, and are told in the tool tips."""

from itertools import pairwise

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractSpinBox, QWidget

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
    assert dock.conductor.run.worker.paused
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


def test_tab_goes_from_top_to_bottom(shown, stack, qtbot):
    viewer, dock = shown
    viewer.add_image(stack, name="X")
    with qtbot.waitSignal(dock.thresholds.drawn, timeout=20_000):
        dock.thresholds.expand()
    dock.compare.expand()
    first = dock.findChild(QWidget, "input_layer")
    heights, widget = [], first
    while widget is not None:
        if (
            widget.focusPolicy() & Qt.FocusPolicy.TabFocus
            and widget.isVisible()
            and dock.content.isAncestorOf(widget)
            and not isinstance(widget.parentWidget(), QAbstractSpinBox)
        ):
            heights.append((widget.mapTo(dock.content, QPoint()).y(), widget.objectName()))
        widget = widget.nextInFocusChain()
        widget = None if widget is first else widget
    names = [name for _, name in heights]
    assert names.index("omega") < names.index("swipe") < names.index("run") < names.index("tune")
    assert names.index("tune") < names.index("compare_first") < names.index("copy_command")
    # Widgets of one row may stand a few pixels apart.
    assert all(after[0] > before[0] - 12 for before, after in pairwise(heights)), heights
