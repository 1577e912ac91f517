"""Part of an image, as text: ``Z=3:20,Y=0:256,X=0:256``.

Each axis that is named is cut to the positions from the first number up to, but without, the second, as
in Python's slices; the others stay whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .errors import InputError

if TYPE_CHECKING:  # it imports numpy, which the command line's help can do without
    from .axes import Axes

Crop = Mapping[str, tuple[int, int]]

_PART = re.compile(r"\s*([A-Za-z])\s*=\s*(\d+)\s*:\s*(\d+)\s*")
_HOW = "Write it like Z=3:20,Y=0:256: an axis, the first position, and the one after the last."


def parse_crop(text: str) -> dict[str, tuple[int, int]]:
    """Return start and stop by axis letter from a `text` such as ``Z=3:20,Y=0:256``.

    Raises
    ------
    InputError
        If the text is not of that form, names an axis twice, or a part is empty.
    """
    crop: dict[str, tuple[int, int]] = {}
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise InputError(f"The crop {part.strip()!r} cannot be understood. {_HOW}")
        letter, start, stop = match[1].upper(), int(match[2]), int(match[3])
        if letter in crop:
            raise InputError(f"The crop names the axis {letter} twice.")
        if letter not in "TCZYX":
            raise InputError(f"The crop can cut T, C, Z, Y and X, not {letter!r}.")
        if start >= stop:
            raise InputError(f"The crop {part.strip()!r} holds nothing. {_HOW}")
        crop[letter] = start, stop
    return crop


def crop_slices(crop: Crop, axes: Axes) -> tuple[slice, ...]:
    """Return one slice for each dimension of an array with `axes`.

    Raises
    ------
    InputError
        If the array lacks an axis of the crop or ends before the crop does.
    """
    for letter, (_, stop) in crop.items():
        if letter not in axes.letters:
            raise InputError(f"The crop names the axis {letter}, but the image has {axes.letters}.")
        if stop > axes.length(letter):
            raise InputError(
                f"The crop ends at {letter} = {stop}, but the image has only {axes.length(letter)} "
                f"positions along {letter}."
            )
    return tuple(slice(*crop[c]) if c in crop else slice(None) for c in axes.letters)


def crop_text(axes: Axes, region: Sequence[slice]) -> str:
    """Return `region`, one slice for each dimension, as text; empty if it is everything."""
    parts = []
    for letter, length, part in zip(axes.letters, axes.shape, region, strict=True):
        start, stop, _ = part.indices(length)
        if (start, stop) != (0, length):
            parts.append(f"{letter}={start}:{stop}")
    return ",".join(parts)


def index_text(crop: Crop, letters: str) -> str:
    """Return the crop as a Python index for an array with axes `letters`, such as ``[3:20, :, 0:256]``."""
    parts = [f"{crop[c][0]}:{crop[c][1]}" if c in crop else ":" for c in letters]
    return f"[{', '.join(parts)}]"
