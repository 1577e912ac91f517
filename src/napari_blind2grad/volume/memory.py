"""How much memory there is, and what is done when it was not enough."""

from __future__ import annotations

import gc
from collections.abc import Generator

import numpy as np
import torch

from ..engine.replay import RECORDING
from ..errors import OutOfMemory, translated
from ..events import Array
from .plan import Span, Tile
from .tile import Steps, Tiles

#: Bytes that a tile may take on the host, however many are free: a laptop has other things to do.
_HOST = 2**30
#: Share of what is free that a tile may take, on the host and on a device of its own.
_SHARE_HOST, _SHARE_DEVICE = 0.4, 0.6
#: Shorter sides are not halved.
_LEAST = 64


def budget(device: torch.device) -> int:
    """Return the bytes that a tile may take."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(_SHARE_DEVICE * free)
    import psutil

    return min(_HOST, int(_SHARE_HOST * psutil.virtual_memory().available))


def release(device: torch.device, *, cycles: bool = True) -> None:
    """Give back what is not in use; with `cycles` also what only holds itself, which takes longer to find."""
    if cycles:
        gc.collect()
    if device.type == "cuda":
        with RECORDING:
            torch.cuda.empty_cache()


def halves(tile: Tile, multiple: int) -> tuple[Tile, Tile] | None:
    """Return `tile` in two, cut along the longer of Y and X; None if it is too small for that."""
    _, height, width = tile.shape
    name = "y" if height >= width else "x"
    low, high = getattr(tile, name)
    middle = low + (high - low) // 2 // multiple * multiple
    if high - low < 2 * _LEAST or not low < middle < high:
        return None
    first, second = ({name: span} for span in ((low, middle), (middle, high)))
    return _with(tile, first), _with(tile, second)


def _with(tile: Tile, spans: dict[str, Span]) -> Tile:
    return Tile(**{**vars(tile), **spans})


def sparing(tiles: Tiles, tile: Tile, notes: list[str]) -> Steps:
    """Make `tile`; where memory runs out, its halves, and theirs. The pixels are the same.

    Parameters
    ----------
    tiles, tile
        What makes it, and which.
    notes
        Takes a note where the tile was halved.

    Raises
    ------
    OutOfMemory
        If even a small tile does not fit.
    """
    try:
        with translated():
            return (yield from tiles.steps(tile))
    except OutOfMemory:
        parts = halves(tile, 64)
        release(tiles.device)
        if parts is None:
            raise
    sides = " × ".join(str(n) for n in parts[0].shape)
    notes.append(f"Memory ran short: a tile was made in parts of {sides} voxels.")
    first = yield from _half(tiles, parts[0], notes)
    second = yield from _half(tiles, parts[1], notes)
    return np.concatenate([first, second], 2 if parts[0].y != tile.y else 3)


def _half(tiles: Tiles, part: Tile, notes: list[str]) -> Generator[float, None, Array]:
    steps = sparing(tiles, part, notes)
    while True:
        try:
            yield next(steps) / 2
        except StopIteration as end:
            values: Array = end.value
            return values
