"""Figures for each result of a comparison, in no need of a clean image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..axes import Axes
from ..events import Result

#: Training steps at the end of a run over which its loss is averaged.
_LAST = 20


@dataclass(frozen=True)
class Figures:
    """What is measured of one result.

    Attributes
    ----------
    error
        Mean ``‖d_c‖²`` at hidden pixels over the last training steps: the same whatever ω and γ weigh.
    autocorrelation
        Of the residual, between neighbours: near 0 for plain noise, above it where structure was removed.
    sharpness
        Steepness of the strongest 1 % of edges, image units per pixel.
    """

    error: float
    autocorrelation: float
    sharpness: float


def figures(image: npt.NDArray[np.generic], result: Result, index: Mapping[str, int]) -> Figures:
    """Return the figures of a result.

    Parameters
    ----------
    image
        The noisy input.
    result
        Of a run on it.
    index
        The plane to measure, by axis letter.
    """
    plane = Axes(result.axes, image.shape).plane_slices(index)
    noisy, denoised = (array[plane].astype(np.float64) for array in (image, result.image))
    letters = [c for c in result.axes if c in "YXS"]
    if "S" in letters:
        noisy, denoised = (array.mean(letters.index("S")) for array in (noisy, denoised))
    content = result.losses["content"][-_LAST:]
    return Figures(
        error=float(content.mean()) if len(content) else float("nan"),
        autocorrelation=neighbour_correlation(noisy - denoised),
        sharpness=steepness(denoised),
    )


def neighbour_correlation(residual: npt.NDArray[np.float64]) -> float:
    """Return the correlation of pixels with their next ones, the mean over both axes; nan if constant.

    Parameters
    ----------
    residual
        Shape (Y, X).
    """
    centred = residual - residual.mean()
    energy = float(np.square(centred).mean())
    if not energy > 0 or min(residual.shape) < 2:
        return float("nan")
    along = (centred[1:] * centred[:-1]).mean(), (centred[:, 1:] * centred[:, :-1]).mean()
    return float(np.mean(along)) / energy


def steepness(image: npt.NDArray[np.float64]) -> float:
    """Return the 99th percentile of the gradient's length in `image` (Y, X), per pixel."""
    if min(image.shape) < 2:
        return float("nan")
    down = image[1:, :-1] - image[:-1, :-1]
    right = image[:-1, 1:] - image[:-1, :-1]
    return float(np.percentile(np.hypot(down, right), 99))
