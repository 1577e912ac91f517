"""A batch in a thread of napari's pool."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from napari.qt.threading import WorkerBase, WorkerBaseSignals
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QObject, Signal, Slot

from ..batch import Batch, FileEvent, Job, Options, find_jobs
from ..batch.results import create_folder
from ..config import Config
from ..errors import Blind2GradError, InputError, translated
from . import preload
from .worker import give_way, leave_a_core, spared_from_collection


class BatchSignals(WorkerBaseSignals):
    """Signals of :class:`BatchWorker`."""

    listed = Signal(object)  # the Jobs
    told = Signal(object)  # a FileEvent
    summed = Signal(str)  # the line at the end


class BatchWorker(WorkerBase):
    """Denoise files one after another.

    Parameters
    ----------
    patterns, output
        Which files, and the folder of the results.
    config, options
        How they are denoised, read and written.
    """

    listed: Any
    told: Any
    summed: Any

    def __init__(
        self, patterns: Sequence[str], output: Path, config: Config, options: Options
    ) -> None:
        super().__init__(SignalsClass=BatchSignals)
        self._patterns, self._output = tuple(patterns), output
        self._config, self._options = leave_a_core(config), options
        self._stop = False

    def stop(self) -> None:
        """End the batch; the file in work is given up, those that are finished stay."""
        self._stop = True

    def work(self) -> None:
        """Do all files; called by the thread pool."""
        with translated(), ThreadPoolExecutor(1, "blind2grad", give_way) as pool:
            preload.engine()
            with spared_from_collection():
                pool.submit(self._drive).result()

    def _drive(self) -> None:
        from ..engine.device import choose_device

        choose_device(self._config.device)  # one that is not there would fail for all files alike
        jobs = listed(self._patterns, self._output)
        create_folder(self._output)
        self.listed.emit(jobs)
        began = time.perf_counter()
        batch = Batch(jobs, self._output, self._config, self._options, self._should_stop)
        for event in batch.run():
            self.told.emit(event)
        self.summed.emit(batch.summary(time.perf_counter() - began))

    def _should_stop(self) -> bool:
        return self._stop or self.abort_requested


class BatchRun(QObject):
    """One batch as the window sees it; deletes itself when its thread is gone.

    An object of its own, so that nothing that a former worker still sends can be taken for news of the
    present one.

    Parameters
    ----------
    patterns, output, config, options
        As for :class:`BatchWorker`.
    parent
        Qt parent.
    """

    listed = Signal(object)  # the Jobs
    told = Signal(object)  # a FileEvent
    failed = Signal(str)  # why no file was begun, in words
    over = Signal(str)  # the summary, or why it ended

    def __init__(
        self,
        patterns: Sequence[str],
        output: Path,
        config: Config,
        options: Options,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._over = False
        self.worker = BatchWorker(patterns, output, config, options)
        self.worker.listed.connect(self._on_listed)
        self.worker.told.connect(self._on_told)
        self.worker.summed.connect(self._close)
        self.worker.errored.connect(self._on_error)
        self.worker.finished.connect(self._on_finished)

    def start(self) -> None:
        """Start the worker."""
        self.worker.start()

    def cancel(self, words: str) -> None:
        """End at once; `words` are told as the end."""
        self.worker.quit()
        self._close(words)

    @Slot(object)
    def _on_listed(self, jobs: Sequence[Job]) -> None:
        if not self._over:
            self.listed.emit(jobs)

    @Slot(object)
    def _on_told(self, event: FileEvent) -> None:
        if not self._over:
            self.told.emit(event)

    @Slot(object)
    def _on_error(self, error: Exception) -> None:
        if self._over:
            return
        if isinstance(error, Blind2GradError):
            self._close(str(error))
            self.failed.emit(str(error))
            return
        words = f"An unexpected error ended the batch: {error!r}. Please report it."
        self._close(words)
        self.failed.emit(words)
        notification_manager.receive_error(type(error), error, error.__traceback__)

    @Slot()
    def _on_finished(self) -> None:
        self._close("The batch ended.")
        self.deleteLater()

    @Slot(str)
    def _close(self, words: str) -> None:
        if not self._over:
            self._over = True
            self.over.emit(words)


def listed(patterns: Sequence[str], output: Path) -> list[Job]:
    """Return the files of a batch.

    Raises
    ------
    InputError
        If there are none.
    """
    jobs = find_jobs(patterns, output)
    if not jobs:
        raise InputError(
            "No TIFF or OME-Zarr image is found there. Choose a folder that holds some, or check the pattern."
        )
    return jobs
