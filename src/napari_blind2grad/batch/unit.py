"""One file of a batch, denoised in this process or in another: a pure function of what it is given."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..config import Config
from ..crop import Crop, parse_crop
from ..errors import Blind2GradError, InputError
from ..events import Event, Progress, Result
from ..io import ImageFile, read_image, remove_leftovers
from .jobs import Job
from .results import check_room, create_folder, cropped, default_target, write_result

if TYPE_CHECKING:
    from ..checkpoint import Keeper

#: Settings that do not change what a result is meant to be.
_FREE = ("device", "threads")


@dataclass(frozen=True)
class Unit:
    """What to do with one file; can be sent to another process.

    Attributes
    ----------
    job
        The file, and the folder of its result.
    root
        The folder of all results.
    config
        Settings.
    axes, crop, ome_zarr
        As on the command line.
    dtype
        Type of the written pixels, or ``"input"``.
    write
        Whether to write the result; else only its network is wanted.
    resume
        Whether to keep a checkpoint, and to go on from the one that is there.
    every
        Least seconds between two checkpoints.
    network
        A model folder to apply; None trains one on the file.
    trained_on
        Name of the file that `network` comes from.
    save
        A model folder to save the trained network to.
    """

    job: Job
    root: Path
    config: Config
    axes: str | None
    crop: Crop
    dtype: str
    ome_zarr: str
    write: bool = True
    resume: bool = False
    every: float = 30.0
    network: Path | None = None
    trained_on: str = ""
    save: Path | None = None

    def finished(self) -> bool:
        """Whether the result is there, whole, not interrupted, and made with these settings."""
        return any(self._made_so(path) for path in self.job.targets() if path.exists())

    def _made_so(self, path: Path) -> bool:
        try:
            image = read_image(path)
        except Blind2GradError:
            return False
        made = image.parameters  # none where the end of a file is cut off
        config, crop = made.get("config"), str(made.get("crop") or "")
        if self.dtype != "input" and image.dtype != np.dtype(self.dtype):
            return False
        if (parse_crop(crop) if crop else {}) != dict(self.crop):
            return False
        if not isinstance(config, dict):
            return False
        own = self.config.to_dict()
        return self.config.made(config | {k: own[k] for k in _FREE}) and not made.get("stopped")


def do_unit(
    unit: Unit,
    events_of: Callable[[ImageFile, Keeper | None], Iterator[Event]],
    tell: Callable[[str], None],
) -> Generator[Progress, None, Result]:
    """Read, denoise and write one file.

    Parameters
    ----------
    unit
        What to do.
    events_of
        Denoises the image, and keeps a checkpoint of it if there is one to keep. A result that was stopped is
        not written.
    tell
        Called with a sentence if a checkpoint could not be written.

    Yields
    ------
    Progress
        As the run tells it; the generator's value is the result.

    Raises
    ------
    Blind2GradError
        In words for the user.
    """
    job = unit.job
    if job.clash is not None:
        raise InputError(
            f"Its result would have the same name as that of {job.clash.name}. Rename one of them."
        )
    image = cropped(read_image(job.source, unit.axes), unit.crop)
    dtype = image.dtype if unit.dtype == "input" else np.dtype(unit.dtype)
    target = job.folder / default_target(image, dtype).name
    create_folder(job.folder)
    check_room(target, image, dtype)
    remove_leftovers(target)
    keeper = None
    if unit.resume and unit.network is None:
        from ..checkpoint import Keeper

        place = target.with_name(f"{target.name}.checkpoint")
        keeper = Keeper(place, resume=True, every=unit.every, tell=tell)
    for event in events_of(image, keeper):
        if isinstance(event, Progress):
            yield event
        elif isinstance(event, Result):
            result = event
    if result.stopped:
        return result
    if unit.write:
        write_result(target, image, result, dtype, unit.ome_zarr, network=unit.trained_on)
    if unit.save is not None:
        result.save_model(unit.save)
    if keeper is not None:
        keeper.remove()
    return result


def denoise_alone(unit: Unit) -> str:
    """Do `unit` in a process of its own, without a word; return why it failed, or nothing."""
    try:
        for _ in do_unit(unit, lambda image, keeper: _events(unit, image, keeper), _ignored):
            pass
    except Exception as error:  # noqa: BLE001 (whatever it is, it goes back to who told us to)
        clear_away(unit)
        return in_words(error)
    return ""


def _events(unit: Unit, image: ImageFile, keeper: Keeper | None) -> Iterator[Event]:
    from ..engine.apply import apply_iter
    from ..engine.run import denoise_iter
    from ..model import load_model

    config, axes = unit.config, image.axes
    if unit.network is not None:
        return apply_iter(load_model(unit.network).state, image.data, axes, config)
    options: dict[str, Any] = keeper.options(image.data, axes, config) if keeper else {}
    return denoise_iter(image.data, axes, config, previews=False, **options)


def _ignored(words: str) -> None:
    """Leave a checkpoint that could not be written unmentioned: the run goes on."""


def in_words(error: Exception) -> str:
    """Return what to tell the user of `error`."""
    if isinstance(error, Blind2GradError):
        return str(error)
    return (
        f"something unforeseen happened ({type(error).__name__}: {error}). Denoise it alone "
        "with --debug to see where, and please report it."
    )


def clear_away(unit: Unit) -> None:
    """Remove folders that were made for a file that failed, as far as they are empty."""
    folder = unit.job.folder
    with contextlib.suppress(OSError):
        while folder != unit.root:
            folder.rmdir()
            folder = folder.parent
