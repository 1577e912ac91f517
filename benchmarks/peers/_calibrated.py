"""Scikit-image's filters, their strength found by the J-invariant loss (no clean image, no known noise)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from skimage.restoration import calibrate_denoiser

from peers import Kind


def run(
    noisy: np.ndarray, axes: str, kind: Kind, function: Callable, grid: Mapping[str, Sequence]
) -> np.ndarray:
    """Denoise with `function` at that point of `grid` which has the smallest self-supervised loss.

    The loss is of the J-invariant version; the result is of the filter itself, which sees each pixel's own
    value too and is better for it.
    """
    peak = float(kind["peak"])
    image = noisy.astype(np.float64) / peak
    channel = axes.index("S") if "S" in axes else None
    choices = {**grid, "channel_axis": [channel]}
    _, (tried, losses) = calibrate_denoiser(image, function, choices, extra_output=True)
    return np.asarray(function(image, **tried[int(np.argmin(losses))])) * peak


def around(sigma: float, low: float, high: float, count: int) -> list[float]:
    """Return `count` strengths from `low` to `high` times the estimated `sigma`, in even ratios."""
    return list(np.geomspace(low, high, count) * max(sigma, 1e-6))
