"""``blind2grad batch``: many files, one after another, whatever befalls one of them."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..config import Config
from ..errors import Blind2GradError, InputError, OutputError
from ..events import Result
from ..io import ImageFile, read_image
from .denoise import check_room, cropped, default_target, file_dtype, watched, write_result
from .files import Job, find_jobs
from .interrupt import Interrupts
from .options import config_from
from .terminal import say

_FAILED, _INTERRUPTED = 1, 130


def run_batch(args: argparse.Namespace) -> int:
    """Denoise the files that `args` name, and return the exit code.

    Raises
    ------
    Blind2GradError
        If there is nothing to do; errors of single files are told and counted.
    """
    from ..engine.device import choose_device

    config = config_from(args)
    choose_device(config.device)  # one that is not there would fail for all files alike
    jobs = find_jobs(args.patterns, args.output)
    if not jobs:
        raise InputError(f"No file matches {' '.join(args.patterns)}. Check folder and ending.")
    _create(args.output)
    began = time.perf_counter()
    with Interrupts() as interrupts:
        batch = _Batch(args, config, interrupts)
        interrupts.running = True
        try:
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


class _Batch:
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

    def run(self, jobs: list[Job]) -> None:
        """Do all `jobs`, or as many as there are before an interrupt."""
        open_ones = [job for job in jobs if self.args.overwrite or not job.exists()]
        with tqdm(jobs, disable=self.args.quiet, file=sys.stderr, unit="file") as bar:
            for job in bar:
                if self.interrupts.asked:
                    break
                bar.set_postfix_str(job.source.name)
                # The network comes from the same file, whichever results are there already.
                needed = self.args.one_network and self.state is None and bool(open_ones)
                if job not in open_ones and not needed:
                    self.skipped.append(job.source)
                    continue
                self._guarded(job, write=job in open_ones)

    def _guarded(self, job: Job, *, write: bool) -> None:
        """Do one job; tell what goes wrong with it."""
        try:
            if self._one(job, write=write):
                (self.done if write else self.skipped).append(job.source)
        except Blind2GradError as error:
            if self.args.debug:
                raise
            self._fail(job, str(error))
        except Exception as error:
            if self.args.debug:
                raise
            self._fail(
                job,
                f"something unforeseen happened ({type(error).__name__}: {error}). Denoise it alone "
                "with --debug to see where, and please report it.",
            )

    def _fail(self, job: Job, words: str) -> None:
        self.failed.append(job.source)
        tqdm.write(f"Error in {job.source}: {words}", file=sys.stderr)
        # Folders that were made for it alone go again.
        folder = job.folder
        with contextlib.suppress(OSError):
            while folder != self.args.output:
                folder.rmdir()
                folder = folder.parent

    def _one(self, job: Job, *, write: bool) -> bool:
        """Read, denoise and write one file; return whether it was not interrupted."""
        if job.clash is not None:
            raise InputError(
                f"Its result would have the same name as that of {job.clash.name}. Rename one of them."
            )
        image = cropped(read_image(job.source, self.args.axes), self.args.crop or {})
        dtype = file_dtype(self.args, self.config, image)
        target = job.folder / default_target(image, dtype).name
        _create(job.folder)
        check_room(target, image, dtype)
        trained_on = self.trained_on
        result = self._denoise(image)
        if result.stopped:
            return False
        if write:
            write_result(target, image, result, dtype, self.args.ome_zarr, network=trained_on)
        return True

    def _denoise(self, image: ImageFile) -> Result:
        from ..engine.apply import apply_iter
        from ..engine.run import denoise_iter

        stop, quiet = self.interrupts.should_stop, self.args.quiet
        if self.state is not None:
            events = apply_iter(self.state, image.data, image.axes, self.config, should_stop=stop)
            applied: Result = watched(events, self.interrupts, quiet=quiet, below=True)
            return applied
        events = denoise_iter(image.data, image.axes, self.config, should_stop=stop)
        result: Result = watched(events, self.interrupts, quiet=quiet, below=True)
        if self.args.one_network and not result.stopped:
            self.state, self.trained_on = result.state, image.path.name
            if not quiet:
                tqdm.write(f"The network was trained on {image.path}.", file=sys.stderr)
        return result

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
