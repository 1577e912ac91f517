"""A small plot without buttons or menus, in the colours of napari's theme."""

from __future__ import annotations

import pyqtgraph as pg
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QWidget

from .theme import Palette


class LogAxis(pg.AxisItem):
    """Labels of log10 values; pyqtgraph's own are empty between two powers of ten."""

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:  # noqa: ARG002, N802
        """Return one label for each value."""
        return [f"{10**value:.2g}" for value in values]


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
        left = (
            LogAxis("left", linkView=self.view) if log else pg.AxisItem("left", linkView=self.view)
        )
        left.setWidth(38)
        bottom = pg.AxisItem("bottom", linkView=self.view)
        self._axes = (left, bottom)
        for axis in self._axes:
            axis.enableAutoSIPrefix(False)
        self.addItem(left, 0, 0)
        self.addItem(self.view, 0, 1)
        self.addItem(bottom, 1, 1)

    def set_palette(self, palette: Palette) -> None:
        """Take on the colours of napari's theme."""
        self.setBackground(palette.background)
        for axis in self._axes:
            axis.setTextPen(QColor(palette.text))
            axis.setPen(QColor(palette.raised))
