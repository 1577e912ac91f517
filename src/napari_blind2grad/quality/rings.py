"""Fourier ring correlation of a single image: how fine the detail is that stands out of the noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from .noise import NoiseFit
from .sampling import Sample

Doubles = npt.NDArray[np.float64]

#: Correlation at which resolution is read off.
THRESHOLD = 1 / 7
_PLANES = 3


@dataclass(frozen=True)
class Rings:
    """The curve and where it falls below 1/7.

    Attributes
    ----------
    frequency
        Cycles per pixel, shape (F,), up to 0.5.
    correlation
        Shape (F,).
    resolution
        Size of the finest detail above the threshold, in pixels; 2 where all of it is above, nan where
        nothing is.
    """

    frequency: Doubles
    correlation: Doubles
    resolution: float


def ring_correlation(sample: Sample, noise: NoiseFit) -> Rings | None:
    """Return the curve of the noisy image, or None for a plane too small or free of noise.

    Two images with independent noise are made of the one by adding and subtracting fresh noise of the
    fitted strength: ``y ± σ(y) n``. Their errors are uncorrelated if the image's own noise is white, so
    what they share is structure. Correlated noise makes the resolution look finer than it is.
    """
    side = min(sample.noisy.shape[1:])
    if side < 32 or noise.sigma == 0:
        return None
    random = np.random.default_rng(0)
    window = np.hanning(side)[:, None] * np.hanning(side)[None, :]
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    rings = min(64, side // 4)
    ring = np.minimum((radius * 2 * rings).astype(int), rings).ravel()
    sums = np.zeros((3, rings + 1))
    for plane in sample.noisy[:: -(-len(sample.noisy) // _PLANES)]:
        square = plane[:side, :side].astype(np.float64)
        # The strength follows brightness, not the noise itself: else the two would share a part of it.
        fresh = np.sqrt(noise.variance(_smooth(square))) * random.standard_normal(square.shape)
        square -= square.mean()
        a, b = (fft.rfft2(window * part) for part in (square + fresh, square - fresh))
        for i, product in enumerate(((a * b.conj()).real, abs(a) ** 2, abs(b) ** 2)):
            sums[i] += np.bincount(ring, product.ravel(), rings + 1)
    shared, first, second = sums[:, :rings]
    curve = shared / np.sqrt(np.maximum(first * second, 1e-300))
    smooth = np.convolve(np.pad(curve, 1, mode="edge"), np.ones(3) / 3, "valid")
    frequency = (np.arange(rings) + 0.5) / (2 * rings)
    return Rings(frequency, smooth, _resolution(frequency, smooth))


def _smooth(plane: Doubles) -> Doubles:
    from scipy.ndimage import uniform_filter

    smooth: Doubles = uniform_filter(plane, 5)
    return smooth


def _resolution(frequency: Doubles, curve: Doubles) -> float:
    below = np.flatnonzero(curve < THRESHOLD)
    if not len(below):
        return 2.0
    end = below[0]
    if end == 0:
        return math.nan
    (x0, x1), (y0, y1) = frequency[end - 1 : end + 1], curve[end - 1 : end + 1]
    return float(1 / (x0 + (x1 - x0) * (y0 - THRESHOLD) / (y0 - y1)))
