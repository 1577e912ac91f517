"""Planes too large for one forward pass are cut into overlapping tiles; all are seen in 8 orientations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor


class Tile(NamedTuple):
    """One tile: `outer` is read, `inner` (within it) is kept, `target` is where that goes."""

    outer: tuple[slice, slice]
    inner: tuple[slice, slice]
    target: tuple[slice, slice]


def _spans(n: int, core: int, margin: int, multiple: int) -> Iterator[tuple[slice, slice, slice]]:
    for start in range(0, n, core):
        stop = min(start + core, n)
        low = max(0, start - margin) // multiple * multiple
        high = min(n, -(-(stop + margin) // multiple) * multiple)
        yield slice(low, high), slice(start - low, stop - low), slice(start, stop)


def tiles(height: int, width: int, core: int, margin: int, multiple: int) -> Iterator[Tile]:
    """Cut a plane into tiles whose kept parts cover it once.

    Parameters
    ----------
    height, width
        Of the plane, multiples of `multiple`.
    core
        Side of the kept part of a tile.
    margin
        Overlap on each side: at least the network's receptive radius, so that tiles do not show.
    multiple
        Tiles start and end on multiples of this, so that poolings fall alike in all of them.
    """
    for oy, iy, ty in _spans(height, core, margin, multiple):
        for ox, ix, tx in _spans(width, core, margin, multiple):
            yield Tile((oy, ox), (iy, ix), (ty, tx))


def orient(image: Tensor, turn: int) -> Tensor:
    """Return `image` (..., Y, X) in one of the 8 orientations, `turn` 0 to 7."""
    if turn & 4:
        image = image.transpose(-1, -2)
    dims = [d for bit, d in ((1, -2), (2, -1)) if turn & bit]
    return image.flip(dims) if dims else image


def orient_back(image: Tensor, turn: int) -> Tensor:
    """Undo :func:`orient`."""
    dims = [d for bit, d in ((1, -2), (2, -1)) if turn & bit]
    image = image.flip(dims) if dims else image
    return image.transpose(-1, -2) if turn & 4 else image
