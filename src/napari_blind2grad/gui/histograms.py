"""Histograms of what the thresholds compare, with the thresholds as lines to drag."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from .theme import MASK_COLOURS, Palette

_BINS = 120
#: Pixels that a histogram takes into account, at most.
_SAMPLE = 500_000
#: The paper's thresholds are given on this scale.
_SCALE = 255.0


class ThresholdPlot(QWidget):
    """One histogram with one threshold.

    Parameters
    ----------
    name
        The parameter's name in :class:`~napari_blind2grad.config.Config`.
    symbol, what
        The paper's symbol, and what is compared with it.
    verdict
        What a pixel at or above it is.
    parent
        Qt parent.
    """

    moved = Signal(str, float)  # name, value on the 0-255 scale; by the user

    def __init__(
        self, name: str, symbol: str, what: str, verdict: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName(f"{name}_histogram")
        self.setToolTip(
            f"How often each value of {what} occurs in the plane on view, in the image's own units; the "
            f"height is logarithmic. Drag the line to move {symbol}."
        )
        self._name, self._symbol, self._what, self._verdict = name, symbol, what, verdict
        self._scale = 0.0
        self._values = np.zeros(0, np.float32)  # sorted
        self._canvas = pg.GraphicsLayoutWidget(self)
        self._canvas.setFixedHeight(90)
        self._canvas.setFocusPolicy(Qt.FocusPolicy.ClickFocus)  # keys are for the field of the form
        self._canvas.ci.setContentsMargins(4, 2, 8, 0)
        self._canvas.ci.setSpacing(0)
        self._view = pg.ViewBox(enableMenu=False, enableMouse=False, defaultPadding=0)
        self._axis = pg.AxisItem("bottom", linkView=self._view)
        self._axis.enableAutoSIPrefix(False)
        self._canvas.addItem(self._view, 0, 0)
        self._canvas.addItem(self._axis, 1, 0)
        self._curve = pg.PlotCurveItem([0, 1], [0], stepMode="center", fillLevel=0, pen=None)
        self._view.addItem(self._curve)
        self.line = pg.InfiniteLine(0, movable=True, pen=pg.mkPen(MASK_COLOURS[3], width=2))
        self.line.setHoverPen(pg.mkPen(MASK_COLOURS[3], width=4))
        self.line.setCursor(Qt.CursorShape.SplitHCursor)
        self.line.setZValue(10)
        self.line.sigPositionChanged.connect(self._on_moved)
        self.line.hide()
        self._view.addItem(self.line)
        self._title = QLabel(self)
        self._title.setWordWrap(True)
        self._title.setObjectName(f"{name}_share")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._title)
        layout.addWidget(self._canvas)
        self.clear()

    def clear(self) -> None:
        """Show nothing."""
        self._scale = 0.0
        self._curve.setData([0, 1], [0])
        self.line.hide()
        self._title.setText(f"{self._what} and {self._symbol}")

    def show_values(self, values: np.ndarray, scale: float) -> None:
        """Show the histogram of `values`.

        Parameters
        ----------
        values
            What is compared with the threshold, in image units.
        scale
            Image units per 255 of the threshold.
        """
        self._scale = scale
        flat = values.ravel()
        self._values = np.sort(flat[:: max(1, flat.size // _SAMPLE)])
        self._draw()

    def set_threshold(self, value: float) -> None:
        """Move the line to `value` on the 0-255 scale, without telling of it."""
        if self._scale == 0:
            return
        position = value / _SCALE * self._scale
        with QSignalBlocker(self.line):
            self.line.setPos(position)
            self.line.show()
        # Room beyond the line, so that it can be dragged further.
        if position > 0.9 * self._top() or position < 0.2 * self._top():
            self._draw()
        share = 1 - np.searchsorted(self._values, position) / max(1, self._values.size)
        self._title.setText(
            f"{self._what}: {100 * share:.1f} % of the plane is {self._verdict} "
            f"({self._symbol}\u00a0=\u00a0{position:.4g})"
        )

    def set_palette(self, palette: Palette) -> None:
        """Take on the colours of napari's theme."""
        self._canvas.setBackground(palette.background)
        self._curve.setBrush(QColor(palette.accent))
        self._axis.setTextPen(QColor(palette.text))
        self._axis.setPen(QColor(palette.raised))

    def _top(self) -> float:
        return float(self._view.viewRange()[0][1])

    def _draw(self) -> None:
        usual = (
            float(self._values[int(0.999 * (self._values.size - 1))]) if self._values.size else 0
        )
        top = max(usual, 1.3 * float(self.line.value()), self._scale / _SCALE)
        counts, edges = np.histogram(self._values, bins=_BINS, range=(0, top))
        heights = np.log10(1.0 + counts)
        self._curve.setData(edges, heights)
        self._view.setRange(xRange=(0, top), yRange=(0, 1.05 * max(1.0, heights.max())), padding=0)
        self.line.setBounds((0, self._scale))

    def _on_moved(self) -> None:
        if self._scale > 0:
            value = float(self.line.value()) / self._scale * _SCALE
            self.moved.emit(self._name, round(min(max(value, 0.0), _SCALE), 2))
