"""Where tiles go as they are made: :class:`Sink`, :class:`LastingSink`, :class:`Into`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from ..events import Array
from .plan import Tile


class Sink(Protocol):
    """Where tiles go as they are made, such as :class:`Into` or a writer of files.

    A sink with a method ``show`` of the same arguments gets finished planes of a tile before the tile, too.
    """

    def write(self, tile: Tile, values: Array) -> None:
        """Take the pixels of `tile`, shape (Z, S, Y, X); no two tiles overlap."""


@runtime_checkable
class LastingSink(Sink, Protocol):
    """A sink whose tiles outlive the process: they are safe when ``write`` returns."""

    def state(self) -> Mapping[str, Any]:
        """Return what it must know of the tiles it has taken so far, as JSON can hold it."""

    def take(self, state: Mapping[str, Any]) -> bool:
        """Take back a state of an earlier process; return whether the tiles of then are there."""


class Into:
    """A sink that fills an array.

    Parameters
    ----------
    array
        With the shape and axes of the image: a NumPy array, a memory map, a zarr array.
    axes
        Its axes.
    """

    def __init__(self, array: Any, axes: str) -> None:
        self.array = array
        self.axes = axes.upper()

    def write(self, tile: Tile, values: Array) -> None:
        """Put the pixels where they belong."""
        place, ordered = placed(tile, values, self.axes)
        self.array[place] = ordered


def placed(tile: Tile, values: Array, axes: str) -> tuple[tuple[slice, ...], Array]:
    """Return the index of `tile` in an array with `axes`, and its `values` (Z, S, Y, X) in their order."""
    spans = dict(
        C=slice(tile.c, tile.c + 1),
        T=slice(tile.t, tile.t + 1),
        Z=slice(*tile.z),
        S=slice(None),
        Y=slice(*tile.y),
        X=slice(*tile.x),
    )
    whole = values[None, None]  # CTZSYX
    absent = tuple(i for i, c in enumerate("CTZSYX") if c not in axes)
    present = [c for c in "CTZSYX" if c in axes]
    ordered = whole.squeeze(absent).transpose([present.index(c) for c in axes])
    return tuple(spans[c] for c in axes), ordered
