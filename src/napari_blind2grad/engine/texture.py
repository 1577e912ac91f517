"""What a camera's known noise does not explain: texture that no neighbour tells of."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

#: How far around a pixel the residual's energy is averaged.
TEXTURE_REACH = 32
#: Most energy of a pixel that counts, in variances: noise alone is hardly ever above.
_OUTLIER = 16.0


def give_back(noisy: Tensor, denoised: Tensor, variance: Tensor, kept: Tensor) -> Tensor:
    """Return `denoised` and, of the residual, the share that is no noise: the linear posterior mean.

    Of all images ``x + k r`` with the residual ``r = y − x``, the one with ``k = 1 − σ² (1 − d) / E r²`` is
    nearest to the clean image in the mean, d being the share of a pixel's own noise that is still in x: there
    the derivative by k of Stein's unbiased estimate of the risk is 0 (C. Stein, "Estimation of the mean of a
    multivariate normal distribution", 1981). k is above 0 where pixels vary on their own account. Means are
    taken over the surroundings, in which outliers such as hot pixels hardly count.

    Parameters
    ----------
    noisy, denoised
        Shape (K, H, W).
    variance
        The known noise variance of each value, same shape.
    kept
        d, same shape.
    """
    rest = noisy - denoised
    energy = _around(rest.square().minimum(_OUTLIER * variance))
    noise = _around(variance * (1.0 - kept))
    share = (1.0 - noise / energy.clamp_min(1e-12)).clamp_(0.0, 1.0)
    return torch.addcmul(denoised, share, rest)


def _around(image: Tensor) -> Tensor:
    """Return the means over squares, cut off at the border; shape (K, H, W)."""
    for axis in (0, 1):
        reach = [0, 0]
        reach[axis] = TEXTURE_REACH
        sides = [2 * r + 1 for r in reach]
        image = F.avg_pool2d(image, sides, 1, reach, count_include_pad=False)
    return image
