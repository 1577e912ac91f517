"""What a hand does: real mouse and keyboard events on one widget."""

from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QApplication, QCheckBox, QComboBox, QScrollArea, QWidget

_LEFT, _NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton


def reach(dock: QWidget, widget: QWidget) -> None:
    """Scroll the dock until `widget` can be seen."""
    dock.findChild(QScrollArea).ensureWidgetVisible(widget)


def click(button: QAbstractButton) -> None:
    """Click where it counts: a check box's words end before the widget does."""
    x = 8 if isinstance(button, QCheckBox) else button.width() // 2
    QTest.mouseClick(button, _LEFT, pos=QPoint(x, button.height() // 2))


def type_over(widget: QWidget, text: str) -> None:
    """Type `text` over what a field holds, and press Enter."""
    widget.setFocus()
    QTest.keyClick(widget, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(widget, Qt.Key.Key_Delete)
    QTest.keyClicks(widget, text)
    QTest.keyClick(widget, Qt.Key.Key_Return)


def pick(combo: QComboBox, text: str) -> None:
    """Go through the choices with the arrow key until `text` is there."""
    combo.setFocus()
    QTest.keyClick(combo, Qt.Key.Key_Home)
    for _ in range(combo.count()):
        if combo.currentText() == text:
            return
        QTest.keyClick(combo, Qt.Key.Key_Down)
    assert combo.currentText() == text, [combo.itemText(i) for i in range(combo.count())]


def drag(port: QWidget, start: QPoint, end: QPoint) -> None:
    """Press at `start`, move to `end` in a few steps and let go."""
    _mouse(port, QEvent.Type.MouseMove, start, _NONE, _NONE)
    _mouse(port, QEvent.Type.MouseButtonPress, start, _LEFT, _LEFT)
    for step in range(1, 6):
        _mouse(port, QEvent.Type.MouseMove, start + (end - start) * step / 5, _LEFT, _LEFT)
        QTest.qWait(30)  # pyqtgraph takes faster moves together
    _mouse(port, QEvent.Type.MouseButtonRelease, end, _LEFT, _NONE)


def _mouse(port, kind, place, button, held) -> None:
    where = QPointF(port.mapToGlobal(place))
    modifiers = Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(port, QMouseEvent(kind, QPointF(place), where, button, held, modifiers))
