"""One tile by itself, in any process: :func:`predict_tile`, and :func:`make_tile` for workers."""

from __future__ import annotations

import pickle
import platform
import sys
import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import __version__
from ..axes import Axes
from ..engine import device as devices
from ..engine.allocator import compact_heap
from ..engine.warm import Warm
from ..errors import InputError, translated
from ..events import Array
from ..io import LazyArray
from .memory import release, sparing
from .plan import Plan, Tile
from .source import Source
from .tile import Steps, Tiles


def predict_tile(state: Warm, plan: Plan, source: Source, tile: Tile) -> Array:
    """Return the denoised pixels of `tile`; they depend on nothing but the arguments.

    Parameters
    ----------
    state
        The trained networks.
    plan
        The plan of the volume.
    source
        The image.
    tile
        One of ``plan.tiles()``.

    Returns
    -------
    numpy.ndarray
        Shape (Z, S, Y, X), alpha included, in the type and the units of the result.

    Raises
    ------
    InputError
        If the image cannot be read.
    OutOfMemory, EngineError
        If the computation fails.
    """
    with translated(), devices.computing(plan.config.threads):
        return _last(Tiles(state, plan, source).steps(tile))


def _last(steps: Steps) -> Array:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            values: Array = end.value
            return values


@dataclass(frozen=True)
class Piece:
    """A part of an array in the place of the whole, of which nothing else can be read.

    Attributes
    ----------
    values
        The part.
    start
        Where it begins.
    shape
        Of the whole array.
    """

    values: Array
    start: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""
        return self.values.dtype

    def __getitem__(self, region: tuple[slice, ...]) -> Array:
        spans = [(s.start - a, s.stop - a) for s, a in zip(region, self.start, strict=True)]
        if any(a < 0 or b > n for (a, b), n in zip(spans, self.values.shape, strict=True)):
            raise IndexError("a part of the image was not sent")
        return self.values[tuple(slice(*span) for span in spans)]


@dataclass(frozen=True)
class Job:
    """What all tiles of a run share: it is sent to each worker once, or once more where it was lost.

    Attributes
    ----------
    plan
        The plan as JSON, with the settings of the workers.
    state
        The trained networks, pickled.
    image
        The image, pickled as a :class:`~napari_blind2grad.io.LazyArray`; None if each tile brings its
        :class:`Piece`.
    """

    plan: str
    state: bytes
    image: bytes | None


#: The tiles of the last job, by its token.
_jobs: dict[str, Tiles] = {}
#: Threads and device are the process's, so that one tile is made at a time.
_one = threading.Lock()


def make_tile(
    token: str, tile: Tile, job: Job | None, piece: Piece | None
) -> tuple[Array, tuple[str, ...]] | None:
    """Make one tile of a job on a worker.

    Parameters
    ----------
    token
        Tells the job from others.
    tile
        Which tile.
    job
        None if this process should know it already.
    piece
        The image around the tile; None if it is read from where the job says.

    Returns
    -------
    tuple of numpy.ndarray and tuple of str, or None
        The pixels as of :func:`predict_tile`, and notes on how they were made. None if the process does not
        know the job.

    Raises
    ------
    InputError
        If the image cannot be read here, or the versions of the package differ.
    ConfigError, OutOfMemory, EngineError
        If the computation fails.
    """
    with _one:
        tiles = _jobs.get(token)
        if tiles is None:
            if job is None:
                return None
            while _jobs:
                release(_jobs.popitem()[1].device)
            tiles = _jobs[token] = _begun(job, piece)
        if piece is not None:
            tiles.source = _source(tiles.plan, LazyArray(piece))
        notes: list[str] = []
        with (
            translated(),
            devices.computing(tiles.plan.config.threads),
            compact_heap(),
            _reading_here(),
        ):
            values = _last(sparing(tiles, tile, notes))
        return values, tuple(notes)


def _begun(job: Job, piece: Piece | None) -> Tiles:
    plan = Plan.from_json(job.plan)
    if plan.version != __version__:
        raise InputError(
            f"The worker on {platform.node()} has version {__version__} of napari-blind2grad, and this is "
            f"{plan.version}. Install the same on both."
        )
    # Workers trust whoever may send them functions; nothing else is ever unpickled.
    state: Warm = pickle.loads(job.state)  # noqa: S301
    if job.image is None:
        assert piece is not None
        return Tiles(state, plan, _source(plan, LazyArray(piece)))
    try:
        image: LazyArray = pickle.loads(job.image)  # noqa: S301
    except InputError as error:
        raise InputError(
            f"The worker on {platform.node()} cannot open the image: {error} Workers must see files under "
            "the same paths."
        ) from error
    return Tiles(state, plan, _source(plan, image))


def _source(plan: Plan, image: LazyArray) -> Source:
    return Source(image, Axes(plan.axes, plan.shape))


def _reading_here() -> AbstractContextManager[object]:
    """Have dask arrays computed in this thread: a worker would hand them to the cluster that waits for it."""
    dask = sys.modules.get("dask")
    found: AbstractContextManager[object] = (
        nullcontext() if dask is None else dask.config.set(scheduler="synchronous")
    )
    return found
