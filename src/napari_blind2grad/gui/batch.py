"""The section Batch: many files, with the settings of the form."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from qtpy.QtCore import Qt, Signal, Slot
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QWidget,
)
from superqt.utils import create_worker

from ..batch import FileEvent, Job, Options, Status, patterns_in
from ..config import Config
from ..errors import Blind2GradError, ConfigError, InputError
from ..events import Progress
from .activity import ActivityBar
from .batch_table import BatchTable
from .batch_worker import BatchRun, BatchWorker, listed
from .fields import guard_wheel, shrinkable
from .panel import duration
from .section import Section

_ENDED = (Status.DONE, Status.SKIPPED, Status.FAILED)


class BatchBox(Section):
    """The section of the dock.

    A section and not a dock of its own: it takes the settings of the form above it, and shares the rule that
    one training goes on at a time.

    Parameters
    ----------
    config
        Returns the settings for all files.
    hold
        Told of each worker.
    occupied
        Whether a run or a comparison goes on.
    parent
        Qt parent.
    """

    started = Signal()
    over = Signal(str)  # the summary, or why it ended
    failed = Signal(str)  # in words

    def __init__(
        self,
        config: Callable[[], Config],
        hold: Callable[[BatchWorker], object],
        occupied: Callable[[], bool],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__("Batch", parent)
        self.setObjectName("batch_section")  # "batch" is a setting
        self.setToolTip("Denoise many files, one after another, with the settings above")
        self._config, self._hold, self._occupied = config, hold, occupied
        self._run: BatchRun | None = None
        self._bar: ActivityBar | None = None
        self._looked = 0
        self._ended = 0  # so many files have
        self._times: list[float] = []  # seconds that each file took that was denoised
        self._began = 0.0
        self._files = self._line("batch_files", "folder, files or a pattern")
        self._files.setToolTip(
            "A folder (with all folders below it), files, or a pattern such as /data/**/*.tif; several are "
            "separated by semicolons."
        )
        self._output = self._line("batch_output", "folder for the results")
        self._output.setToolTip(
            "Results lie here as their files lie below the folder; what is here is never taken as input."
        )
        browse = self._browse("batch_browse", "Choose files")
        menu = QMenu(browse)
        for text, slot in (("Folder…", self._ask_folder), ("Files…", self._ask_files)):
            menu.addAction(text).triggered.connect(slot)
        browse.setMenu(menu)
        browse.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        browse.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        into = self._browse("batch_browse_output", "Choose the folder of the results")
        into.clicked.connect(self._ask_output)
        self._networks = QComboBox(self)
        self._networks.setObjectName("batch_networks")
        self._networks.addItems(["one for each file", "one for all files"])
        self._networks.setToolTip(
            "One for all is trained on the first file and applied to the others: quicker, and right for "
            "files of the same kind and exposure."
        )
        guard_wheel(self._networks)
        shrinkable(self._networks)
        self._axes = self._line("batch_axes", "as in the files")
        self._axes.setToolTip("One letter for each dimension, if the files do not say: TCZYX, S.")
        self._again = QCheckBox("Do finished files again", self)
        self._again.setObjectName("batch_overwrite")
        self._again.setToolTip("Off: files whose result is there already are skipped.")
        self._start = QPushButton("Start", self)
        self._start.setObjectName("batch_start")
        self._start.clicked.connect(self.start)
        self._stop = QPushButton("Stop", self)
        self._stop.setObjectName("batch_stop")
        self._stop.setToolTip("Give up the file in work; those that are finished stay.")
        self._stop.clicked.connect(self.stop)
        self.progress = QProgressBar(self)
        self.progress.setObjectName("batch_progress")
        self.progress.setRange(0, 1000)
        self.progress.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.table = BatchTable(self)
        self._detail = self._label("batch_detail")
        self.summary = self._label("batch_summary")
        self.table.pointed_at.connect(self._detail.setText)
        self._files.editingFinished.connect(self.look)
        self._output.editingFinished.connect(self.look)
        self._choosers = (browse, into)
        self._lay_out(browse, into)
        self._show_state()

    @property
    def running(self) -> bool:
        """Whether a batch goes on."""
        return self._run is not None

    def set_files(self, text: str) -> None:
        """Choose the files, and a folder for the results if none is chosen."""
        self._files.setText(text)
        folder = Path(text.split(";")[0]).expanduser()
        if not self._output.text().strip():
            base = folder if folder.is_dir() else folder.parent
            self._output.setText(str(base / "denoised"))
        self.look()

    def set_output(self, text: str) -> None:
        """Choose the folder for the results."""
        self._output.setText(text)
        self.look()

    def look(self) -> None:
        """List the files that a start would take, in the background."""
        if self.running or not self._files.text().strip():
            return
        self._looked += 1
        what = self._looked, self._files.text(), self._output.text().strip()
        worker = create_worker(_look, *what, _ignore_errors=True)
        worker.returned.connect(self._on_looked)
        worker.start()

    def start(self) -> None:
        """Start the batch; what stands in its way is told."""
        if self.running:
            return
        try:
            if self._occupied():
                raise InputError("A run goes on: stop it first, then start the batch.")
            patterns = patterns_in(self._files.text())
            if not patterns:
                raise ConfigError("Choose a folder or files to denoise first.")
            output = self._output.text().strip()
            if not output:
                raise ConfigError("Choose a folder for the results first.")
            config = self._config()
        except Blind2GradError as error:
            self._tell_failure(str(error))
            return
        options = Options(
            axes=self._axes.text().strip().upper() or None,
            one_network=self._networks.currentIndex() == 1,
            overwrite=self._again.isChecked(),
        )
        self._looked += 1  # a list that is still on its way comes too late
        run = BatchRun(patterns, Path(output).expanduser(), config, options, self)
        self._run = run
        self._hold(run.worker)
        run.listed.connect(self._show_jobs)
        run.told.connect(self._on_told)
        run.failed.connect(self.failed)
        run.over.connect(self._on_over)
        self._bar = ActivityBar("Denoising files", self)
        self._detail.clear()
        self._say("Getting ready: loading PyTorch and looking for files…")
        self._show_state()
        self.started.emit()
        run.start()

    def stop(self) -> None:
        """End the batch; the file in work is given up."""
        if self._run is not None:
            self._run.worker.stop()
            self._stop.setEnabled(False)
            self._say("Stopping…")

    def cancel(self) -> None:
        """End the batch at once; results written so far are kept."""
        if self._run is not None:
            self._run.cancel("The batch was ended. Results written so far are kept.")

    # ------------------------------------------------------------------------------- slots

    @Slot(object)
    def _on_looked(self, found: tuple[int, list[Job], str]) -> None:
        number, jobs, text = found
        if number == self._looked and not self.running:
            self._show_jobs(jobs)
            self._say(text)

    def _on_told(self, event: FileEvent) -> None:
        self.table.show_event(event)
        if event.status is Status.RUNNING and event.progress is None:
            self._began = time.monotonic()
            if self._stop.isEnabled():
                self._say(f"Denoising {event.job.source.name}…")
        elif event.status in _ENDED:
            self._ended += 1
            if event.status is Status.DONE:
                self._times.append(time.monotonic() - self._began)
        if event.status is Status.FAILED:
            self._detail.setText(f"{event.job.source.name}: {event.words}")
        self._show_progress(event.progress)

    def _on_over(self, text: str) -> None:
        self._run = None
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self._say(text)
        self._show_state()
        self.over.emit(text)

    def _ask_folder(self) -> None:
        dialog = self._dialog("Choose a folder of images", self._files.text())
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self.set_files)
        dialog.show()

    def _ask_files(self) -> None:
        dialog = self._dialog("Choose images", self._files.text())
        dialog.setNameFilter("TIFF (*.tif *.tiff *.TIF *.TIFF)")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.filesSelected.connect(lambda paths: self.set_files("; ".join(paths)))
        dialog.show()

    def _ask_output(self) -> None:
        dialog = self._dialog("Choose the folder of the results", self._output.text())
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self.set_output)
        dialog.show()

    # ----------------------------------------------------------------------------- helpers

    def _show_jobs(self, jobs: Sequence[Job]) -> None:
        self.table.show_jobs(jobs)
        self._ended, self._times = 0, []
        self._show_progress(None)

    def _show_progress(self, progress: Progress | None) -> None:
        """Show how much of the batch is done, and when it will be."""
        total = self.table.rowCount()
        if not (self.running and total):
            self.progress.setValue(0)
            self.progress.setFormat("")
            return
        done = (self._ended + (progress.fraction if progress is not None else 0.0)) / total
        left = math.nan
        if self._times or progress is not None:
            each = sum(self._times) / len(self._times) if self._times else math.nan
            now = progress.remaining if progress is not None else each
            first = progress.seconds + progress.remaining if progress is not None else math.nan
            # Until one file is done, the others are taken to be like the first.
            waiting = total - self._ended - 1
            left = now + waiting * (each if self._times else first) if waiting else now
        self.progress.setValue(round(1000 * done))
        self.progress.setFormat(f"{self._ended} of {total} files · {duration(left)} left")
        if self._bar is not None:
            self._bar.move(done)

    def _show_state(self) -> None:
        for part in (self._files, self._output, self._networks, self._axes, self._again):
            part.setEnabled(not self.running)
        for button in self._choosers:
            button.setEnabled(not self.running)
        self._start.setEnabled(not self.running)
        self._start.setToolTip(
            "A batch goes on." if self.running else "Denoise all files with the settings above."
        )
        self._stop.setEnabled(self.running)
        if not self.running:
            whole = 0 < self._ended == self.table.rowCount()
            self.progress.setValue(1000 if whole else 0)
            self.progress.setFormat("done" if whole else "")

    def _say(self, text: str) -> None:
        self.summary.setText(text)

    def _tell_failure(self, text: str) -> None:
        self._say(text)
        self.failed.emit(text)

    # ------------------------------------------------------------------------------ layout

    def _lay_out(self, browse: QWidget, into: QWidget) -> None:
        rows = QWidget(self)
        form = QFormLayout(rows)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Files", _beside(rows, self._files, browse))
        form.addRow("Results", _beside(rows, self._output, into))
        form.addRow("Networks", self._networks)
        form.addRow("Axes", self._axes)
        buttons = _beside(self, self._start, self._stop)
        for part in (rows, self._again, buttons, self.progress, self.table, self._detail):
            self.addWidget(part)
        self.addWidget(self.summary)

    def _line(self, name: str, words: str) -> QLineEdit:
        line = QLineEdit(self)
        line.setObjectName(name)
        line.setPlaceholderText(words)
        line.setMinimumWidth(60)
        return line

    def _label(self, name: str) -> QLabel:
        label = QLabel(self)
        label.setObjectName(name)
        label.setWordWrap(True)
        label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        return label

    def _browse(self, name: str, words: str) -> QToolButton:
        button = QToolButton(self)
        button.setObjectName(name)
        button.setText("…")
        button.setAccessibleName(words)
        button.setToolTip(words)
        return button

    def _dialog(self, title: str, present: str) -> QFileDialog:
        path = Path(present.split(";")[0].strip() or Path.home()).expanduser()
        dialog = QFileDialog(self, title, str(path if path.is_dir() else path.parent))
        dialog.setObjectName("batch_dialog")
        dialog.finished.connect(dialog.deleteLater)
        return dialog


def _beside(parent: QWidget, *parts: QWidget) -> QWidget:
    row = QWidget(parent)
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        layout.addWidget(part, 0 if isinstance(part, QToolButton) else 1)
    return row


def _look(number: int, text: str, output: str) -> tuple[int, list[Job], str]:
    """Return `number`, the files of a batch and words on them; meant for a worker thread."""
    try:
        jobs = listed(patterns_in(text), Path(output or "denoised").expanduser())
    except (Blind2GradError, OSError) as error:
        return number, [], str(error)
    there = sum(job.exists() for job in jobs)
    some = f", {there} with a result already" if there else ""
    return number, jobs, f"{len(jobs)} file{'s' * (len(jobs) != 1)}{some}."
