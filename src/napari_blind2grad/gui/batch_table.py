"""The files of a batch, and how far each is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from ..batch import FileEvent, Job, Status
from .panel import duration

_FILE, _STATUS, _LEFT = range(3)


class BatchTable(QTableWidget):
    """One row for each file: its name, its status and the time left.

    Parameters
    ----------
    parent
        Qt parent.
    """

    pointed_at = Signal(str)  # what there is to say about the current row

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 3, parent)
        self.setObjectName("batch_table")
        self.setAccessibleName("Files of the batch")
        self.setHorizontalHeaderLabels(["File", "Status", "Left"])
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)  # Tab goes on to the next control
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        metrics = self.fontMetrics()
        self.verticalHeader().setDefaultSectionSize(metrics.height() + 8)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(_FILE, QHeaderView.ResizeMode.Stretch)
        header.resizeSection(_STATUS, metrics.horizontalAdvance("skipped") + 26)
        header.resizeSection(_LEFT, metrics.horizontalAdvance("00:00 min") + 16)
        self.setMinimumHeight(8 * (metrics.height() + 8))
        self._rows: dict[Path, int] = {}
        self._words: dict[int, str] = {}
        self.currentCellChanged.connect(self._on_current)

    def show_jobs(self, jobs: Sequence[Job]) -> None:
        """Show other files, all of which are waiting."""
        self._rows = {job.source: row for row, job in enumerate(jobs)}
        self._words = {}
        self.clearContents()
        self.setRowCount(len(jobs))
        for row, job in enumerate(jobs):
            cells = (job.source.name, Status.WAITING.value, "")
            for column, text in enumerate(cells):
                self.setItem(row, column, QTableWidgetItem(text))
            self.item(row, _FILE).setToolTip(str(job.source))

    def show_event(self, event: FileEvent) -> None:
        """Bring a file's row up to `event`."""
        row = self._rows[event.job.source]
        status, left = event.status.value, ""
        if event.progress is not None:
            status = f"{100 * event.progress.fraction:.0f} %"
            if math.isfinite(event.progress.remaining):
                left = duration(event.progress.remaining)
        self.item(row, _STATUS).setText(status)
        self.item(row, _LEFT).setText(left)
        if event.words:
            self._words[row] = event.words
            self.item(row, _STATUS).setToolTip(event.words)
        if event.status is Status.RUNNING and event.progress is None:
            self.scrollToItem(self.item(row, _FILE))
        if row == self.currentRow():
            self._on_current(row)

    def _on_current(self, row: int, *_: int) -> None:
        item = self.item(row, _FILE)
        if item is not None:
            told = self._words.get(row) or self.item(row, _STATUS).text()
            self.pointed_at.emit(f"{item.text()}: {told}")
