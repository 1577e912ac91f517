"""The planes that are looked at: few enough to be quick, spread over the whole stack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..axes import parse_axes
from ..errors import InputError

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

#: Planes looked at, and the longest side of what is cut out of the middle of each.
_PLANES = 6
_SIDE = 640
#: Share of pixels at the lowest or highest value above which that value counts as a limit of the camera.
_PILE = 0.0005
_RANGE, _ROUNDING = 0.001, 0.4


@dataclass(frozen=True)
class Sample:
    """Planes of one channel, as float32 in the image's own units.

    Attributes
    ----------
    noisy
        Shape (P, Y, X); colour samples count as planes of their own.
    denoised
        The same pixels of the denoised image, or None.
    following
        The next plane along `through` of each, or None in a single plane.
    through
        ``"Z"``, ``"T"`` or empty.
    clipped
        Pixels at the lowest or highest value that the image can hold, shape (P, Y, X).
    dark, saturated
        Share of pixels that pile up at the lowest and at the highest value.
    blank, looked_at
        Planes without any contrast, which are left out of the others, and planes tried.
    least
        Standard deviation below which noise does not count: a thousandth of the range of brightness, or
        little more than what rounding to the image's grey values makes.
    """

    noisy: Floats
    denoised: Floats | None
    following: Floats | None
    through: str
    clipped: Flags
    dark: float
    saturated: float
    blank: int
    looked_at: int
    least: float


def take_sample(
    noisy: Any, denoised: Any | None, axes: str | None, channel: int = 0, *, rgb: bool = False
) -> Sample:
    """Cut a sample out of an image; only the planes looked at are read.

    Raises
    ------
    InputError
        If the axes do not fit, the shapes differ, or no value is finite.
    """
    parsed = parse_axes(axes, noisy.shape, rgb=rgb)
    if denoised is not None and tuple(denoised.shape) != tuple(noisy.shape):
        raise InputError(
            f"The denoised image has the shape {tuple(denoised.shape)}, the noisy one "
            f"{tuple(noisy.shape)}: give both of the same region."
        )
    if not 0 <= channel < parsed.length("C"):
        raise InputError(f"There is no channel {channel}: the image has {parsed.length('C')}.")
    spatial = [c for c in parsed.letters if c in "YXS"]
    order = [spatial.index(c) for c in "SYX" if c in spatial]

    def read(array: Any, t: int, z: int) -> Floats:
        place = parsed.plane_slices({"C": channel, "T": t, "Z": z})
        parts = zip(parsed.letters, parsed.shape, place, strict=True)
        middle = tuple(_middle(n) if c in "YX" else part for c, n, part in parts)
        plane = np.asarray(array[middle])
        if plane.dtype.kind not in "uif":
            raise InputError(f"The image has the type {plane.dtype}: only numbers can be assessed.")
        plane = plane.transpose(order)
        return plane.reshape(-1, *plane.shape[-2:])[:3].astype(np.float32)

    through = next((c for c in "ZT" if parsed.length(c) > 1), "")
    places = list(_spread(parsed.length("T"), parsed.length("Z")))
    first, second, after, blank = [], [], [], 0
    for t, z in places:
        plane = read(noisy, t, z)
        finite = np.isfinite(plane)
        if not finite.any() or np.ptp(plane[finite]) == 0:
            blank += 1
            continue
        first.append(_mended(plane))
        if denoised is not None:
            second.append(_mended(read(denoised, t, z)))
        if through:
            # The last plane has none after it: the one before does as well.
            last = (z if through == "Z" else t) + 1 == parsed.length(through)
            move = -1 if last else 1
            t2, z2 = (t, z + move) if through == "Z" else (t + move, z)
            after.append(_mended(read(noisy, t2, z2)))
    if not first:
        raise InputError("All planes are blank: there is nothing to assess.")
    planes = np.concatenate(first)
    clipped, dark, saturated = _limits(planes)
    low, high = np.percentile(planes, (0.1, 99.9))
    span = float(high - low)
    step = _step(planes)
    return Sample(
        noisy=planes,
        denoised=np.concatenate(second) if second else None,
        following=np.concatenate(after) if after else None,
        through=through,
        clipped=clipped,
        dark=dark,
        saturated=saturated,
        blank=blank,
        looked_at=len(places),
        # Where there are but a few values, they are single photons and not rounded.
        least=max(_RANGE * span, _ROUNDING * step if span >= 8 * step else 0.0),
    )


def _spread(times: int, depths: int) -> Iterator[tuple[int, int]]:
    """Yield (t, z) of at most :data:`_PLANES` planes, evenly spread over all of them."""
    total = times * depths
    count = min(_PLANES, total)
    for i in range(count):
        yield divmod((2 * i + 1) * total // (2 * count), depths)


def _middle(length: int) -> slice:
    start = max(0, (length - _SIDE) // 2)
    return slice(start, min(length, start + _SIDE))


def _mended(plane: Floats) -> Floats:
    """Return `plane` with its median in the place of what is not finite."""
    finite = np.isfinite(plane)
    return plane if finite.all() else np.where(finite, plane, np.median(plane[finite]))


def _step(planes: Floats) -> float:
    """Return the distance between two grey values; 0 where values are hardly ever the same."""
    some = planes.ravel()[:: max(1, planes.size // 65536) | 1]
    values = np.unique(some)
    return float(np.diff(values).min()) if 1 < len(values) <= len(some) // 4 else 0.0


def _limits(planes: Floats) -> tuple[Flags, float, float]:
    """Return which pixels lie at a limit, and the shares of those at the lowest and the highest value.

    Values that merely happen to be the highest get rarer towards it; at a limit they pile up.
    """
    low, high = planes.min(), planes.max()
    at_low, at_high = planes == low, planes == high
    inside = planes[~(at_low | at_high)]
    dark, saturated = float(at_low.mean()), float(at_high.mean())
    if not inside.size:
        return np.zeros_like(at_low), 0.0, 0.0
    next_high = float((inside == inside.max()).sum()) / planes.size
    if saturated < _PILE or saturated < 2 * next_high:
        at_high, saturated = np.zeros_like(at_high), 0.0
    if dark < _PILE:
        at_low, dark = np.zeros_like(at_low), 0.0
    return at_low | at_high, dark, saturated
