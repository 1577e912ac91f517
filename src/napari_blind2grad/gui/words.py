"""What the status line says about a run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..events import Progress, Result, Started
from .arrays import LiveArrays
from .network import Application
from .panel import duration
from .scratch import DAYS, cache
from .stored import StoredArrays

if TYPE_CHECKING:
    from ..volume import Finished
    from .run import Run


def machine(event: Started) -> str:
    """Return where and how a run computes."""
    return f"{event.device}, {event.precision}"


def begun(application: Application | None, where: str) -> str:
    """Return what a run that has started does on the machine called `where`."""
    if application is None:
        return f"Training on {where}…"
    return f"Denoising with the network of “{application.network.name}” on {where}…"


def noise(event: Started) -> str:
    """Return the noise estimate and the run's notes, a line each."""
    values = ", ".join(f"{sigma:.3g}" for sigma in event.noise)
    return "\n".join([f"Noise σ ≈ {values} (image units)", *event.notes])


def by_tiles(place: Path, *, trains: bool) -> tuple[str, ...]:
    """Return what is different about a run whose result goes tile by tile into the folder `place`."""
    how = "trained on parts from all over it, " if trains else ""
    stays = f" and, once it is whole, stays for {DAYS} days" if place.parent == cache() else ""
    return (
        f"Too large for memory: {how}denoised tile by tile. The only layer is the denoised one.",
        f"The result goes to {breakable(place)}{stays}.",
    )


def breakable(path: Path) -> str:
    """Return `path` with places where its line may be broken; a home folder is ``~``."""
    home = Path.home()
    text = f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else str(path)
    return re.sub(r"([/\\_-])", "\\1\u200b", text)


def stopping(run: Run) -> str:
    """Return what happens now that `run` is to stop and keep what there is."""
    if run.snapshot.by_tiles:
        return "Stopping: the tiles that are made are kept…"
    if run.application is None:
        return "Stopping: making the image from what has been learnt…"
    return "Stopping: the planes that are left get one quick pass each…"


def going_on(event: Progress, where: str, arrays: LiveArrays | StoredArrays | None = None) -> str:
    """Return what a run that fills `arrays` does at present on the machine called `where`."""
    if event.phase == "predict" and isinstance(arrays, StoredArrays):
        tiles = f": {arrays.done} of {arrays.total} are made" if arrays.total else ""
        return f"Denoising tile by tile on {where}{tiles}."
    if event.phase == "predict":
        return f"Denoising plane by plane on {where}…"
    network = f", network {event.network} of {event.networks}" if event.networks > 1 else ""
    return (
        f"Training on {where}: step {event.iteration} of {event.iterations}, "
        f"cycle {event.cycle} of {event.cycles}{network}."
    )


def done(result: Result) -> str:
    """Return how a run ended, with what the user should know about its result."""
    took = f"{duration(result.seconds)} on {result.device}"
    if not result.stopped:
        return f"Done in {took}."
    if not result.started.iterations:  # a network was applied
        return f"Stopped: planes that were left got one quick pass each ({took})."
    late = [note for note in result.notes if note not in result.started.notes]
    return "\n".join([f"Stopped after {result.iterations} steps and kept ({took}).", *late])


def done_by_tiles(result: Finished) -> str:
    """Return how a run that went tile by tile ended."""
    took = f"{duration(result.seconds)} on {result.device}"
    if not result.stopped:
        return f"Done in {took}. Save… puts the result where you want it."
    if result.plan is not None:
        total = len(result.plan.tiles())
        return f"Stopped: {result.tiles} of {total} tiles are whole, the rest is empty ({took})."
    kept = " The network as far as it was trained is in hand." if result.iterations else ""
    return f"Stopped before the first tile: there is no image ({took}).{kept}"
