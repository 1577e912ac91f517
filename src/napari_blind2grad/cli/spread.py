"""The files of a batch on the workers of a cluster."""

from __future__ import annotations

import secrets
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from ..cluster import Executor, Outcome, open_executor
from ..io import remove_leftovers
from .batch import Batch
from .files import Job
from .terminal import complain
from .unit import Unit, clear_away, denoise_alone, in_words


def run_spread(batch: Batch, jobs: list[Job]) -> None:
    """Do all `jobs` of `batch` on the workers that its arguments name.

    Each file is one piece of work, done with one CPU thread unless the settings name another number, so that
    its result is that of a run in one process with as many. Workers must see the files under the same paths.

    Raises
    ------
    ConfigError, InputError
        If there are no workers.
    """
    args = batch.args
    if batch.config.threads == 0:
        # "As PyTorch likes it" would be all cores for each worker, and another result on each computer.
        batch.config = batch.config.replace(threads=1)
    units = [_absolute(unit) for unit in batch.units(jobs)]
    todo = [unit for unit in units if unit.write]
    if not args.one_network or not todo:
        _skip(batch, [unit for unit in units if not unit.write])
    if not todo:
        return
    begun: dict[int, Unit] = {}
    try:
        with open_executor(args.cluster, args.scheduler) as executor:
            if not args.quiet:
                complain(f"{executor.workers} workers.")
            with tqdm(total=len(todo), disable=args.quiet, file=sys.stderr, unit="file") as bar:
                work = _Work(batch, executor, bar, begun)
                if args.one_network:
                    work.one_network(units)
                else:
                    work.all(todo)
    finally:
        # Workers of our own died with the executor, maybe in the middle of writing.
        for unit in begun.values() if args.cluster is not None else ():
            for target in unit.job.targets():
                remove_leftovers(target)
            clear_away(unit)


def _absolute(unit: Unit) -> Unit:
    """Return `unit` with paths that hold in a worker's working folder too."""
    job = unit.job
    clash = None if job.clash is None else job.clash.absolute()
    job = Job(job.source.absolute(), job.folder.absolute(), clash)
    return replace(unit, job=job, root=unit.root.absolute())


def _skip(batch: Batch, units: list[Unit]) -> None:
    for unit in units:
        batch.count(unit)


class _Work:
    """What is with the workers.

    Attributes
    ----------
    begun
        Units that have no outcome yet, by their number.
    """

    def __init__(
        self, batch: Batch, executor: Executor, bar: tqdm[None], begun: dict[int, Unit]
    ) -> None:
        self.batch = batch
        self.executor = executor
        self.bar = bar
        self.begun = begun
        self._count = 0

    def _submit(self, unit: Unit) -> None:
        self._count += 1
        self.begun[self._count] = unit
        self.executor.submit(self._count, denoise_alone, unit)

    def _take(self, outcome: Outcome) -> bool:
        """Count one outcome; return whether it is a success."""
        unit = self.begun.pop(outcome.key)
        words = in_words(outcome.error) if outcome.error is not None else outcome.value
        if words:
            self.batch.fail(unit, words)
        else:
            self.batch.count(unit)
        if unit.write:
            self.bar.update()
        return not words

    def all(self, units: list[Unit]) -> None:
        """Do all `units`."""
        for unit in units:
            self._submit(unit)
        for outcome in self.executor.completed(self.batch.interrupts.should_stop):
            self._take(outcome)

    def one_network(self, units: list[Unit]) -> None:
        """Train on the first of `units` that can be done, and do the rest with its network."""
        network = units[0].root / f".{secrets.token_hex(8)}.network"
        left = list(units)
        try:
            trained = None
            while left and trained is None and not self.batch.interrupts.asked:
                unit = left.pop(0)
                self._submit(replace(unit, save=network))
                for outcome in self.executor.completed(self.batch.interrupts.should_stop):
                    trained = unit if self._take(outcome) else None
            if trained is None:
                return
            self._apply(left, trained.job.source, network)
        finally:
            shutil.rmtree(network, ignore_errors=True)

    def _apply(self, units: list[Unit], source: Path, network: Path) -> None:
        self.batch.name_network(source)
        _skip(self.batch, [unit for unit in units if not unit.write])
        self.all(
            [replace(unit, network=network, trained_on=source.name) for unit in units if unit.write]
        )
