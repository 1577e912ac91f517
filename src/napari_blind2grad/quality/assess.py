"""One call that looks at an image, and at its denoised version if there is one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import verdicts
from .correlation import Correlation, input_correlation, residual_correlation
from .leftover import Leftover, leftover
from .noise import NoiseFit, fit_noise
from .rings import Rings, ring_correlation
from .sampling import take_sample
from .verdicts import Verdict


@dataclass(frozen=True)
class Quality:
    """Figures about one channel, none of which needs a clean image, and what they mean.

    Attributes
    ----------
    noise
        Strength and kind of the noise.
    correlation
        Correlation of the input's noise.
    residual
        Correlation of the residual, or None without a denoised image.
    leftover
        Noise left, structure removed and sharpness, or None without a denoised image.
    rings
        Fourier ring correlation of the noisy image, or None where it has no meaning.
    resolution
        Finest detail that stands out of the noise, in `unit`; nan where nothing does or it is not known.
    unit
        Unit of `resolution`.
    verdicts
        The findings in words, those about the result first.
    """

    noise: NoiseFit
    correlation: Correlation
    residual: Correlation | None
    leftover: Leftover | None
    rings: Rings | None
    resolution: float
    unit: str
    verdicts: tuple[Verdict, ...]

    @property
    def whiteness(self) -> float:
        """1 where no pixel of the residual (of the input's noise without one) is like its neighbours."""
        return (self.residual or self.correlation).whiteness

    @property
    def complaints(self) -> tuple[str, ...]:
        """Names of the verdicts that are not good."""
        return tuple(v.name for v in self.verdicts if v.kind != "good")


def assess(
    noisy: Any,
    denoised: Any | None = None,
    axes: str | None = None,
    *,
    channel: int = 0,
    rgb: bool = False,
    pixel: Sequence[float] = (1.0, 1.0),
    unit: str = "px",
) -> Quality:
    """Judge the noise of an image and, if it is given, the denoised image, without a clean one.

    At most six planes of at most 640 × 640 pixels are read, spread over the stack, so that even large
    and lazy arrays take less than a few seconds.

    Parameters
    ----------
    noisy, denoised
        Arrays of the same shape, real dtype; anything with ``shape``, ``dtype`` and slicing. NaN and infinite
        values are replaced by the plane's median.
    axes
        As in :func:`napari_blind2grad.denoise`.
    channel
        Which channel to judge.
    rgb
        Whether the last axis holds colours, for guessing axes. Samples count as planes of their own.
    pixel, unit
        Size of a pixel along Y and X, and its unit.

    Raises
    ------
    InputError
        If the axes do not fit, the shapes differ, all planes are blank, or there are no numbers.
    """
    sample = take_sample(noisy, denoised, axes, channel, rgb=rgb)
    noise = fit_noise(sample)
    shared = input_correlation(sample)
    rings = ring_correlation(sample, noise) if noise.kind not in ("none", "unknown") else None
    found = verdicts.of_input(sample, noise, shared)
    residual, left = None, None
    if sample.denoised is not None:
        residual, left = residual_correlation(sample), leftover(sample, noise)
        if shared.grainy and noise.kind not in ("none", "unknown"):
            found = verdicts.of_result(shared, residual, left) + found
    if rings is not None and abs(shared.strongest) > verdicts.CORRELATED:
        rings = None  # correlated noise passes as detail
    return Quality(
        noise=noise,
        correlation=shared,
        residual=residual,
        leftover=left,
        rings=rings,
        # Not square pixels: the side of a square of the same area.
        resolution=rings.resolution * math.sqrt(pixel[0] * pixel[1]) if rings else math.nan,
        unit=unit,
        verdicts=tuple(found),
    )
