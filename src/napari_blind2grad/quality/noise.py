"""How strong the noise is, how it grows with brightness, and of which kind it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares
from scipy.special import gammaincinv

from .blocks import blocks, high_pass
from .sampling import Sample

Doubles = npt.NDArray[np.float64]
Kind = Literal["Gaussian", "Poisson–Gaussian", "none", "unknown"]

_SIDE = 8
#: Structure adds to the variance of a block and never takes away: the quarter of blocks with the least tells
#: of the noise.
_QUANTILE = 0.25
#: Independent values in a filtered 8×8 block: the filter makes neighbours alike, (1 + 34/36)² pixels count
#: once.
_FREEDOM = _SIDE**2 / (1 + 34 / 36) ** 2
_BINS = 24
_FEWEST = 16
#: A brightness at which more than this share of pixels is clipped says nothing about the noise.
_CLIPPED = 0.05
#: The variance must grow by this factor over the brightnesses of the image to be called signal-dependent:
#: less is within reach of structure taken for noise, and of no consequence.
_GROWTH = 1.5


@dataclass(frozen=True)
class NoiseFit:
    """Noise variance against brightness, ``variance = gain · brightness + constant``.

    Attributes
    ----------
    kind
        ``"Poisson–Gaussian"`` if the gain exceeds three times its error and the variance grows by half or
        more from the darkest to the brightest point; else ``"Gaussian"``. ``"none"``: the image is free of
        noise (below a 1000th of its range, or what rounding makes). ``"unknown"``: too few pixels.
    gain, gain_error
        Image units per photon and its standard error; 0 for Gaussian noise.
    constant
        Variance at brightness 0, image units²; negative where an offset was added to the photons.
    sigma
        Root of the mean variance over the image, image units.
    levels, variances
        The points that the line was fitted to, shape (L,).
    bright
        Brightness of bright places (percentile 99 of blocks).
    """

    kind: Kind
    gain: float
    gain_error: float
    constant: float
    sigma: float
    levels: Doubles
    variances: Doubles
    bright: float

    def variance(self, brightness: npt.NDArray[np.floating]) -> Doubles:
        """Return the fitted variance, never below a hundredth of the mean one."""
        floor = max(0.01 * self.sigma**2, 1e-30)
        return np.maximum(self.gain * brightness.astype(np.float64) + self.constant, floor)

    @property
    def zero(self) -> float:
        """Brightness at which no noise would be left: the camera's offset lies there or above it."""
        return -self.constant / self.gain if self.gain > 0 else math.nan

    @property
    def photons(self) -> float:
        """Photons at bright places, if the camera's offset is 0 or the least that the fit allows."""
        if self.gain <= 0:
            return math.nan
        return (self.bright - max(0.0, self.zero)) / self.gain


def fit_noise(sample: Sample) -> NoiseFit:
    """Fit the noise of a sample.

    Second differences along both axes keep noise and little structure. Their mean square in 8×8 blocks
    is compared within bins of equal brightness; the lower quartile of each bin, corrected for what it is
    of pure noise, is a point. A robust line goes through the points. Correlated noise comes out too weak.
    """
    filtered = high_pass(sample.noisy)
    margin = tuple((a - b) // 2 for a, b in zip(sample.noisy.shape, filtered.shape, strict=True))
    inner = tuple(slice(m, m + n) for m, n in zip(margin, filtered.shape, strict=True))
    energy = blocks(filtered**2, _SIDE).mean((1, 2), dtype=np.float64)  # (N,)
    level = blocks(sample.noisy[inner], _SIDE).mean((1, 2), dtype=np.float64)
    clipped = blocks(sample.clipped[inner], _SIDE).mean((1, 2))
    bright = float(np.percentile(level, 99))
    levels, variances, counts = _points(level, energy, clipped)
    if filtered.shape[1] * filtered.shape[2] < 64 or not len(levels):
        sigma = float(np.sqrt(energy.mean()))
        return NoiseFit("unknown", 0.0, 0.0, sigma**2, sigma, levels, variances, bright)
    gain, constant, error = _line(levels, variances, counts)
    ends = gain * levels[[0, -1]] + constant
    dependent = gain > 3 * error and ends[1] >= _GROWTH * max(ends[0], 0.0)
    kind: Kind = "Poisson–Gaussian" if dependent else "Gaussian"
    if not dependent:
        gain, error, constant = 0.0, 0.0, float(np.average(variances, weights=counts))
    sigma = math.sqrt(max(float(np.maximum(gain * level + constant, 0).mean()), 0.0))
    if sigma < sample.least:
        kind = "none"
    return NoiseFit(kind, gain, error, constant, sigma, levels, variances, bright)


def _points(level: Doubles, energy: Doubles, clipped: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """Return brightness, noise variance and number of blocks for each bin of brightness."""
    order = np.argsort(level)
    level, energy, clipped = level[order], energy[order], clipped[order]
    low, high = np.percentile(level, (0.5, 99.5))
    edges = np.searchsorted(level, np.linspace(low, high, _BINS + 1)[1:-1])
    groups, start = [], 0
    for end in (*edges, len(level)):
        if end - start >= _FEWEST:
            groups.append(slice(start, end))
            start = end
    # Half of chi-squared's quantile, over half its mean.
    pure = gammaincinv(_FREEDOM / 2, _QUANTILE) / (_FREEDOM / 2)
    good = [g for g in groups if clipped[g].mean() <= _CLIPPED]
    if len(good) >= 3:
        values = [np.quantile(energy[g], _QUANTILE) / pure for g in good]
    else:  # hardly any photons: what structure there is drowns
        good, values = groups, [energy[g].mean() for g in groups]
    levels = [np.median(level[g]) for g in good]
    counts = [float(g.stop - g.start) for g in good]
    return np.array(levels), np.array(values, float), np.array(counts)


def _line(levels: Doubles, variances: Doubles, counts: Doubles) -> tuple[float, float, float]:
    """Return gain (not negative), constant and the error of the gain."""
    span, top = float(np.ptp(levels)), float(variances.max())
    if len(levels) < 3 or span == 0 or top == 0:
        return 0.0, float(np.average(variances, weights=counts)), 0.0
    x, y = (levels - levels[0]) / span, variances / top
    # Sampling error, a tenth for structure that passes as noise, and a little for levels near 0.
    error = np.sqrt(y**2 * (4 / (_FREEDOM * counts) + 0.01) + 1e-4)

    def residuals(line: Doubles) -> Doubles:
        off: Doubles = (line[0] * x + line[1] - y) / error
        return off

    fit = least_squares(residuals, (0.5, 0.5), loss="soft_l1", bounds=((0, -10), (100, 10)))
    inverse = np.linalg.inv(fit.jac.T @ fit.jac)
    scatter = max(1.0, 2 * fit.cost / max(1, len(x) - 2))
    slope, start = fit.x
    gain = float(slope * top / span)
    return (
        gain,
        float(start * top - gain * levels[0]),
        float(math.sqrt(inverse[0, 0] * scatter) * top / span),
    )
