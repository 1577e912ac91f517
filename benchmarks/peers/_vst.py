"""Poisson-Gaussian noise: its gain and offset found in one image, and a transform that makes it even.

The model is ``variance = a · mean + b``. The transform is the generalised Anscombe root; its inverse is the
closed form that is nearly the exact unbiased one (M. Mäkitalo and A. Foi, "Optimal inversion of the
generalized Anscombe transformation for Poisson-Gaussian noise", IEEE Trans. Image Process. 22, 2013).
Both need nothing but a and b: how b divides into read noise and pedestal makes no difference.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import ndimage

BLOCK = 8
#: Share of the blocks of one brightness that is taken to be free of structure.
QUIET = 0.2
#: Largest share of clipped pixels in a block that is used.
CLIPPED = 0.02
_HIGH_PASS = np.outer([1, -2, 1], [1, -2, 1]) / 6.0  # white noise keeps its variance


def _blocks(image: np.ndarray) -> np.ndarray:
    """Return the pixels of whole blocks of the last two axes, one row for each block."""
    h, w = (n // BLOCK for n in image.shape[-2:])
    cut = image[..., : h * BLOCK, : w * BLOCK].reshape(-1, h, BLOCK, w, BLOCK)
    return cut.swapaxes(2, 3).reshape(-1, BLOCK * BLOCK)


def _spread(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and noise variance of each block; structure makes the variance too large."""
    planes = image.reshape(-1, *image.shape[-2:])
    rough = np.stack([ndimage.convolve(p, _HIGH_PASS, mode="mirror") for p in planes])
    return _blocks(planes).mean(axis=1), (_blocks(rough) ** 2).mean(axis=1)


@cache
def _bias() -> float:
    """Return the quantile `QUIET` of a block's variance for pure noise of variance 1."""
    return float(
        np.quantile(_spread(np.random.default_rng(0).standard_normal((512, 512)))[1], QUIET)
    )


def fit(noisy: np.ndarray) -> tuple[float, float]:
    """Estimate gain and offset of the noise from the image (or planes) itself.

    Blocks of like brightness are put together, and of each such class the quiet ones tell the variance.
    Blocks with clipped pixels (at the smallest or largest value that occurs, where many share it) are left
    out, as clipping takes variance away; the line goes on below the brightness where blocks remain.

    Returns
    -------
    tuple of float
        ``a`` and ``b`` of ``variance = a · mean + b``; `a` is 0 where variance does not grow with the mean.
    """
    image = noisy.astype(np.float64)
    mean, variance = _spread(image)
    low, high = image.min(), image.max()
    edge = _blocks((image <= low) | (image >= high)).mean(axis=1)
    use = edge <= CLIPPED
    if use.sum() < 64:  # hardly anything is free of clipping: better a biased fit than none
        use = np.ones_like(use)
    mean, variance = mean[use], variance[use]
    order = np.argsort(mean)
    classes = np.array_split(order, int(np.clip(len(order) // 32, 4, 64)))
    x = np.array([mean[c].mean() for c in classes])
    y = np.array([np.quantile(variance[c], QUIET) for c in classes]) / _bias()
    weight = np.ones_like(x)
    a, b = 0.0, float(np.median(y))
    for _ in range(
        20
    ):  # classes off the line count less; relative, as variances scatter with their size
        level = np.maximum(a * x + b, 0.05 * np.median(y) + 1e-12)
        a, b = np.polyfit(x, y, 1, w=np.sqrt(weight) / level)
        off = np.abs(y - a * x - b) / np.maximum(a * x + b, 0.05 * np.median(y) + 1e-12)
        weight = 1 / np.maximum(off, 0.05)
    if a <= 0:
        return 0.0, float(np.median(y))
    return float(a), float(b)


def forward(image: np.ndarray, a: float, b: float) -> np.ndarray:
    """Return `image` with noise of standard deviation 1 everywhere."""
    return 2 / a * np.sqrt(np.maximum(a * image + 0.375 * a * a + b, 0))


def inverse(stable: np.ndarray, a: float, b: float) -> np.ndarray:
    """Return the mean that belongs to a denoised transformed image, without the bias of the root."""
    d = np.maximum(stable, 2 * np.sqrt(0.375))
    root = np.sqrt(1.5)
    counts = d**2 / 4 + root / 4 / d - 11 / 8 / d**2 + 5 * root / 8 / d**3 - 1 / 8
    return a * counts - b / a


def stabilised(denoise, noisy: np.ndarray, a: float, b: float) -> np.ndarray:
    """Apply ``denoise(image in 0 to 1, sigma)`` under the transform, or as it is where `a` is 0."""
    image = noisy.astype(np.float64)
    stable = forward(image, a, b) if a > 0 else image
    sigma = 1.0 if a > 0 else np.sqrt(max(b, 0))
    low, span = stable.min(), max(np.ptp(stable), 1e-12)
    done = denoise((stable - low) / span, sigma / span) * span + low
    return inverse(done, a, b) if a > 0 else done
