"""A root that makes signal-dependent noise even, and the way back.

Noise of the variance ``a · mean + b``, as of photons that are counted and read out, becomes noise of variance
1 under the generalised Anscombe root. The way back is the closed form that is nearly the exact unbiased one
(M. Mäkitalo and A. Foi, "Optimal inversion of the generalized Anscombe transformation for Poisson-Gaussian
noise", IEEE Trans. Image Process. 22, 2013). How b divides into read noise and pedestal makes no difference.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

from .noise import NoiseCurve

#: Variance at the brightest against that at the darkest level from which the noise counts as uneven.
_UNEVEN = 2.0
#: Root of a mean of no photons.
_LEAST = math.sqrt(1.5)
_NEWTON = 5


class Root(NamedTuple):
    """The transform for noise of variance ``gain · mean + offset``.

    Attributes
    ----------
    gain, offset
        ``a`` (positive) and ``b``, in the units of the image.
    """

    gain: float
    offset: float

    def forward(self, image: Tensor) -> Tensor:
        """Return noisy values with noise of variance 1: ``2 √(image/a + b/a² + 3/8)``."""
        return 2.0 * (self._counts(image) + 0.375).clamp_min(0.0).sqrt()

    def inverse(self, root: Tensor) -> Tensor:
        """Return the mean of the image whose root has the mean `root`, without the bias of the root."""
        return self.gain * _counts_of(root.clamp_min(_LEAST)) - self.offset / self.gain

    def of_mean(self, mean: Tensor) -> Tensor:
        """Return the mean of the root of noisy values with this `mean`: :meth:`inverse`, turned round."""
        counts = self._counts(mean).clamp_min(0.0)
        root = 2.0 * (counts + 0.375).sqrt()
        for _ in range(_NEWTON):
            root = (root - (_counts_of(root) - counts) / _slope(root)).clamp_min(_LEAST)
        return root

    def _counts(self, image: Tensor) -> Tensor:
        return image / self.gain + self.offset / self.gain**2


def root_of(noise: NoiseCurve) -> Root | None:
    """Return the transform for `noise`; None where it does not grow with brightness, or hardly."""
    gain, offset = noise.line()
    dark, bright = (gain * float(noise.levels[i]) + offset for i in (0, -1))
    if gain <= 0 or bright <= 0 or bright < _UNEVEN * dark:
        return None
    return Root(gain, offset)


def _counts_of(root: Tensor) -> Tensor:
    near = root.reciprocal()
    return (
        root.square() / 4 - 0.125 + near * (_LEAST / 4 + near * (-11 / 8 + near * (5 * _LEAST / 8)))
    )


def _slope(root: Tensor) -> Tensor:
    near = root.reciprocal()
    return root / 2 + near.square() * (-_LEAST / 4 + near * (11 / 4 + near * (-15 * _LEAST / 8)))
