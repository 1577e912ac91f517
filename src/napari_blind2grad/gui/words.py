"""What the status line says about a run."""

from __future__ import annotations

from ..events import Progress, Result, Started
from .network import Application
from .panel import duration


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


def going_on(event: Progress, where: str) -> str:
    """Return what a run does at present on the machine called `where`."""
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
