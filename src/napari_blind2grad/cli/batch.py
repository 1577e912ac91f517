"""``blind2grad batch``: many files, one after another or on many workers, whatever befalls one of them."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ..config import Config
from ..errors import InputError, OutputError
from ..events import Result
from ..io import ImageFile
from .denoise import watched
from .files import Job, find_jobs
from .interrupt import Interrupts
from .options import config_from
from .terminal import say
from .unit import Unit, clear_away, do_unit, in_words

if TYPE_CHECKING:
    from ..checkpoint import Keeper

_FAILED, _INTERRUPTED = 1, 130


def run_batch(args: argparse.Namespace) -> int:
    """Denoise the files that `args` name, and return the exit code.

    Raises
    ------
    Blind2GradError
        If there is nothing to do; errors of single files are told and counted.
    """
    config = config_from(args)
    spread = args.cluster is not None or args.scheduler is not None
    if args.scheduler is None:
        from ..engine.device import choose_device

        choose_device(config.device)  # one that is not there would fail for all files alike
    jobs = find_jobs(args.patterns, args.output)
    if not jobs:
        raise InputError(f"No file matches {' '.join(args.patterns)}. Check folder and ending.")
    _create(args.output)
    began = time.perf_counter()
    with Interrupts() as interrupts:
        batch = Batch(args, config, interrupts)
        interrupts.running = True
        try:
            if spread:
                from .spread import run_spread

                run_spread(batch, jobs)
            else:
                batch.run(jobs)
        except KeyboardInterrupt:
            interrupts.asked = True
    if not args.quiet:
        say(batch.summary(len(jobs), time.perf_counter() - began))
    if interrupts.asked:
        return _INTERRUPTED
    return _FAILED if batch.failed else 0


def _create(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {folder} cannot be created: {error.strerror}. Choose another."
        ) from error


class Batch:
    """What is done, and the one network if there is one.

    Attributes
    ----------
    done, skipped, failed
        Files so far.
    """

    def __init__(self, args: argparse.Namespace, config: Config, interrupts: Interrupts) -> None:
        self.args = args
        self.config = config
        self.interrupts = interrupts
        self.done: list[Path] = []
        self.skipped: list[Path] = []
        self.failed: list[Path] = []
        self.state: Any = None
        self.trained_on = ""

    def units(self, jobs: list[Job]) -> list[Unit]:
        """Return what to do with each of `jobs`; nothing is to be written where a result stays."""
        return [self._unit(job) for job in jobs]

    def _unit(self, job: Job) -> Unit:
        args = self.args
        unit = Unit(
            job=job,
            root=args.output,
            config=self.config,
            axes=args.axes,
            crop=args.crop or {},
            dtype=args.dtype or self.config.dtype,
            ome_zarr=args.ome_zarr,
            resume=args.resume,
            every=args.checkpoint_every,
        )
        there = unit.finished() if args.resume else job.exists()
        return unit if args.overwrite or not there else replace(unit, write=False)

    def run(self, jobs: list[Job]) -> None:
        """Do all `jobs`, or as many as there are before an interrupt."""
        units = self.units(jobs)
        wanted = any(unit.write for unit in units)
        with tqdm(units, disable=self.args.quiet, file=sys.stderr, unit="file") as bar:
            for unit in bar:
                if self.interrupts.asked:
                    break
                bar.set_postfix_str(unit.job.source.name)
                # The network comes from the same file, whichever results are there already.
                needed = self.args.one_network and self.state is None and wanted
                if unit.write or needed:
                    self._guarded(unit)
                else:
                    self.skipped.append(unit.job.source)

    def _guarded(self, unit: Unit) -> None:
        """Do one unit; tell what goes wrong with it."""
        try:
            unit = replace(unit, trained_on=self.trained_on)
            if not do_unit(unit, self._denoise, self._tell).stopped:
                self.count(unit)
        except Exception as error:
            if self.args.debug:
                raise
            self.fail(unit, in_words(error))
            clear_away(unit)

    def count(self, unit: Unit) -> None:
        """Count `unit` as done."""
        (self.done if unit.write else self.skipped).append(unit.job.source)

    def fail(self, unit: Unit, words: str) -> None:
        """Count `unit` as failed, and say why."""
        self.failed.append(unit.job.source)
        tqdm.write(f"Error in {unit.job.source}: {words}", file=sys.stderr)

    def _tell(self, words: str) -> None:
        tqdm.write(words, file=sys.stderr)

    def _denoise(self, image: ImageFile, keeper: Keeper | None) -> Result:
        from ..engine.apply import apply_iter
        from ..engine.run import denoise_iter

        stop, quiet = self.interrupts.should_stop, self.args.quiet
        if self.state is not None:
            events = apply_iter(self.state, image.data, image.axes, self.config, should_stop=stop)
            return watched(events, self.interrupts, quiet=quiet, below=True)
        options = keeper.options(image.data, image.axes, self.config) if keeper else {}
        events = denoise_iter(
            image.data, image.axes, self.config, should_stop=stop, previews=False, **options
        )
        result = watched(events, self.interrupts, quiet=quiet, below=True)
        if self.args.one_network and not result.stopped:
            self.state = result.state
            self.name_network(image.path)
        return result

    def name_network(self, path: Path) -> None:
        """Say that the one network was trained on the file `path`."""
        self.trained_on = path.name
        if not self.args.quiet:
            tqdm.write(f"The network was trained on {path}.", file=sys.stderr)

    def summary(self, total: int, seconds: float) -> str:
        """Return the line that ends the batch."""
        parts = [f"{len(self.done)} of {total} files denoised"]
        if self.skipped:
            parts.append(f"{len(self.skipped)} skipped, whose results were there already")
        if self.failed:
            parts.append(f"{len(self.failed)} failed: {', '.join(p.name for p in self.failed)}")
        left = total - len(self.done) - len(self.skipped) - len(self.failed)
        if left:
            parts.append(f"{left} not done")
        return f"{'; '.join(parts)} ({seconds:.1f} s)"
