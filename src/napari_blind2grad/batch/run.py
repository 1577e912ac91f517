"""Many files, one after another, whatever befalls one of them: :class:`Batch`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Config
from ..crop import Crop
from ..events import Event, Progress
from ..io import ImageFile
from .jobs import Job
from .unit import Unit, clear_away, do_unit, in_words

if TYPE_CHECKING:
    from ..checkpoint import Keeper


class Status(Enum):
    """How far a file of a batch is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True)
class FileEvent:
    """What a batch tells of one of its files.

    Attributes
    ----------
    job
        The file.
    status
        ``RUNNING`` when it is begun and while it is denoised, then one of the others.
    progress
        How far it is; None before its first step and at its end.
    words
        Why it failed, or a note for people.
    """

    job: Job
    status: Status
    progress: Progress | None = None
    words: str = ""


@dataclass(frozen=True)
class Options:
    """How the files of a batch are read and written.

    Attributes
    ----------
    axes
        Axes of all files; as the files say when None.
    crop
        The part of each file that is denoised; empty for everything.
    dtype
        Of the files written; by the settings when None.
    ome_zarr
        Version of OME-Zarr results.
    one_network
        Train on the first file that can be used and apply that network to the others.
    overwrite
        Denoise files whose results are there already.
    resume
        Keep checkpoints and go on from those that are there; do again what is damaged or made otherwise.
    every
        Least seconds between two checkpoints.
    debug
        Let errors of single files out.
    """

    axes: str | None = None
    crop: Crop = field(default_factory=dict)
    dtype: str | None = None
    ome_zarr: str = "0.5"
    one_network: bool = False
    overwrite: bool = False
    resume: bool = False
    every: float = 30.0
    debug: bool = False


class Batch:
    """Files to be denoised, what is done of them, and the one network if there is one.

    Parameters
    ----------
    jobs
        The files, from :func:`~napari_blind2grad.batch.find_jobs`.
    output
        The folder of the results.
    config
        Settings for all of them.
    options
        How they are read and written.
    should_stop
        Polled in every step and between files; once it returns true the batch ends, and the file in work
        leaves nothing behind.

    Attributes
    ----------
    done, skipped, failed
        Files so far.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        output: Path,
        config: Config,
        options: Options | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> None:
        self.jobs = tuple(jobs)
        self.output = output
        self.config = config
        self.options = options or Options()
        self.should_stop = should_stop or _never
        self.done: list[Path] = []
        self.skipped: list[Path] = []
        self.failed: list[Path] = []
        self._state: Any = None
        self._trained_on = ""

    def run(self) -> Iterator[FileEvent]:
        """Do all files, or as many as there are before a stop.

        Yields
        ------
        FileEvent
            At the begin and the end of each file, and as often as its run tells how far it is.
        """
        units = self.units()
        wanted = any(unit.write for unit in units)
        for unit in units:
            if self.should_stop():
                return
            # The network comes from the same file, whichever results are there already.
            needed = self.options.one_network and self._state is None and wanted
            if unit.write or needed:
                yield from self._guarded(unit)
            else:
                yield self.count(unit)

    def units(self) -> list[Unit]:
        """Return what to do with each file; nothing is to be written where a result stays."""
        return [self._unit(job) for job in self.jobs]

    def _unit(self, job: Job) -> Unit:
        options = self.options
        unit = Unit(
            job=job,
            root=self.output,
            config=self.config,
            axes=options.axes,
            crop=options.crop,
            dtype=options.dtype or self.config.dtype,
            ome_zarr=options.ome_zarr,
            resume=options.resume,
            every=options.every,
        )
        there = unit.finished() if options.resume else job.exists()
        return unit if options.overwrite or not there else replace(unit, write=False)

    def count(self, unit: Unit, words: str = "") -> FileEvent:
        """Count `unit` as done, and return what to tell of it."""
        (self.done if unit.write else self.skipped).append(unit.job.source)
        return FileEvent(unit.job, Status.DONE if unit.write else Status.SKIPPED, words=words)

    def fail(self, unit: Unit, words: str) -> FileEvent:
        """Count `unit` as failed, and return what to tell of it."""
        self.failed.append(unit.job.source)
        return FileEvent(unit.job, Status.FAILED, words=words)

    def summary(self, seconds: float) -> str:
        """Return the line that ends the batch, which took so many `seconds`."""
        total = len(self.jobs)
        parts = [f"{len(self.done)} of {total} files denoised"]
        if self.skipped:
            parts.append(f"{len(self.skipped)} skipped, whose results were there already")
        if self.failed:
            parts.append(f"{len(self.failed)} failed: {', '.join(p.name for p in self.failed)}")
        left = total - len(self.done) - len(self.skipped) - len(self.failed)
        if left:
            parts.append(f"{left} not done")
        return f"{'; '.join(parts)} ({seconds:.1f} s)"

    def _guarded(self, unit: Unit) -> Iterator[FileEvent]:
        """Do one unit; tell what goes wrong with it."""
        yield FileEvent(unit.job, Status.RUNNING)
        try:
            yield from self._one(replace(unit, trained_on=self._trained_on))
        except Exception as error:
            if self.options.debug:
                raise
            clear_away(unit)
            yield self.fail(unit, in_words(error))

    def _one(self, unit: Unit) -> Iterator[FileEvent]:
        """Read, denoise and write one file."""
        told: list[str] = []
        work = do_unit(unit, self._events, told.append)
        result = None
        while result is None:
            try:
                progress = next(work)
            except StopIteration as end:
                result = end.value
            else:
                words = told.pop() if told else ""
                yield FileEvent(unit.job, Status.RUNNING, progress, words)
        if result.stopped:
            yield FileEvent(unit.job, Status.STOPPED)
            return
        words = ""
        if self.options.one_network and self._state is None:
            self._state, self._trained_on = result.state, unit.job.source.name
            words = trained_words(unit.job.source)
        yield self.count(unit, words)

    def _events(self, image: ImageFile, keeper: Keeper | None) -> Iterator[Event]:
        from ..engine.apply import apply_iter
        from ..engine.run import denoise_iter

        data, axes, stop = image.data, image.axes, self.should_stop
        if self._state is not None:
            return apply_iter(self._state, data, axes, self.config, should_stop=stop)
        options = keeper.options(data, axes, self.config) if keeper else {}
        return denoise_iter(data, axes, self.config, should_stop=stop, previews=False, **options)


def trained_words(path: Path) -> str:
    """Return the note that the one network was trained on the file `path`."""
    return f"The network was trained on {path}."


def _never() -> bool:
    return False
