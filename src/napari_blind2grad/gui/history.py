"""The slider that brings back past cycles."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import Qt, Slot
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSlider, QWidget
from superqt.utils import create_worker

from ..axes import Axes
from .arrays import LiveArrays
from .fields import guard_wheel
from .live import LiveLayers
from .past import BUDGET, Moment, Past, unpacked

_TIP = (
    "Brings back the denoised image, the dual mask and the gradients as they were at the end of each "
    "cycle; the last position is now. The run goes on meanwhile, and its result stays as it is."
)
_WHOLE = "Masks and gradients are kept for the planes that you looked at."
_PLANES = (
    f"The whole stack would take more than {BUDGET // 2**20} MB, so each cycle keeps only the plane that you "
    "looked at when it ended."
)


class HistoryBar(QWidget):
    """A slider over the cycles of the last run.

    Parameters
    ----------
    parent
        Qt parent.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._past = Past()
        self._arrays: LiveArrays | None = None
        self._axes = Axes("YX", (1, 1))
        self._live: LiveLayers | None = None
        self._moments: tuple[Moment, ...] = ()
        self._asked = 0
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setObjectName("history")
        self.slider.setAccessibleName("History")
        self.slider.setPageStep(1)
        self.slider.setTickPosition(QSlider.TickPosition.TicksBelow)
        guard_wheel(self.slider)
        self.label = QLabel(self)
        self.label.setObjectName("history_label")
        self.label.setMinimumWidth(
            self.label.fontMetrics().horizontalAdvance("network 2, cycle 12")
        )
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("History", self))
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.label)
        self.slider.valueChanged.connect(self._on_moved)
        self._show_range()

    def begin(self, past: Past, arrays: LiveArrays, axes: Axes, live: LiveLayers) -> None:
        """Follow a new run, whose layers show its arrays, and forget the last one.

        Parameters
        ----------
        past
            Where the run's cycles are kept.
        arrays, axes
            What the run fills, and the axes of the denoised image.
        live
            The layers.
        """
        self._past, self._arrays, self._axes, self._live = past, arrays, axes, live
        self._asked += 1
        self._moments = ()
        self._show_range()

    def update_cycles(self) -> None:
        """Take in cycles that have ended since."""
        moments = self._past.moments  # another thread may replace it
        if moments is self._moments:
            return
        shown = self._shown()
        self._moments = moments
        self._show_range(shown)

    def to_now(self) -> None:
        """Show the present again."""
        self.slider.setValue(self.slider.maximum())

    def end(self) -> None:
        """The run has ended: the layers have got its result."""
        self.update_cycles()
        blocked = self.slider.blockSignals(True)
        self.to_now()
        self.slider.blockSignals(blocked)
        self._asked += 1  # what is still being unpacked comes too late
        self._tell()

    # --------------------------------------------------------------------------- helpers

    def _shown(self) -> Moment | None:
        value = self.slider.value()
        return self._moments[value] if value < len(self._moments) else None

    def _show_range(self, shown: Moment | None = None) -> None:
        blocked = self.slider.blockSignals(True)
        self.slider.setRange(0, len(self._moments))
        kept = shown is not None and shown in self._moments
        self.slider.setValue(self._moments.index(shown) if kept else len(self._moments))
        self.slider.blockSignals(blocked)
        if shown is not None and not kept:
            self._on_moved()
        self.setEnabled(bool(self._moments))
        self.setToolTip(f"{_TIP}\n{_PLANES if self._past.planes_only else _WHOLE}")
        self._tell()

    def _tell(self) -> None:
        moment = self._shown()
        if moment is None:
            self.label.setText("now" if self._moments else "no cycle yet")
            return
        several = len({m.network for m in self._moments}) > 1
        self.label.setText(
            f"network {moment.network}, cycle {moment.cycle}"
            if several
            else f"cycle {moment.cycle}"
        )

    @Slot()
    def _on_moved(self) -> None:
        self._asked += 1
        self._tell()
        if self._live is None or self._arrays is None:
            return
        moment = self._shown()
        if moment is None:
            self._live.show_present()
            return
        worker = create_worker(_unpack, self._asked, moment, self._arrays, self._axes)
        worker.returned.connect(self._on_unpacked)
        worker.start()

    @Slot(object)
    def _on_unpacked(self, answer: tuple[int, dict[str, np.ndarray]]) -> None:
        asked, found = answer
        if asked == self._asked and self._live is not None:
            self._live.show_past(found)


def _unpack(
    asked: int, moment: Moment, arrays: LiveArrays, axes: Axes
) -> tuple[int, dict[str, np.ndarray]]:
    return asked, unpacked(moment, arrays, axes)
