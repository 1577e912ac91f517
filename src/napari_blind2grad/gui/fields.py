"""One input widget for each parameter of :class:`~napari_blind2grad.config.Config`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, QLocale, QObject, Qt, QTimer
from qtpy.QtGui import QFocusEvent
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QLineEdit,
    QSpinBox,
    QWidget,
)

from ..config import Parameter


class FloatBox(QDoubleSpinBox):
    """A spin box that shows numbers without trailing zeros and steps small ones by their own size."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setLocale(QLocale.c())  # a point, as in Python and on the command line
        self.setDecimals(8)
        self._focused = QTimer(self, interval=0, singleShot=True)
        self._focused.timeout.connect(self._select_words)
        self.lineEdit().cursorPositionChanged.connect(lambda *_: self._select_words())

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 (Qt's name)
        """Select words that stand for a number, once the click that gave the focus has done its own."""
        super().focusInEvent(event)
        self._focused.start()

    def _select_words(self) -> None:
        """Let what is typed replace words that stand for a number: Qt would refuse each key."""
        edit, words = self.lineEdit(), self.specialValueText()
        if words and edit.text() == words != edit.selectedText() and edit.hasFocus():
            edit.selectAll()

    def textFromValue(self, value: float) -> str:  # noqa: N802 (Qt's name)
        """Return the text for `value`."""
        return f"{value:.8g}"


class RowLabel(QLabel):
    """The label of a row; all have one width, so that the fields of all sections line up.

    Parameters
    ----------
    text
        The words; long ones wrap.
    parent
        Qt parent.
    """

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setWordWrap(True)
        self.setFixedWidth(self.fontMetrics().horizontalAdvance("Detail threshold ε_g") + 20)


class _WheelGuard(QObject):
    """Let the wheel scroll the dock rather than change a value that the mouse happens to be over."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if event.type() == QEvent.Type.Wheel and not watched.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)


def shrinkable(combo: QComboBox) -> None:
    """Let `combo` become narrower than its longest choice, so that it fits into a narrow dock."""
    combo.setMinimumContentsLength(6)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)


def guard_wheel(widget: QWidget) -> None:
    """Make `widget` deaf to the mouse wheel until it is clicked."""
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    widget.installEventFilter(_WheelGuard(widget))


class Field:
    """The widget of one parameter, and how to read and set it.

    Parameters
    ----------
    parameter
        The declaration.
    on_change
        Called without arguments when the user changes the value.
    parent
        Qt parent.

    Attributes
    ----------
    widget
        Named like the parameter.
    """

    def __init__(
        self, parameter: Parameter, on_change: Callable[[], None], parent: QWidget
    ) -> None:
        self.parameter = parameter
        make = {int: self._int, float: self._float, bool: self._bool, str: self._str}
        self.widget: QWidget = make[parameter.kind](on_change, parent)
        self.widget.setObjectName(parameter.name)
        self.widget.setToolTip(self.tooltip())
        self.widget.setAccessibleName(parameter.label)

    def tooltip(self) -> str:
        """Return help, symbol, bounds and unit in words."""
        p = self.parameter
        lines = [p.help]
        if p.symbol:
            lines.append(f"In the paper: {p.symbol}.")
        if p.kind in (int, float):
            unit = f" {p.unit}" if p.unit else ""
            lines.append(f"From {p.low:g} to {p.high:g}{unit}.")
        if p.live:
            lines.append("May be changed while a run goes on.")
        return "\n".join(lines)

    def value(self) -> Any:
        """Return the value that the widget shows."""
        return self._read()

    def set_value(self, value: Any) -> None:
        """Show `value` without telling of a change."""
        blocked = self.widget.blockSignals(True)
        self._write(value)
        self.widget.blockSignals(blocked)

    def set_locked(self, locked: bool) -> None:
        """Lock the widget while a run goes on, and say why."""
        self.widget.setEnabled(not locked)
        note = "\nFixed while a run goes on." if locked else ""
        self.widget.setToolTip(self.tooltip() + note)

    def _int(self, on_change: Callable[[], None], parent: QWidget) -> QWidget:
        box = QSpinBox(parent)
        self._number(box, on_change)
        box.setRange(int(self.parameter.low), int(self.parameter.high))
        box.setSingleStep(int(self.parameter.step))
        return box

    def _float(self, on_change: Callable[[], None], parent: QWidget) -> QWidget:
        box = FloatBox(parent)
        self._number(box, on_change)
        box.setRange(self.parameter.low, self.parameter.high)
        box.setSingleStep(self.parameter.step)
        if self.parameter.step < 0.01:  # a rate: as good at 1e-5 as at 1e-2
            box.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
        return box

    def _number(self, box: QSpinBox | QDoubleSpinBox, on_change: Callable[[], None]) -> None:
        if self.parameter.unit and not self.parameter.unit.startswith("/"):
            box.setSuffix(f" {self.parameter.unit}")
        # Else the widest number in its range would set the width of the dock.
        box.setMinimumWidth(box.fontMetrics().horizontalAdvance("0.0025") + 40)
        box.setSpecialValueText(self.parameter.lowest)
        # A half-typed number must not reach the engine.
        box.setKeyboardTracking(False)
        box.valueChanged.connect(lambda _: on_change())
        guard_wheel(box)
        self._read, self._write = box.value, box.setValue

    def _bool(self, on_change: Callable[[], None], parent: QWidget) -> QWidget:
        box = QCheckBox(parent)
        box.toggled.connect(lambda _: on_change())
        self._read, self._write = box.isChecked, box.setChecked
        return box

    def _str(self, on_change: Callable[[], None], parent: QWidget) -> QWidget:
        if not self.parameter.choices:
            edit = QLineEdit(parent)
            edit.editingFinished.connect(on_change)
            self._read, self._write = edit.text, edit.setText
            return edit
        box = QComboBox(parent)
        box.addItems(self.parameter.choices)
        shrinkable(box)
        box.currentTextChanged.connect(lambda _: on_change())
        guard_wheel(box)
        self._read, self._write = box.currentText, box.setCurrentText
        return box
