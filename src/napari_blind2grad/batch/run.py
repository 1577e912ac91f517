"""Many files, one after another, whatever befalls one of them: :class:`Batch`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from ..config import Config
from ..crop import Crop
from ..errors import Blind2GradError, InputError
from ..events import Event, Progress, Result
from ..io import ImageFile, read_image
from .jobs import Job
from .results import check_room, create_folder, cropped, default_target, file_dtype, write_result


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
    debug
        Let errors of single files out.
    """

    axes: str | None = None
    crop: Crop = field(default_factory=dict)
    dtype: str | None = None
    ome_zarr: str = "0.5"
    one_network: bool = False
    overwrite: bool = False
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
        open_ones = [job for job in self.jobs if self.options.overwrite or not job.exists()]
        for job in self.jobs:
            if self.should_stop():
                return
            # The network comes from the same file, whichever results are there already.
            needed = self.options.one_network and self._state is None and bool(open_ones)
            if job not in open_ones and not needed:
                self.skipped.append(job.source)
                yield FileEvent(job, Status.SKIPPED)
                continue
            yield from self._guarded(job, write=job in open_ones)

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

    def _guarded(self, job: Job, *, write: bool) -> Iterator[FileEvent]:
        """Do one job; tell what goes wrong with it."""
        yield FileEvent(job, Status.RUNNING)
        try:
            yield from self._one(job, write=write)
        except Blind2GradError as error:
            if self.options.debug:
                raise
            yield self._fail(job, str(error))
        except Exception as error:
            if self.options.debug:
                raise
            yield self._fail(
                job,
                f"something unforeseen happened ({type(error).__name__}: {error}). Denoise it alone "
                "with --debug to see where, and please report it.",
            )

    def _fail(self, job: Job, words: str) -> FileEvent:
        self.failed.append(job.source)
        # Folders that were made for it alone go again.
        folder = job.folder
        with contextlib.suppress(OSError):
            while folder != self.output:
                folder.rmdir()
                folder = folder.parent
        return FileEvent(job, Status.FAILED, words=words)

    def _one(self, job: Job, *, write: bool) -> Iterator[FileEvent]:
        """Read, denoise and write one file."""
        if job.clash is not None:
            raise InputError(
                f"Its result would have the same name as that of {job.clash.name}. Rename one of them."
            )
        options = self.options
        image = cropped(read_image(job.source, options.axes), options.crop)
        dtype = file_dtype(options.dtype, self.config, image)
        target = job.folder / default_target(image, dtype).name
        create_folder(job.folder)
        check_room(target, image, dtype)
        trained_on = self._trained_on
        for event in self._events(image):
            if isinstance(event, Progress):
                yield FileEvent(job, Status.RUNNING, event)
            elif isinstance(event, Result):
                result = event
        if result.stopped:
            yield FileEvent(job, Status.STOPPED)
            return
        words = ""
        if options.one_network and self._state is None:
            self._state, self._trained_on = result.state, image.path.name
            words = f"The network was trained on {image.path}."
        if not write:
            self.skipped.append(job.source)
            yield FileEvent(job, Status.SKIPPED, words=words)
            return
        write_result(target, image, result, dtype, options.ome_zarr, network=trained_on)
        self.done.append(job.source)
        yield FileEvent(job, Status.DONE, words=words)

    def _events(self, image: ImageFile) -> Iterator[Event]:
        from ..engine.apply import apply_iter
        from ..engine.run import denoise_iter

        data, axes, stop = image.data, image.axes, self.should_stop
        if self._state is not None:
            return apply_iter(self._state, data, axes, self.config, should_stop=stop)
        return denoise_iter(data, axes, self.config, should_stop=stop, previews=False)


def _never() -> bool:
    return False
