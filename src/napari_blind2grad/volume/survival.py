"""Runs on volumes that outlive their process: what they are, and which of their tiles are finished."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .. import sizes
from ..checkpoint import describe
from ..config import Config
from ..engine.snapshot import Keep, Snapshot
from ..errors import InputError
from .plan import NetworkFacts, Plan, Tile
from .sample import sample
from .sinks import LastingSink, Sink
from .source import Source

#: Name of the part of a snapshot that tells of tiles.
_TILES = "tiles"


def identify_volume(source: Source, config: Config) -> dict[str, Any]:
    """Return what tells a run on a volume from all others, as JSON can hold it.

    Of an image that is trained on crops, these crops stand for all pixels: reading hundreds of gigabytes
    would take longer than the run that is to be gone on with.
    """
    digest = hashlib.sha256()
    c, t, z, _, y, x = source.shape
    if source.voxels > sizes.WHOLE:
        crops = sample(source.shape, config)
        parts = (crops.read(source, i, n) for i in range(c) for n in range(len(crops.places)))
    else:
        parts = (
            source.read(i, j, slice(k, k + 1), slice(y), slice(x), alpha=True)
            for i in range(c)
            for j in range(t)
            for k in range(z)
        )
    for part in parts:
        digest.update(np.ascontiguousarray(part).tobytes())
    axes = source.axes
    return describe(axes.shape, source.dtype, axes.letters, digest.hexdigest(), config, tiled=True)


@dataclass
class Tally:
    """Counts the tiles of a volume that are finished, and keeps the count in the run's snapshots.

    Attributes
    ----------
    plan
        What is done.
    sink
        Where tiles go.
    keep
        Takes snapshots; None if none are kept.
    trained
        The snapshot of the run at the end of its training.
    done
        Numbers of the tiles that are finished.
    """

    plan: Plan
    sink: Sink
    keep: Keep | None = None
    trained: Snapshot | None = None
    done: set[int] = field(default_factory=set)

    def left(self) -> list[Tile]:
        """Return the tiles that are still to be made."""
        return [tile for tile in self.plan.tiles() if tile.number not in self.done]

    def add(self, tile: Tile, seconds: float, work: float) -> None:
        """Count `tile`, which the sink has taken; `seconds` and `work` are those of the run so far."""
        self.done.add(tile.number)
        self.store(seconds, work)

    def store(self, seconds: float, work: float) -> None:
        """Keep a snapshot as things stand."""
        if self.keep is not None and self.trained is not None:
            self.keep(lambda: self._snapshot(seconds, work), True)

    def _snapshot(self, seconds: float, work: float) -> Snapshot:
        assert self.trained is not None
        tiles: dict[str, Any] = {"plan": json.loads(self.plan.to_json()), "done": [], "sink": {}}
        if isinstance(self.sink, LastingSink):
            tiles.update(done=sorted(self.done), sink=dict(self.sink.state()))
        numbers = {**self.trained.numbers, "seconds": seconds, "work": work, _TILES: tiles}
        return Snapshot(numbers, self.trained.blocks)


def earlier(
    resume: Snapshot, plan: Plan, sink: Sink, notes: list[str]
) -> tuple[Plan, set[int]] | None:
    """Return the plan of an earlier process, whose tiles are in `sink`, and the numbers of those finished.

    Parameters
    ----------
    resume
        The last snapshot of that process.
    plan
        What this one would do.
    sink
        Where tiles go.
    notes
        Takes a note on what was found.

    Returns
    -------
    tuple of Plan and set, or None
        None if no tile was finished, or they are gone.

    Raises
    ------
    InputError
        If the snapshot is damaged.
    """
    tiles = resume.numbers.get(_TILES)
    if tiles is None:
        return None
    try:
        before = Plan.from_json(json.dumps(tiles["plan"]))
        done = {int(n) for n in tiles["done"]}
        state: Mapping[str, Any] = tiles["sink"]
        number = len(before.tiles()) if _agree(before, plan) else -1
        if not all(0 <= n < number for n in done):
            raise InputError("its tiles are not those of this image")
        there = bool(done) and isinstance(sink, LastingSink) and sink.take(state)
    except (InputError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"The checkpoint is damaged ({error!s:.100}). Delete it to begin anew."
        ) from error
    if there:
        notes.append(f"{len(done)} of {number} tiles were finished before.")
        return before, done
    if done:
        notes.append("The tiles that were finished are gone; they are made again.")
    return None


def unfinished(snapshot: Snapshot | None) -> Mapping[str, Any]:
    """Return the state of the sink in `snapshot`, empty if it tells of no finished tile."""
    tiles = {} if snapshot is None else snapshot.numbers.get(_TILES)
    if not isinstance(tiles, dict) or not tiles.get("done"):
        return {}
    state = tiles.get("sink")
    return state if isinstance(state, dict) else {}


def _agree(before: Plan, plan: Plan) -> bool:
    """Whether two plans differ in nothing but the size of tiles and the last digits of what was measured."""
    own = replace(before, tile=plan.tile, networks=plan.networks, config=plan.config)
    same = own == plan and min(before.tile) >= 1 and len(before.tile) == 3
    forms = [[_form(n) for n in p.networks] for p in (before, plan)]
    return same and forms[0] == forms[1] and before.config.replace(**_free(plan)) == plan.config


def _free(plan: Plan) -> dict[str, Any]:
    return {"device": plan.config.device, "threads": plan.config.threads}


def _form(facts: NetworkFacts) -> tuple[Any, ...]:
    counts = (len(facts.levels), len(facts.variances), len(facts.shares))
    return facts.number, facts.channels, counts, facts.known is None
