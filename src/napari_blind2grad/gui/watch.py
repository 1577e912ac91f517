"""Show in the dock what a run tells."""

from __future__ import annotations

from qtpy.QtWidgets import QLabel

from ..events import Preview, Progress, Result, Started
from . import words
from .history import HistoryBar
from .legend import MaskLegend
from .panel import RunPanel
from .plots import LossPlot
from .run import Run


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
            self._panel.show_status(words.going_on(event, self._machine))

    def show_preview(self, event: Preview) -> None:
        """Show the figures and the mask's shares of a preview."""
        self._plot.add_preview(event)
        mask = event.maps.get("dual_mask")
        if mask is not None:
            self._legend.show_mask(mask)

    def show_finished(self, result: Result) -> None:
        """Show the end of the run."""
        self._plot.draw()
        self._history.end()
        self._panel.progress.setValue(1000)
        self._panel.progress.setFormat("done")
        self._panel.show_status(words.done(result))
