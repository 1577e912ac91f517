"""The tiles of a run in this very process: :func:`make_here`."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from ..events import Array, Progress
from .memory import sparing
from .plan import Tile
from .source import Source
from .survival import Tally
from .tile import Tiles

if TYPE_CHECKING:
    from .learn import Applying, Learning


def make_here(
    run: Learning | Applying,
    tally: Tally,
    source: Source,
    notes: list[str],
    stop: Callable[[], bool],
) -> Generator[Progress, None, bool]:
    """Make the tiles that are left, one after another, and put them into the tally's sink.

    Parameters
    ----------
    run
        With the trained networks.
    tally
        Which tiles are left; counts those that are finished.
    source
        The image.
    notes
        Takes notes.
    stop
        Polled all the time; once it returns true the tile in work is given up.

    Yields
    ------
    Progress
        A few times a second.

    Returns
    -------
    bool
        Whether all are made.
    """
    sink = tally.sink
    tiles = Tiles(run.networks, tally.plan, source, getattr(sink, "show", None))
    for unit in tally.left():
        values = yield from _made(tiles, unit, run, notes, stop)
        if values is None:
            return False
        sink.write(unit, values)
        tally.add(unit, run.clock.seconds, run.clock.done)
    return True


def _made(
    tiles: Tiles,
    unit: Tile,
    run: Learning | Applying,
    notes: list[str],
    stop: Callable[[], bool],
) -> Generator[Progress, None, Array | None]:
    """Tell of the making of a tile and return its pixels; None if it was stopped."""
    work = run.tile_work(unit)
    steps = sparing(tiles, unit, notes)
    while not stop():
        try:
            share = next(steps)
        except StopIteration as end:
            values: Array = end.value
            return values
        run.clock.done += share * work
        if run.clock.progress_due():
            yield run.told()
    steps.close()
    return None
