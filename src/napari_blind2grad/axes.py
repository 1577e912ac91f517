"""Axes strings, and the way from any axis order to the engine's own and back.

The engine works on ``CTZSYX`` arrays: channel, time, plane, sample (colour), row, column. Axes that the
input lacks have length 1 there. All conversions are views; nothing is copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from .errors import InputError

#: Order of axes inside the engine.
CANONICAL = "CTZSYX"
_GUESSES = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TCZYX"}
_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True)
class Axes:
    """The axes of one array.

    Attributes
    ----------
    letters
        One of ``T C Z Y X S`` for each dimension, any order; ``Y`` and ``X`` are required, ``S`` stands
        for the samples of a colour image.
    shape
        Length of each dimension.
    """

    letters: str
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        letters = self.letters
        if len(letters) != len(self.shape):
            raise InputError(
                f"The axes {letters!r} name {len(letters)} dimensions, but the image has "
                f"{len(self.shape)} (shape {self.shape}). Give one letter for each dimension."
            )
        for letter in letters:
            if letter not in CANONICAL:
                raise InputError(
                    f"Unknown axis {letter!r} in {letters!r}: use T, C, Z, Y, X and S."
                )
        if len(set(letters)) != len(letters):
            raise InputError(f"The axes {letters!r} name one dimension twice.")
        if "Y" not in letters or "X" not in letters:
            raise InputError(f"The axes {letters!r} lack Y or X: an image has both.")
        if "S" in letters and self.length("S") > 4:
            raise InputError(
                f"The colour axis S has {self.length('S')} samples; at most 4 (RGBA) make sense. "
                "Use C for channels."
            )

    def length(self, letter: str) -> int:
        """Length of the axis `letter`; 1 if it is absent."""
        return self.shape[self.letters.index(letter)] if letter in self.letters else 1

    @property
    def planes(self) -> tuple[str, ...]:
        """The letters of C, T and Z that the array has, in its own order."""
        return tuple(letter for letter in self.letters if letter in "CTZ")

    def to_canonical(self, array: npt.NDArray[_T]) -> npt.NDArray[_T]:
        """View `array` (these axes) as ``CTZSYX``."""
        present = [c for c in CANONICAL if c in self.letters]
        moved = array.transpose([self.letters.index(c) for c in present])
        return moved.reshape([self.length(c) for c in CANONICAL]) if array.size else moved

    def from_canonical(self, array: npt.NDArray[_T]) -> npt.NDArray[_T]:
        """View a ``CTZSYX`` `array` in these axes; those absent here must have length 1 in it."""
        absent = tuple(i for i, c in enumerate(CANONICAL) if c not in self.letters)
        squeezed = array.squeeze(absent)
        present = [c for c in CANONICAL if c in self.letters]
        return squeezed.transpose([present.index(c) for c in self.letters])

    def without(self, letter: str) -> Axes:
        """These axes without `letter`."""
        pairs = [(c, n) for c, n in zip(self.letters, self.shape, strict=True) if c != letter]
        return Axes("".join(c for c, _ in pairs), tuple(n for _, n in pairs))

    def plane_slices(self, index: Mapping[str, int]) -> tuple[Any, ...]:
        """Return the index that selects one plane of an array with these axes.

        Parameters
        ----------
        index
            Position along the axes of :attr:`planes`; missing ones are taken as 0.
        """
        return tuple(index.get(c, 0) if c in "CTZ" else slice(None) for c in self.letters)


def guess_axes(ndim: int, *, rgb: bool = False) -> str:
    """Return the axes string that an unlabelled array of `ndim` dimensions most likely has.

    Parameters
    ----------
    ndim
        Number of dimensions, colour included.
    rgb
        Whether the last dimension holds the samples of a colour image.

    Raises
    ------
    InputError
        If `ndim` is below 2 or above 5 (6 with colour).
    """
    spatial = ndim - 1 if rgb else ndim
    if spatial not in _GUESSES:
        raise InputError(
            f"An image with {spatial} dimensions cannot be denoised: it needs 2 to 5 "
            "(Y, X and any of T, C, Z)."
        )
    return _GUESSES[spatial] + ("S" if rgb else "")


def parse_axes(axes: str | None, shape: tuple[int, ...], *, rgb: bool = False) -> Axes:
    """Return validated :class:`Axes` for an array of `shape`; guess them if `axes` is None."""
    letters = guess_axes(len(shape), rgb=rgb) if axes is None else axes.upper()
    return Axes(letters, tuple(int(n) for n in shape))
