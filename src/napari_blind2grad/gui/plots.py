"""The loss plot."""

from __future__ import annotations

import math
import time

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from ..events import Progress
from .theme import CURVE_COLOURS, Palette

#: What the legend calls the curves.
_NAMES = {"loss": "loss", "content": "content d_c", "deviation": "deviation d_g"}
#: Points kept for each curve; beyond that, every other one is dropped.
_POINTS = 2000
#: Shortest time between two redraws, in seconds.
_INTERVAL = 0.25


class _LogAxis(pg.AxisItem):
    """Labels of log10 values; pyqtgraph's own are empty between two powers of ten."""

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:  # noqa: ARG002, N802
        """Return one label for each value."""
        return [f"{10**value:.2g}" for value in values]


class LossPlot(QWidget):
    """Curves of loss, content and deviation over the training steps, on a logarithmic axis.

    Parameters
    ----------
    parent
        Qt parent.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("loss_plot")
        self.setFixedHeight(140)
        self.setToolTip("Mean loss since the last point, and its two parts over the hidden pixels")
        self._steps: list[int] = []
        self._values: dict[str, list[float]] = {name: [] for name in _NAMES}
        self._drawn = 0.0
        # Not a PlotWidget: its PlotItem makes menus without a parent, which outlive the dock.
        self._canvas = pg.GraphicsLayoutWidget(self)
        self._canvas.ci.setContentsMargins(0, 4, 4, 0)
        self._canvas.ci.setSpacing(0)
        view = pg.ViewBox(enableMenu=False, enableMouse=False, defaultPadding=0.03)
        left = _LogAxis("left", linkView=view)
        left.enableAutoSIPrefix(False)
        left.setWidth(38)
        bottom = pg.AxisItem("bottom", linkView=view)
        bottom.enableAutoSIPrefix(False)
        self._axes = (left, bottom)
        self._canvas.addItem(left, 0, 0)
        self._canvas.addItem(view, 0, 1)
        self._canvas.addItem(bottom, 1, 1)
        self._curves = {}
        for name in _NAMES:
            self._curves[name] = pg.PlotCurveItem(pen=pg.mkPen(CURVE_COLOURS[name], width=1.5))
            view.addItem(self._curves[name])
        # Above the plot, where it hides no curve.
        legend = QLabel(
            " &nbsp; ".join(
                f'<span style="color: {CURVE_COLOURS[name]}">━</span> {label}'
                for name, label in _NAMES.items()
            ),
            self,
        )
        legend.setStyleSheet("padding: 0")
        legend.setAlignment(Qt.AlignmentFlag.AlignRight)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(legend)
        layout.addWidget(self._canvas)

    def clear(self) -> None:
        """Begin a new run."""
        self._steps.clear()
        for values in self._values.values():
            values.clear()
        self.draw()

    def add(self, event: Progress) -> None:
        """Add one point; redraws at most four times a second."""
        if not math.isfinite(event.loss) or (self._steps and event.iteration <= self._steps[-1]):
            return
        self._steps.append(event.iteration)
        for name, values in self._values.items():
            values.append(getattr(event, name))
        if len(self._steps) > _POINTS:
            del self._steps[1::2]
            for values in self._values.values():
                del values[1::2]
        if time.monotonic() - self._drawn >= _INTERVAL:
            self.draw()

    def draw(self) -> None:
        """Draw all points."""
        self._drawn = time.monotonic()
        steps = np.array(self._steps, float)
        for name, curve in self._curves.items():
            values = np.array(self._values[name], float)
            # A logarithmic axis has no place for 0, the deviation's value before it is switched on.
            shown = np.isfinite(values) & (values > 0)
            curve.setData(steps[shown], np.log10(values[shown]))

    def set_palette(self, palette: Palette) -> None:
        """Take on the colours of napari's theme."""
        text = QColor(palette.text)
        self._canvas.setBackground(palette.background)
        for axis in self._axes:
            axis.setTextPen(text)
            axis.setPen(QColor(palette.raised))
