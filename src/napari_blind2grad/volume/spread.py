"""The tiles of a run on workers: :func:`spread`."""

from __future__ import annotations

import pickle
import secrets
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import TYPE_CHECKING

from ..engine import device as devices
from ..errors import EngineError
from ..events import Progress
from ..io.travel import packed
from .alone import Job, Piece, make_tile
from .plan import Plan, Tile
from .source import Source
from .survival import Tally
from .tile import Tiles

if TYPE_CHECKING:
    from ..cluster import Executor
    from .learn import Applying, Learning

#: Tiles with each worker: one in work, one that waits. Of more, the results would pile up in its memory.
_AHEAD = 2
#: Bytes of an image that are sent to each worker; of a larger one, each tile brings its part.
_SMALL = 16 * 2**20


def spread(
    run: Learning | Applying,
    tally: Tally,
    source: Source,
    executor: Executor,
    notes: list[str],
    stop: Callable[[], bool],
) -> Generator[Progress, None, bool]:
    """Have the tiles that are left made by `executor`, in any order, and put them into the tally's sink.

    Parameters
    ----------
    run
        With the trained networks.
    tally
        Which tiles are left; counts those that are finished.
    source
        The image. An array in a file is opened by the workers, and so is what dask knows how to read;
        anything else is read here, and each tile gets the part that it needs.
    executor
        The workers.
    notes
        Takes notes.
    stop
        Once it returns true, tiles that have not come back are given up.

    Yields
    ------
    Progress
        One for each tile.

    Returns
    -------
    bool
        Whether all are made.

    Raises
    ------
    Blind2GradError
        What befell a tile.
    """
    left = deque(tally.left())
    work = _Work(run, tally.plan, source, executor)
    try:
        going = 0
        while left and going < _AHEAD * executor.workers:
            work.submit(left.popleft())
            going += 1
        for outcome in executor.completed(stop):
            tile: Tile = outcome.key
            if outcome.error is not None:
                raise _in_words(outcome.error)
            if outcome.value is None:
                work.submit(tile, first=True)
                continue
            values, found = outcome.value
            notes += found
            tally.sink.write(tile, values)
            del outcome, values
            going -= 1
            run.clock.done += run.tile_work(tile)
            tally.add(tile, run.clock.seconds, run.clock.done)
            yield run.told()
            while left and going < _AHEAD * executor.workers:
                work.submit(left.popleft())
                going += 1
    finally:
        executor.cancel()
    return not left and not going


class _Work:
    """Hands tiles to workers, with what they need to know."""

    def __init__(
        self, run: Learning | Applying, plan: Plan, source: Source, executor: Executor
    ) -> None:
        self._executor, self._source = executor, source
        self._token = secrets.token_hex(16)
        config = plan.config
        theirs = config.replace(
            # "As PyTorch likes it" would be all cores for each worker.
            threads=config.threads or 1,
            # What is fastest differs among computers, and the pixels with it.
            precision=str(devices.choose_dtype(config.precision, run.device)).removeprefix(
                "torch."
            ),
        )
        plan = replace(plan, config=theirs)
        image = packed(source.array, _SMALL)
        self._job = Job(plan.to_json(), pickle.dumps(run.networks), image)
        # Knows what each tile reads, where that is to be sent.
        here = plan if image is None else None
        self._tiles = None if here is None else Tiles(run.networks, here, source)

    def submit(self, tile: Tile, *, first: bool = False) -> None:
        """Have `tile` made; `first` if the worker that was asked does not know the job."""
        job = self._job if first else None
        self._executor.submit(tile, make_tile, self._token, tile, job, self._piece(tile))

    def _piece(self, tile: Tile) -> Piece | None:
        """Return what `tile` reads, if it cannot read it by itself."""
        if self._tiles is None:
            return None
        z, y, x = self._tiles.reads(tile)
        axes = self._source.axes
        spans = dict(
            C=(tile.c, tile.c + 1), T=(tile.t, tile.t + 1), Z=z, S=(0, axes.length("S")), Y=y, X=x
        )
        own = [spans[letter] for letter in axes.letters]
        values = self._source.array.read([slice(*span) for span in own])
        return Piece(values, tuple(a for a, _ in own), axes.shape)


def _in_words(error: Exception) -> Exception:
    """Return what to tell the user of what a worker raised."""
    if isinstance(error, ImportError | AttributeError):
        # It could not find the function, or something that this needs.
        return EngineError(
            f"A worker cannot make tiles ({type(error).__name__}: {error!s:.200}). Install the same version "
            "of napari-blind2grad on all workers, and start them again."
        )
    return error
