"""``blind2grad batch``: many files, one after another or on many workers, whatever befalls one of them."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tqdm import tqdm

from ..batch import Batch, FileEvent, Options, Status, find_jobs, patterns_of
from ..batch.results import create_folder
from ..errors import InputError
from .interrupt import Interrupts
from .options import config_from
from .progress import ProgressBar
from .terminal import say

_FAILED, _INTERRUPTED = 1, 130


def run_batch(args: argparse.Namespace) -> int:
    """Denoise the files that `args` name, and return the exit code.

    Raises
    ------
    Blind2GradError
        If there is nothing to do; errors of single files are told and counted.
    """
    config = config_from(args)
    if args.scheduler is None:
        from ..engine.device import choose_device

        choose_device(config.device)  # one that is not there would fail for all files alike
    jobs = find_jobs([p for each in args.patterns for p in patterns_of(Path(each))], args.output)
    if not jobs:
        raise InputError(f"No file matches {' '.join(args.patterns)}. Check folder and ending.")
    create_folder(args.output)
    began = time.perf_counter()
    with Interrupts() as interrupts:
        batch = Batch(jobs, args.output, config, _options(args), interrupts.should_stop)
        interrupts.running = True
        try:
            _watch(batch, _events(batch, args), quiet=args.quiet)
        except KeyboardInterrupt:
            interrupts.asked = True
    if not args.quiet:
        say(batch.summary(time.perf_counter() - began))
    if interrupts.asked:
        return _INTERRUPTED
    return _FAILED if batch.failed else 0


def _options(args: argparse.Namespace) -> Options:
    return Options(
        axes=args.axes,
        crop=args.crop or {},
        dtype=args.dtype,
        ome_zarr=args.ome_zarr,
        one_network=args.one_network,
        overwrite=args.overwrite,
        resume=args.resume,
        every=args.checkpoint_every,
        debug=args.debug,
    )


def _events(batch: Batch, args: argparse.Namespace) -> Iterator[FileEvent]:
    if args.cluster is None and args.scheduler is None:
        return batch.run()
    from ..batch.spread import run_spread

    return run_spread(batch, args.cluster, args.scheduler)


def _watch(batch: Batch, events: Iterator[FileEvent], *, quiet: bool) -> None:
    """Do the `batch`, and show how far it and the file in work are."""
    with (
        tqdm(total=len(batch.jobs), disable=quiet, file=sys.stderr, unit="file") as bar,
        closing(_Below(quiet=quiet)) as below,
    ):
        for event in events:
            below.show(event)
            if event.status is Status.FAILED:
                tqdm.write(f"Error in {event.job.source}: {event.words}", file=sys.stderr)
            elif event.words and not quiet:
                tqdm.write(event.words, file=sys.stderr)
            if event.status in (Status.DONE, Status.SKIPPED, Status.FAILED):
                bar.update()
            elif event.status is Status.RUNNING and event.progress is None:
                bar.set_postfix_str(event.job.source.name)


class _Below:
    """The bar of the file in work, below that of the batch."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: ProgressBar | None = None

    def show(self, event: FileEvent) -> None:
        """Bring the bar up to `event`."""
        if event.status is not Status.RUNNING:
            self.close()
        elif event.progress is not None:
            self._bar = self._bar or ProgressBar(quiet=self._quiet, below=True)
            self._bar.show(event.progress)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
