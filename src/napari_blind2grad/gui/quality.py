"""The quality section: what the noise is like, and whether the result can be trusted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QTabWidget, QVBoxLayout, QWidget

from .chart import Chart
from .section import Section
from .theme import CURVE_COLOURS, Palette

if TYPE_CHECKING:
    from ..quality import Quality, Verdict

_SIGNS = {"good": "✓", "advice": "➜", "warning": "⚠"}
_BLUE, _ORANGE = CURVE_COLOURS["loss"], CURVE_COLOURS["content"]
_HEIGHT = 120


class QualityBox(Section):
    """Verdicts in words, figures, and three small plots.

    Parameters
    ----------
    parent
        Qt parent.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Quality", parent)
        self.setObjectName("quality")
        self.setToolTip(
            "What the noise is like and how far the result can be trusted, measured on the images "
            "themselves: no clean image is needed."
        )
        self._palette: Palette | None = None
        self._shown: Quality | None = None
        self._list = QWidget(self)
        self._rows = QVBoxLayout(self._list)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(3)
        self._labels: list[QLabel] = []
        self._verdicts: list[Verdict | None] = []
        self._why, self._due = "", False
        self.addWidget(self._list)
        self.figures = _text("quality_figures", self)
        self.addWidget(self.figures)
        self.noise = _NoisePlot(self)
        self.correlation = _CorrelationPlot(self)
        self.rings = _RingPlot(self)
        self.tabs = QTabWidget(self)
        self.tabs.setObjectName("quality_plots")
        self.tabs.setDocumentMode(True)
        for plot, name, tip in (
            (
                self.noise,
                "Noise",
                "Noise variance against brightness; a rising line means photon noise.",
            ),
            (
                self.correlation,
                "Neighbours",
                "How alike the residual (before a run: the noise) is in pixels some distance apart. It "
                "should stay within the dashed lines.",
            ),
            (
                self.rings,
                "Resolution",
                "Fourier ring correlation of the noisy image: where the curve falls below 1/7, finer detail "
                "is lost in the noise.",
            ),
        ):
            self.tabs.addTab(plot, name)
            self.tabs.setTabToolTip(self.tabs.count() - 1, tip)
        self.addWidget(self.tabs)
        self.figures.hide()
        self.tabs.hide()
        self.toggled.connect(lambda _: self._fill_if_open())
        self.clear()

    def clear(self, why: str = "Choose an image: its noise is looked at.") -> None:
        """Show nothing but a line of text."""
        self._shown, self._why = None, why
        self._refresh("Quality")

    def show_quality(self, quality: Quality) -> None:
        """Show figures, verdicts and plots."""
        self._shown = quality
        remarks = len(quality.complaints)
        what = "result" if quality.leftover is not None else "input"
        said = "no complaint" if not remarks else f"{remarks} remark{'s' * (remarks > 1)}"
        self._refresh(f"Quality of the {what}: {said}")

    def _refresh(self, title: str) -> None:
        if self.text() != title:
            self.setText(title)
        self._due = True
        self._fill_if_open()

    def _fill_if_open(self) -> None:
        # Laying all of it out holds up the window for a tenth of a second: only for those who look.
        if not self._due or not self.isExpanded():
            return
        self._due = False
        quality = self._shown
        self.figures.setVisible(quality is not None)
        self.tabs.setVisible(quality is not None)
        if quality is None:
            self._fill([(None, self._why)])
            return
        self._fill([(v, v.text) for v in quality.verdicts])
        self.figures.setText(figures(quality))
        self.noise.show_quality(quality)
        self.correlation.show_quality(quality)
        self.rings.show_quality(quality)

    @property
    def quality(self) -> Quality | None:
        """What is shown."""
        return self._shown

    def set_palette(self, palette: Palette) -> None:
        """Take on the colours of napari's theme."""
        self._palette = palette
        for plot in (self.noise, self.correlation, self.rings):
            plot.set_palette(palette)
        self._colour()

    def _fill(self, lines: list[tuple[Verdict | None, str]]) -> None:
        while len(self._labels) < len(lines):
            label = _text("", self._list)
            self._rows.addWidget(label)
            self._labels.append(label)
        self._verdicts = [verdict for verdict, _ in lines]
        for label, (verdict, text) in zip(self._labels, lines, strict=False):
            label.setObjectName(f"verdict_{verdict.name}" if verdict else "quality_message")
            label.setText(text if verdict is None else f"{_SIGNS[verdict.kind]} {text}")
        for i, label in enumerate(self._labels):
            if i >= len(lines):
                label.setObjectName("")
            label.setVisible(i < len(lines))
        self._colour()

    def _colour(self) -> None:
        if self._palette is None:
            return
        colours = {
            "good": "#009e73",
            "advice": self._palette.warning,
            "warning": self._palette.error,
        }
        back = self._palette.raised
        for label, verdict in zip(self._labels, self._verdicts, strict=False):
            edge = "transparent" if verdict is None else colours[verdict.kind]
            style = f"QLabel {{ border-left: 3px solid {edge}; background: {back}; padding: 3px; }}"
            if label.styleSheet() != style:  # costs some milliseconds
                label.setStyleSheet(style)


def figures(quality: Quality) -> str:
    """Return the figures of `quality` in a line of text."""
    parts = []
    left = quality.leftover
    if left is not None:
        if quality.correlation.grainy:  # else noise and structure cannot be told apart
            parts += [
                f"noise left {left.noise_left:.0%}",
                f"structure in the residual {left.structure_in_residual:.1%}",
            ]
        parts += [
            f"whiteness of the residual {quality.whiteness:.2f}",
            f"sharpest edges {left.sharpness:.0%} of the range per px",
        ]
    if math.isfinite(quality.resolution):
        parts.append(
            f"detail down to {quality.resolution:.3g} {quality.unit} stands out of the noise"
        )
    return "; ".join(parts).capitalize() + "." if parts else ""


def _text(name: str, parent: QWidget) -> QLabel:
    label = QLabel(parent)
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


class _Plot(QWidget):
    """A caption above a chart."""

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.caption = QLabel(self)
        self.caption.setWordWrap(True)
        self.caption.setStyleSheet("padding: 0")
        self.chart = Chart(self)
        self.chart.setFixedHeight(_HEIGHT)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.caption)
        layout.addWidget(self.chart)
        layout.addStretch(1)

    def set_palette(self, palette: Palette) -> None:
        self.chart.set_palette(palette)

    def _add(self, item: pg.GraphicsObject) -> pg.GraphicsObject:
        self.chart.view.addItem(item)
        return item


class _NoisePlot(_Plot):
    """Noise variance at a few brightnesses, and the line through it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__("noise_plot", parent)
        self.points = self._add(pg.ScatterPlotItem(size=5, pen=None, brush=_BLUE))
        self.line = self._add(pg.PlotCurveItem(pen=pg.mkPen(_ORANGE, width=1.5)))

    def show_quality(self, quality: Quality) -> None:
        noise = quality.noise
        self.points.setData(noise.levels, noise.variances)
        ends = (
            np.array([noise.levels.min(), noise.levels.max()]) if noise.levels.size else np.zeros(0)
        )
        self.line.setData(ends, noise.gain * ends + noise.constant)
        fit = (
            f"{noise.gain:.3g} · brightness {noise.constant:+.3g}"
            if noise.gain
            else f"{noise.constant:.3g}"
        )
        self.caption.setText(
            f"<span style='color: {_BLUE}'>●</span> noise variance against brightness (image units), "
            f"<span style='color: {_ORANGE}'>━</span> {fit}"
        )


class _CorrelationPlot(_Plot):
    """Bars for the distances along Y and X."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__("correlation_plot", parent)
        self.bars = {
            letter: self._add(pg.BarGraphItem(x=[], height=[], width=0.35, brush=colour, pen=None))
            for letter, colour in (("Y", _BLUE), ("X", _ORANGE))
        }
        pen = pg.mkPen("#888888", style=Qt.PenStyle.DashLine)
        self.limits = [self._add(pg.InfiniteLine(0, angle=0, pen=pen)) for _ in range(2)]

    def show_quality(self, quality: Quality) -> None:
        from ..quality.verdicts import CORRELATED

        for line, value in zip(self.limits, (-CORRELATED, CORRELATED), strict=True):
            line.setValue(value)
        shown = quality.residual or quality.correlation
        top = 2 * CORRELATED
        for (letter, bars), side in zip(self.bars.items(), (-0.2, 0.2), strict=True):
            values = shown.along.get(letter, np.zeros(0))
            bars.setOpts(x=np.arange(1, len(values) + 1) + side, height=values, width=0.35)
            top = max(top, float(np.abs(values).max(initial=0)))
        self.chart.view.setYRange(-top if top < 0.5 else -CORRELATED, top)
        whose = "residual" if quality.residual is not None else "noise"
        self.caption.setText(
            f"Correlation of the {whose} with the pixel n px away along "
            f"<span style='color: {_BLUE}'>▮</span> Y, <span style='color: {_ORANGE}'>▮</span> X"
        )


class _RingPlot(_Plot):
    """Fourier ring correlation."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__("ring_plot", parent)
        self.curve = self._add(pg.PlotCurveItem(pen=pg.mkPen(_BLUE, width=1.5)))
        pen = pg.mkPen("#888888", style=Qt.PenStyle.DashLine)
        self.limit = self._add(pg.InfiniteLine(0, angle=0, pen=pen))
        self.mark = self._add(pg.InfiniteLine(0, angle=90, pen=pg.mkPen(_ORANGE)))

    def show_quality(self, quality: Quality) -> None:
        rings = quality.rings
        self.chart.setVisible(rings is not None)
        if rings is None:
            self.curve.setData([], [])
            self.mark.hide()
            self.caption.setText(
                "Not measured: the noise is too weak or correlated, or the image is too small."
            )
            return
        from ..quality.rings import THRESHOLD

        self.limit.setValue(THRESHOLD)
        self.curve.setData(rings.frequency, rings.correlation)
        self.chart.view.setYRange(min(0.0, float(rings.correlation.min())), 1)
        if not math.isfinite(rings.resolution):
            self.mark.hide()
            self.caption.setText("Fourier ring correlation: nothing stands out of the noise.")
            return
        self.mark.setValue(1 / rings.resolution)
        self.mark.show()
        own = "" if quality.unit == "px" else f" = {quality.resolution:.3g} {quality.unit}"
        self.caption.setText(
            "Fourier ring correlation against cycles per px; "
            f"<span style='color: {_ORANGE}'>┃</span> below 1/7 at {rings.resolution:.3g} px{own}"
        )
