"""A small plot without buttons or menus, in the colours of napari's theme."""

from __future__ import annotations

import pyqtgraph as pg
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QWidget

from .theme import Palette


class _Axis(pg.AxisItem):
    """Labels short enough for a narrow dock; pyqtgraph drops those that do not fit.

    Those of log10 values are needed between two powers of ten too, where pyqtgraph's own are empty.
    """

    def __init__(self, side: str, view: pg.ViewBox, *, log: bool = False) -> None:
        super().__init__(side, linkView=view)
        self._log = log
        self.enableAutoSIPrefix(False)

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:  # noqa: ARG002, N802
        """Return one label for each value."""
        if self._log:
            return [short(10**value, 2) for value in values]
        # Rounding leaves 0 a hair off.
        return [short(value if abs(value) > spacing / 1000 else 0.0) for value in values]


def short(value: float, digits: int = 3) -> str:
    """Return `value` in few letters, such as ``0.25``, ``120`` or ``2.5e6``."""
    if value == 0 or 0.01 <= abs(value) < 9999.5:
        return f"{value:.{digits}g}" if abs(value) < 100 else f"{value:.0f}"
    mantissa, power = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(power)}"


# Not a PlotWidget: its PlotItem makes menus without a parent, which outlive the dock.
class Chart(pg.GraphicsLayoutWidget):
    """One view with an axis on the left and one below.

    Parameters
    ----------
    parent
        Qt parent.
    log
        Whether the values shown are log10 of what the left axis is to say.

    Attributes
    ----------
    view
        Takes pyqtgraph's items.
    """

    def __init__(self, parent: QWidget | None = None, *, log: bool = False) -> None:
        super().__init__(parent)
        self.ci.setContentsMargins(0, 4, 4, 0)
        self.ci.setSpacing(0)
        self.view = pg.ViewBox(enableMenu=False, enableMouse=False, defaultPadding=0.03)
        left = _Axis("left", self.view, log=log)
        left.setWidth(44)
        bottom = _Axis("bottom", self.view)
        self._axes = (left, bottom)
        self._right: pg.AxisItem | None = None
        self.addItem(left, 0, 0)
        self.addItem(self.view, 0, 1)
        self.addItem(bottom, 1, 1)

    def add_right(self, colour: str) -> pg.ViewBox:
        """Return a view over the other one with the same steps and an axis of its own on the right."""
        view = pg.ViewBox(enableMenu=False, enableMouse=False, defaultPadding=0.03)
        axis = _Axis("right", view)
        axis.setWidth(40)
        axis.setTextPen(QColor(colour))
        self._right = axis
        self.addItem(axis, 0, 2)
        self.scene().addItem(view)
        view.setXLink(self.view)

        def follow() -> None:
            view.setGeometry(self.view.sceneBoundingRect())

        self.view.sigResized.connect(follow)
        return view

    def set_palette(self, palette: Palette) -> None:
        """Take on the colours of napari's theme."""
        self.setBackground(palette.background)
        for axis in self._axes:
            axis.setTextPen(QColor(palette.text))
            axis.setPen(QColor(palette.raised))
        if self._right is not None:  # its labels have the colour of its curve
            self._right.setPen(QColor(palette.raised))
