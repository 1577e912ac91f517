"""Means of the visible pixels over wider and wider surroundings, which the compact network chooses from."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

#: Distances of the taps, pass after pass: the means have standard deviations of 2.2, 4.6 and 9.2 pixels.
_STEPS = (1, 2, 4, 8)
#: Means that are made; the first pass is about as wide as the filling.
SCALES = len(_STEPS) - 1
#: How far the widest one reaches, in pixels.
SCALES_REACH = 2 * sum(_STEPS)
#: A cubic spline's taps.
_TAPS = (0.0625, 0.25, 0.375)
_FLOOR = 1e-4


@torch.no_grad()
def wide_means(x: Tensor, mask: Tensor, center: float, dilation: int = 1) -> list[Tensor]:
    """Return the means of the visible pixels around each pixel, narrow ones first.

    Holes that grow from pass to pass ("à trous") make wide kernels of few taps.

    Parameters
    ----------
    x, mask
        The image, and 1 where a pixel is visible; shape (B, S, Y, X).
    center
        Value where no pixel is visible far and wide.
    dilation
        Spacing of all taps, so that pixels with correlated noise stay out.

    Returns
    -------
    list of Tensor
        As many as :data:`SCALES`, shape (B, S, Y, X) each; to the last bit the same in a tile and the whole.
    """
    b = x.shape[0]
    both = torch.cat((x * mask, mask))  # (2B, S, Y, X)
    means = []
    for step in _STEPS:
        both = _spread(_spread(both, step * dilation, -2), step * dilation, -1)
        means.append((both[:b] + _FLOOR * center) / (both[b:] + _FLOOR))
    return means[1:]


def blend(base: Tensor, means: list[Tensor], choice: Tensor) -> Tensor:
    """Return `base` (B, S, Y, X) and the `means` in the shares that the logits `choice` (B, K, Y, X) give.

    That of `base` is 0.
    """
    shares = F.pad(choice, (0, 0, 0, 0, 1, 0)).softmax(1)  # (B, 1 + K, Y, X)
    mixed = base * shares[:, :1]
    for i, mean in enumerate(means, 1):
        mixed = mixed + mean * shares[:, i : i + 1]
    return mixed


def _spread(x: Tensor, step: int, axis: int) -> Tensor:
    wide, n = F.pad(x, (2 * step,) * 2 if axis == -1 else (0, 0, 2 * step, 2 * step)), x.shape[axis]
    a, b, c, d, e = (wide.narrow(axis, i * step, n) for i in range(5))
    return (a + e) * _TAPS[0] + (b + d) * _TAPS[1] + c * _TAPS[2]
