"""What is written down about a run: in the layers' metadata and in saved files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import __version__
from ..config import Config
from ..crop import crop_text
from ..events import Result
from .adapter import Snapshot
from .network import Application


def record_of(
    result: Result,
    snapshot: Snapshot,
    changes: Sequence[Mapping[str, Any]],
    *,
    warm: bool = False,
    application: Application | None = None,
) -> dict[str, Any]:
    """Return how `result` came about, as values that JSON can hold.

    Parameters
    ----------
    result
        What the run gave.
    snapshot
        What it was run on.
    changes
        The settings changed while it went on, each with the ``iteration`` after which it took effect.
    warm
        Whether it started from a network that was trained before.
    application
        The network that was applied, if none was trained.
    """
    return {
        **_applied(application),
        "version": result.version or __version__,
        "input": snapshot.name,
        "axes": result.axes,
        "crop": crop_text(snapshot.axes, snapshot.region),
        "config": result.config.to_dict(),
        "seed": result.seed,
        "device": result.device,
        "precision": result.started.precision,
        "seconds": round(result.seconds, 3),
        "iterations": result.iterations,
        "stopped": result.stopped,
        "changes": [dict(change) for change in changes],
        "continued": warm,
        "finished": True,
        "losses": {name: values.tolist() for name, values in result.losses.items()},
    }


def unfinished(
    config: Config,
    snapshot: Snapshot,
    changes: Sequence[Mapping[str, Any]],
    *,
    application: Application | None = None,
) -> dict[str, Any]:
    """Return the same for a run that was broken off and whose layers stay as they are."""
    return {
        **_applied(application),
        "version": __version__,
        "input": snapshot.name,
        "axes": snapshot.axes.letters,
        "crop": crop_text(snapshot.axes, snapshot.region),
        "config": config.to_dict(),
        "changes": [dict(change) for change in changes],
        "finished": False,
    }


def _applied(application: Application | None) -> dict[str, Any]:
    if application is None:
        return {}
    return {"network": application.network.entry, "intensity": application.intensity}


def reasons(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return why the same settings would not give the very pixels of a run again; empty if they would."""
    found = []
    if not record.get("finished", True):
        found.append("The run that the window shows did not end: this is for a whole one.")
    if changes := record.get("changes"):
        when = "; ".join(
            f"after step {change['iteration']}: "
            + ", ".join(
                f"{name} = {value}" for name, value in change.items() if name != "iteration"
            )
            for change in changes
        )
        found.append(
            f"Settings were changed while it ran ({when}), so this gives another image than the one "
            "shown. Run again for one that can be repeated."
        )
    if record.get("stopped") and "network" in record:
        found.append(
            "It was stopped, and planes that were left got one quick pass each: this makes them whole, so "
            "it gives another image than the one shown."
        )
    elif record.get("stopped"):
        found.append(
            f"The run was stopped after {record['iterations']} steps, so this gives another image than "
            "the one shown."
        )
    if record.get("continued"):
        found.append(
            "The image shown came of a network that was trained before, in tuning: this starts anew and "
            "gives another one."
        )
    if not str(record.get("device", "CPU")).startswith("CPU"):
        found.append(
            f"The image shown was computed on {record['device']}: only a CPU gives the same bits again."
        )
    return tuple(found)


def description(record: Mapping[str, Any]) -> str:
    """Return one sentence about a run, for people who open a saved file elsewhere."""
    base = record.get("config", {}).get("base", "")
    text = f"Denoised with napari-blind2grad {record.get('version', __version__)}, preset {base}."
    if "network" in record:
        text += f" Network from {record['network']['name']}."
    if record.get("stopped"):
        text += (
            f" Stopped after {record['iterations']} iterations."
            if "network" not in record
            else " Stopped."
        )
    return text
