"""The convergence plot."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from ..events import Preview, Progress
from .chart import Chart
from .theme import CURVE_COLOURS, Palette

#: What the legend calls the curves.
_NAMES = {
    "loss": "loss",
    "content": "content d_c",
    "deviation": "deviation d_g",
    "held_out": "held out",
    "noise_left": "noise left σ (right)",
}
_FROM_PREVIEWS = ("held_out", "noise_left")
#: Points kept for each curve; beyond that, every other one is dropped.
_POINTS = 2000
#: Shortest time between two redraws, in seconds.
_INTERVAL = 0.25


class _Curve:
    """The points of one curve."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.values: list[float] = []

    def add(self, step: int, value: float) -> None:
        if not math.isfinite(value) or (self.steps and step <= self.steps[-1]):
            return
        self.steps.append(step)
        self.values.append(value)
        if len(self.steps) > _POINTS:
            del self.steps[1::2]
            del self.values[1::2]

    def shown(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the points above 0; a logarithmic axis has no place for others."""
        steps, values = np.array(self.steps, float), np.array(self.values, float)
        return steps[values > 0], np.log10(values[values > 0])


class LossPlot(QWidget):
    """Curves over the training steps, on a logarithmic axis but for the noise left.

    The loss and its two terms, the loss on pixels that are never trained on, and, with an axis of its own on
    the right, the noise left.

    Parameters
    ----------
    parent
        Qt parent.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("loss_plot")
        self.setToolTip(
            "Over the training steps; losses where the brightness range is 1, squared:\n"
            "loss: what the training makes smaller, and its two terms over hidden pixels, d_c (brightness) "
            "and d_g (edges)\n"
            "held out: d_c on pixels of the plane you look at that are never trained on; once it rises, "
            "the network learns the noise by heart: stop earlier\n"
            "noise left, on the right: standard deviation of the noise still in that plane, in the image's "
            "own units; fine texture counts too"
        )
        self._points: Mapping[str, _Curve] = {}
        self._drawn = 0.0
        self._chart = Chart(self, log=True)
        self._chart.setFixedHeight(124)
        self._right = right = self._chart.add_right(CURVE_COLOURS["noise_left"])
        self._scale: Sequence[float] = (1.0,)
        self._curves = {}
        for name in _NAMES:
            self._curves[name] = pg.PlotCurveItem(pen=pg.mkPen(CURVE_COLOURS[name], width=1.5))
            view = right if name == "noise_left" else self._chart.view
            view.addItem(self._curves[name])
        # Above the plot, where it hides no curve.
        legend = QLabel(
            " ".join(
                f'<span style="color: {CURVE_COLOURS[name]}">━</span>&nbsp;{label.replace(" ", "&nbsp;")}'
                for name, label in _NAMES.items()
            ),
            self,
        )
        legend.setStyleSheet("padding: 0")
        legend.setWordWrap(True)
        legend.setAlignment(Qt.AlignmentFlag.AlignRight)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(legend)
        layout.addWidget(self._chart)
        self.clear()

    def set_scale(self, scale: Sequence[float]) -> None:
        """Take the width of each channel's range in image units, from the start of a run."""
        self._scale = scale

    def clear(self) -> None:
        """Begin a new run."""
        self._points = {name: _Curve() for name in _NAMES}
        self.draw()

    def add(self, event: Progress) -> None:
        """Add one point of the losses; redraws at most four times a second."""
        for name in _NAMES:
            if name not in _FROM_PREVIEWS:
                self._points[name].add(event.iteration, getattr(event, name))
        if time.monotonic() - self._drawn >= _INTERVAL:
            self.draw()

    def add_preview(self, event: Preview) -> None:
        """Add one point of what a preview tells; drawn with the next losses."""
        if event.final:
            return
        self._points["held_out"].add(event.iteration, event.held_out)
        if event.noise_left >= 0:  # nan without maps
            sigma = math.sqrt(event.noise_left) * self._scale[event.index.get("C", 0)]
            self._points["noise_left"].add(event.iteration, sigma)

    def draw(self) -> None:
        """Draw all points."""
        self._drawn = time.monotonic()
        for name, curve in self._curves.items():
            if name != "noise_left":
                curve.setData(*self._points[name].shown())
        left = self._points["noise_left"]
        self._curves["noise_left"].setData(np.array(left.steps, float), np.array(left.values))
        # From 0, so that its height tells how much is left; enough room for what is to come.
        self._right.setYRange(0, max(left.values, default=0.0) * 1.05 or 1.0, padding=0)

    def set_palette(self, palette: Palette) -> None:
        """Take on the colours of napari's theme."""
        self._chart.set_palette(palette)
