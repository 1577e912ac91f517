"""Whether neighbouring pixels share their noise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .blocks import Floats, blocks, differences
from .sampling import Sample

Doubles = npt.NDArray[np.float64]

_SIDE = 16
#: Longest distance looked at, in pixels.
LAGS = 6
#: Lower quartile of a standard normal.
_QUARTILE = 0.6745
#: Order of the differences that keep structure out.
_ORDER = 4


@dataclass(frozen=True)
class Correlation:
    """Autocorrelation at small distances, each block weighted alike whatever its variance.

    Attributes
    ----------
    along
        By axis letter (``"Y"``, ``"X"``, and ``"Z"`` or ``"T"`` where there are such neighbours): the
        correlation at distances 1, 2, … in pixels. An axis too short to tell is left out.
    neighbours
        Correlation with the 8 nearest pixels, shape (3, 3), 1 in the middle; nan where not measured.
    error
        Standard error of the values.
    grainy
        Whether there is noise that changes from pixel to pixel. If not, structure may be part of the values.
    """

    along: Mapping[str, Doubles]
    neighbours: Doubles
    error: float
    grainy: bool = True

    @property
    def strongest(self) -> float:
        """The correlation of largest size with a pixel of the same plane that is one or two away."""
        near = [*np.delete(self.neighbours.ravel(), 4)]
        near += [value for letter in "YX" for value in self.along.get(letter, np.zeros(0))[:2]]
        return float(max((v for v in near if math.isfinite(v)), key=abs, default=0.0))

    @property
    def whiteness(self) -> float:
        """1 for noise that no pixel shares with its neighbours, 0 for noise that is fully shared."""
        return 1.0 - min(1.0, abs(self.strongest))


def input_correlation(sample: Sample) -> Correlation:
    """Return the correlation of the noise, estimated before anything is denoised.

    Along each axis it is measured in fourth differences across the other one: they keep what changes
    from pixel to pixel there, which is noise and, under a microscope's blur, hardly any structure. Noise
    that is independent across keeps its correlation along. What structure is left only adds, so the lower
    quartile of 16×16 blocks counts, put right for the scatter of pure noise. Between planes, both axes
    are differenced.
    """
    kept = _unclipped(sample)
    along: dict[str, Doubles] = {}
    count, grainy = 1, True
    for axis, letter in ((1, "Y"), (2, "X")):
        across = 3 - axis
        if sample.noisy.shape[axis] < 4 or sample.noisy.shape[across] < 2 * _ORDER:
            continue
        cut = blocks(_padded(sample.noisy, across), _SIDE)[kept].astype(np.float64)
        energy = _products(cut, cut, 0, 0)
        floor = sample.least**2 * math.comb(2 * _ORDER, _ORDER)  # of noise that strong, differenced
        grainy = grainy and bool(np.median(energy) > floor)
        lags = range(1, min(LAGS, cut.shape[axis] // 2) + 1)
        busy = energy > (floor if grainy else 0)
        cut, energy = cut[busy], energy[busy]
        steps = [(d, 0) if axis == 1 else (0, d) for d in lags]
        scatter = _scatter() / math.sqrt(cut[0].size) if len(cut) else 0.0
        each = [_products(cut, cut, *step) / energy for step in steps]
        along[letter] = np.array([_quartile(values, scatter) for values in each])
        count = max(1, int(busy.sum()))
    if not grainy:
        return _of_smooth(sample, kept)
    if sample.following is not None and min(sample.noisy.shape[1:]) >= 2 * _ORDER:
        along[sample.through] = np.array([_between(sample, kept)])
    neighbours = np.full((3, 3), np.nan)
    neighbours[1, 1] = 1.0
    if len(along.get("Y", ())):
        neighbours[0, 1] = neighbours[2, 1] = along["Y"][0]
    if len(along.get("X", ())):
        neighbours[1, 0] = neighbours[1, 2] = along["X"][0]
    return Correlation(along, neighbours, 1.36 * _scatter() / (_SIDE * math.sqrt(count)))


def residual_correlation(sample: Sample) -> Correlation:
    """Return the correlation of the residual, noisy minus denoised: structure in it counts."""
    assert sample.denoised is not None
    residual = sample.noisy - sample.denoised
    residual -= residual.mean((1, 2), keepdims=True)  # a shift of brightness is no structure
    cut = blocks(residual, _SIDE)[_unclipped(sample)]
    return _plain(cut.astype(np.float64))


def _of_smooth(sample: Sample, kept: npt.NDArray[np.bool_]) -> Correlation:
    """Return the correlation where nothing changes from pixel to pixel: of all that varies in a block."""
    cut = blocks(sample.noisy, _SIDE)[kept].astype(np.float64)
    found = _plain(cut - cut.mean((1, 2), keepdims=True))
    return Correlation(found.along, found.neighbours, found.error, grainy=False)


def _between(sample: Sample, kept: npt.NDArray[np.bool_]) -> float:
    assert sample.following is not None
    one, two = (
        blocks(_padded(_padded(planes, 1), 2), _SIDE)[kept].astype(np.float64)
        for planes in (sample.noisy, sample.following)
    )
    both = np.sqrt(_products(one, one, 0, 0) * _products(two, two, 0, 0))
    busy = both > 0
    values = _products(one, two, 0, 0)[busy] / both[busy]
    return float(np.median(values)) if values.size else 0.0


def _padded(planes: Floats, axis: int) -> Floats:
    """Return fourth differences along `axis`; the rim, which has none, is made up so that blocks fit."""
    rim = [(0, 0)] * 3
    rim[axis] = (_ORDER // 2, _ORDER // 2)
    return np.pad(differences(planes, axis, _ORDER), rim, mode="reflect")


def _scatter() -> float:
    """Return by how much differences across it widen the scatter of a block's correlation."""
    k = np.arange(-_ORDER, _ORDER + 1)
    own = np.array([math.comb(2 * _ORDER, _ORDER + int(i)) for i in k]) / math.comb(
        2 * _ORDER, _ORDER
    )
    return float(np.sqrt((own**2).sum()))


def _quartile(values: Doubles, scatter: float) -> float:
    return float(np.quantile(values, 0.25)) + _QUARTILE * scatter if values.size else 0.0


def _unclipped(sample: Sample) -> npt.NDArray[np.bool_]:
    """Return the blocks in which hardly any pixel is clipped, or the better half if they are too few."""
    share = blocks(sample.clipped, _SIDE).mean((1, 2))
    kept: npt.NDArray[np.bool_] = share <= 0.05
    return kept if kept.sum() >= 32 else share <= max(0.05, float(np.median(share)))


def _products(cut: Doubles, other: Doubles, dy: int, dx: int) -> Doubles:
    """Return the mean product of each block with `other`, moved by `dy` and `dx`, shape (N,)."""
    _, rows, columns = cut.shape
    a = cut[:, max(0, -dy) : rows - max(0, dy), max(0, -dx) : columns - max(0, dx)]
    b = other[:, max(0, dy) : rows - max(0, -dy), max(0, dx) : columns - max(0, -dx)]
    means: Doubles = np.einsum("nyx,nyx->n", a, b) / (a.shape[1] * a.shape[2])
    return means


def _plain(cut: Doubles) -> Correlation:
    """Return the mean correlation of blocks as they are."""
    energy = _products(cut, cut, 0, 0)
    busy = energy > 1e-12 * float(energy.max(initial=0.0))
    cut, energy = cut[busy], energy[busy]
    count, rows, columns = cut.shape
    neighbours = np.full((3, 3), np.nan)
    neighbours[1, 1] = 1.0
    if count == 0:
        return Correlation({}, neighbours, 0.0)

    def at(dy: int, dx: int) -> float:
        return float((_products(cut, cut, dy, dx) / energy).mean())

    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        if abs(dy) < rows and abs(dx) < columns:
            neighbours[1 + dy, 1 + dx] = neighbours[1 - dy, 1 - dx] = at(dy, dx)
    along = {
        "Y": np.array([at(d, 0) for d in range(1, min(LAGS, rows // 2) + 1)]),
        "X": np.array([at(0, d) for d in range(1, min(LAGS, columns // 2) + 1)]),
    }
    return Correlation(along, neighbours, 1 / math.sqrt(rows * columns * count))
