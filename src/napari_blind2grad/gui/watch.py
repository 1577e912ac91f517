"""Show in the dock what a run tells."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QLabel

from ..events import Preview, Progress, Started
from . import words
from .arrays import LiveArrays
from .history import HistoryBar
from .legend import MaskLegend
from .panel import RunPanel
from .plots import LossPlot
from .run import Run
from .stored import StoredArrays


class Watch:
    """Bring the events of one run after another into the parts of the dock.

    Parameters
    ----------
    panel, plot, noise, legend, history
        The parts.
    """

    def __init__(
        self,
        panel: RunPanel,
        plot: LossPlot,
        noise: QLabel,
        legend: MaskLegend,
        history: HistoryBar,
    ) -> None:
        self._panel, self._plot, self._noise = panel, plot, noise
        self._legend, self._history = legend, history
        self._machine = ""
        self._arrays: LiveArrays | StoredArrays | None = None

    def begin(self) -> None:
        """Forget the last run."""
        self._plot.clear()
        self._legend.clear()
        self._noise.clear()
        self._panel.clear_progress()
        self._panel.show_status("Getting ready: loading PyTorch and reading the image…")

    def show_started(self, event: Started, run: Run) -> None:
        """Show where `run` computes, and follow its cycles."""
        worker = run.worker
        self._arrays = worker.arrays
        self._history.begin(worker.past, worker.arrays, worker.axes, run.live)
        self._plot.set_scale(event.scale)
        self._noise.setText(words.noise(event))
        self._machine = words.machine(event)
        self._panel.show_status(words.begun(run.application, self._machine))

    def show_progress(self, event: Progress, *, tell: bool) -> None:
        """Move bar, plot and history; `tell` says whether the status line follows."""
        self._panel.show_progress(event)
        self._plot.add(event)
        self._history.update_cycles()
        if tell:
            self._panel.show_status(words.going_on(event, self._machine, self._arrays))

    def show_preview(self, event: Preview) -> None:
        """Show the figures and the mask's shares of a preview."""
        self._plot.add_preview(event)
        mask = event.maps.get("dual_mask")
        if mask is not None:
            self._legend.show_mask(mask)

    def show_finished(self, result: Any, run: Run) -> None:
        """Show the end of `run`, and what its `result` is worth."""
        self._plot.draw()
        self._history.end()
        self._panel.progress.setValue(1000)
        self._panel.progress.setFormat("done")
        self._arrays = None
        arrays = run.worker.arrays
        told = words.done_by_tiles if isinstance(arrays, StoredArrays) else words.done
        self._panel.show_status(told(result))
