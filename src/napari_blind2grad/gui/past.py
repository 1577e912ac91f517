"""What the live layers showed at the end of each cycle, kept small."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..axes import Axes
from ..events import MAPS, Event, Progress
from .arrays import LiveArrays, residual

#: Bytes that the past of one run may take.
BUDGET = 512 * 2**20
_KEYS = ("denoised", *MAPS)


@dataclass(frozen=True, eq=False)
class Packed:
    """An array with at most two bytes for each value.

    Attributes
    ----------
    values
        The array itself, or where its values lie in its range, as uint16.
    low, step
        Value of 0, and distance between two values; a step of 0 says that nothing was rounded.
    dtype
        Type of the original.
    """

    values: np.ndarray
    low: float
    step: float
    dtype: np.dtype

    @classmethod
    def of(cls, array: np.ndarray) -> Packed:
        """Pack a copy of `array`; values that are not finite become its lowest."""
        if array.dtype.itemsize <= 2:
            return cls(array.copy(), 0.0, 0.0, array.dtype)
        finite = np.isfinite(array)
        known = array if finite.all() else array[finite]  # integers have no infinity to start from
        low, high = (float(known.min()), float(known.max())) if known.size else (np.inf, -np.inf)
        if not low < high:
            return cls(
                np.zeros(array.shape, np.uint16), low if finite.any() else 0.0, 1.0, array.dtype
            )
        step = (high - low) / 65535
        places = (np.where(finite, array, low) - low) / step
        return cls(np.rint(places).astype(np.uint16), low, step, array.dtype)

    def unpacked(self) -> np.ndarray:
        """Return the array, exact to half a step."""
        if self.step == 0:
            return self.values
        exact = self.values * np.float64(self.step) + self.low
        return (np.rint(exact) if self.dtype.kind in "iu" else exact).astype(self.dtype)


@dataclass(frozen=True, eq=False)
class Moment:
    """The state at the end of one cycle.

    Attributes
    ----------
    cycle, network
        Which cycle of which network, from 1.
    arrays
        Packed arrays by the names of :class:`~napari_blind2grad.gui.arrays.LiveArrays`.
    plane
        The only plane that was kept, by axis letter; None if all were.
    """

    cycle: int
    network: int
    arrays: Mapping[str, Packed]
    plane: Mapping[str, int] | None

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        return sum(packed.values.nbytes for packed in self.arrays.values())


class Past:
    """The moments of one run: the worker's thread adds them, the GUI thread reads.

    Attributes
    ----------
    moments
        From the first to the last; replaced as a whole, never changed.
    planes_only
        Whether all planes of all cycles would take more than :data:`BUDGET`.
    """

    def __init__(self) -> None:
        self.moments: tuple[Moment, ...] = ()
        self.planes_only = False
        self._at: tuple[int, int] = (1, 1)

    def take(self, event: Event, arrays: LiveArrays, axes: Axes, focus: Mapping[str, int]) -> None:
        """Keep what `arrays` hold if `event` tells that a cycle has ended.

        Parameters
        ----------
        event
            Any event of the run, in order.
        arrays
            As they were before the event.
        axes
            Axes of the denoised image.
        focus
            The plane that is looked at.
        """
        if not isinstance(event, Progress) or (event.network, event.cycle) == self._at:
            return
        ended, self._at = self._at, (event.network, event.cycle)
        sizes = [min(2, getattr(arrays, key).itemsize) * getattr(arrays, key).size for key in _KEYS]
        self.planes_only = sum(sizes) * event.cycles * event.networks > BUDGET
        plane = {c: focus.get(c, axes.length(c) // 2) for c in axes.planes}
        kept = {}
        for key in _KEYS:
            of = axes if key == "denoised" else arrays.map_axes
            array = getattr(arrays, key)
            kept[key] = Packed.of(array[of.plane_slices(plane)] if self.planes_only else array)
        moment = Moment(ended[1], ended[0], kept, plane if self.planes_only else None)
        moments = (*self.moments, moment)
        while sum(m.nbytes for m in moments) > BUDGET and len(moments) > 1:
            moments = moments[1::2]  # every other one, the newest if their number is even
        self.moments = moments


def unpacked(moment: Moment, arrays: LiveArrays, axes: Axes) -> dict[str, np.ndarray]:
    """Return the arrays of a moment in the shapes of the live ones; meant for a worker thread.

    Where a single plane was kept, all planes show it. The residual comes along if there is one.
    """
    found = {}
    for key, packed in moment.arrays.items():
        array = packed.unpacked()
        if moment.plane is not None:
            of = axes if key == "denoised" else arrays.map_axes
            single = tuple(np.newaxis if c in "CTZ" else slice(None) for c in of.letters)
            array = np.broadcast_to(array[single], of.shape)
        found[key] = array
    if arrays.residual is not None and moment.plane is None:
        found["residual"] = residual(arrays.image, found["denoised"], axes)
    return found
