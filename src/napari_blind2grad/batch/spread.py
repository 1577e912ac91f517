"""The files of a batch on the workers of a cluster."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..cluster import Executor, Outcome, open_executor
from ..io import remove_leftovers
from .jobs import Job
from .run import Batch, FileEvent, Status, trained_words
from .unit import Unit, clear_away, denoise_alone, in_words


def run_spread(batch: Batch, cluster: str | None, scheduler: str | None) -> Iterator[FileEvent]:
    """Do all files of `batch` on workers.

    Each file is one piece of work, done with one CPU thread unless the settings name another number, so that
    its result is that of a run in one process with as many. Workers must see the files under the same paths.

    Parameters
    ----------
    batch
        What to do.
    cluster, scheduler
        As for :func:`~napari_blind2grad.cluster.open_executor`.

    Yields
    ------
    FileEvent
        One for each file that is handed over and one at its end. The first one's words tell how many workers
        there are.

    Raises
    ------
    ConfigError, InputError
        If there are no workers.
    """
    if batch.config.threads == 0:
        # "As PyTorch likes it" would be all cores for each worker, and another result on each computer.
        batch.config = batch.config.replace(threads=1)
    units = [_absolute(unit) for unit in batch.units()]
    todo = [unit for unit in units if unit.write]
    if not batch.options.one_network or not todo:
        yield from (batch.count(unit) for unit in units if not unit.write)
    if not todo:
        return
    begun: dict[int, Unit] = {}
    try:
        with open_executor(cluster, scheduler) as executor:
            work = _Work(batch, executor, begun)
            yield from work.one_network(units) if batch.options.one_network else work.all(todo)
    finally:
        # Workers of our own died with the executor, maybe in the middle of writing.
        for unit in begun.values() if cluster is not None else ():
            for target in unit.job.targets():
                remove_leftovers(target)
            clear_away(unit)


def _absolute(unit: Unit) -> Unit:
    """Return `unit` with paths that hold in a worker's working folder too."""
    job = unit.job
    clash = None if job.clash is None else job.clash.absolute()
    job = Job(job.source.absolute(), job.folder.absolute(), clash)
    return replace(unit, job=job, root=unit.root.absolute())


class _Work:
    """What is with the workers.

    Attributes
    ----------
    begun
        Units that have no outcome yet, by their number.
    """

    def __init__(self, batch: Batch, executor: Executor, begun: dict[int, Unit]) -> None:
        self.batch = batch
        self.executor = executor
        self.begun = begun
        self._count = 0

    def _submit(self, unit: Unit) -> FileEvent:
        self._count += 1
        self.begun[self._count] = unit
        self.executor.submit(self._count, denoise_alone, unit)
        words = f"{self.executor.workers} workers." if self._count == 1 else ""
        return FileEvent(unit.job, Status.RUNNING, words=words)

    def _take(self, outcome: Outcome) -> FileEvent:
        """Count one outcome."""
        unit = self.begun.pop(outcome.key)
        words = in_words(outcome.error) if outcome.error is not None else outcome.value
        return self.batch.fail(unit, words) if words else self.batch.count(unit)

    def all(self, units: list[Unit]) -> Iterator[FileEvent]:
        """Do all `units`."""
        for unit in units:
            yield self._submit(unit)
        for outcome in self.executor.completed(self.batch.should_stop):
            yield self._take(outcome)

    def one_network(self, units: list[Unit]) -> Iterator[FileEvent]:
        """Train on the first of `units` that can be done, and do the rest with its network."""
        network = units[0].root / f".{secrets.token_hex(8)}.network"
        left = list(units)
        try:
            trained = None
            while left and trained is None and not self.batch.should_stop():
                unit = left.pop(0)
                yield self._submit(replace(unit, save=network))
                for outcome in self.executor.completed(self.batch.should_stop):
                    event = self._take(outcome)
                    if event.status is not Status.FAILED:
                        trained = unit
                        event = replace(event, words=trained_words(unit.job.source))
                    yield event
            if trained is not None:
                yield from self._apply(left, trained.job.source, network)
        finally:
            shutil.rmtree(network, ignore_errors=True)

    def _apply(self, units: list[Unit], source: Path, network: Path) -> Iterator[FileEvent]:
        yield from (self.batch.count(unit) for unit in units if not unit.write)
        yield from self.all(
            [replace(unit, network=network, trained_on=source.name) for unit in units if unit.write]
        )
