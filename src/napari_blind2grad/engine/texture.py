"""What a camera's known noise does not explain: texture that no neighbour tells of."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

#: How far around a pixel the residual's energy is averaged, and how far away a pixel that counts may lie.
_AROUND = 48
TEXTURE_REACH = _AROUND + 1
#: Most energy of a pixel that counts, in variances: noise alone is hardly ever above.
_OUTLIER = 16.0
#: Noise that is left in a result, against what its own blocks keep: like blocks overlap and return more, and
#: the network has seen the pixel too. Measured on the tuning stacks: docs/design/experiments.md.
_LEFT = 2.0
#: Slopes of the denoised image, in standard deviations of the noise per pixel, at which a pixel counts as
#: flat and as an edge; and the part that the others play in an average over either.
_FLAT, _EDGE = 0.2, 2.0
_OTHERS = 0.02


def give_back(noisy: Tensor, denoised: Tensor, variance: Tensor, kept: Tensor) -> Tensor:
    """Return `denoised` and, of the residual, the share that is no noise: the linear posterior mean.

    Of all images ``x + k r`` with the residual ``r = y − x``, the one with ``k = 1 − σ² (1 − d) / E r²`` is
    nearest to the clean image in the mean, d being the share of a pixel's own noise that is still in x: there
    the derivative by k of Stein's unbiased estimate of the risk is 0 (C. Stein, "Estimation of the mean of a
    multivariate normal distribution", 1981). k is above 0 where pixels vary on their own account. Means are
    taken over the surroundings, in which outliers such as hot pixels hardly count, and over flat places and
    edges apart: what was smoothed away lies at the latter.

    Parameters
    ----------
    noisy, denoised
        Shape (K, H, W).
    variance
        The known noise variance of each value, same shape.
    kept
        d as the blocks of the last step count it, same shape.
    """
    rest = noisy - denoised
    energy = rest.square().minimum(_OUTLIER * variance)
    noise = variance * (1.0 - _LEFT * kept).clamp_min(0.0)
    edge = ((_slope(denoised) / variance.sqrt() - _FLAT) / (_EDGE - _FLAT)).clamp_(0.0, 1.0)
    share = torch.zeros_like(rest)
    for part in (1.0 - edge, edge):
        among = part + _OTHERS
        share += part * (
            1.0 - _around(among * noise) / _around(among * energy).clamp_min(1e-12)
        ).clamp_(0, 1)
    return torch.addcmul(denoised, share, rest)


def _slope(image: Tensor) -> Tensor:
    """Return the length of the gradient in the plane, from central differences; shape (K, H, W)."""
    wide = F.pad(image, (1, 1, 1, 1), mode="replicate")
    along_y, along_x = (
        wide[:, 2:, 1:-1] - wide[:, :-2, 1:-1],
        wide[:, 1:-1, 2:] - wide[:, 1:-1, :-2],
    )
    return torch.hypot(along_y, along_x).div_(2.0)


def _around(image: Tensor) -> Tensor:
    """Return the means over squares, cut off at the border; shape (K, H, W)."""
    for axis in (0, 1):
        reach = [0, 0]
        reach[axis] = _AROUND
        sides = [2 * r + 1 for r in reach]
        image = F.avg_pool2d(image, sides, 1, reach, count_include_pad=False)
    return image
