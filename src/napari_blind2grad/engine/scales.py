"""Means of the visible pixels over wider and wider surroundings, which the compact network chooses from."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .blur import spread

#: Distances of the taps, pass after pass: the means have standard deviations of 2.2, 4.6 and 9.2 pixels.
_STEPS = (1, 2, 4, 8)
#: Means that are made; the first pass is about as wide as the filling.
SCALES = len(_STEPS) - 1
#: How far the widest one reaches, in pixels.
SCALES_REACH = 2 * sum(_STEPS)
#: A cubic spline's taps, from the middle outwards.
_TAPS = (0.375, 0.25, 0.0625)
_FLOOR = 1e-4


@torch.no_grad()
def wide_means(x: Tensor, mask: Tensor, center: float) -> list[Tensor]:
    """Return the means of the visible pixels around each pixel, narrow ones first.

    Holes that grow from pass to pass ("à trous") make wide kernels of few taps.

    Parameters
    ----------
    x, mask
        The image, and 1 where a pixel is visible; shape (B, S, Y, X).
    center
        Value where no pixel is visible far and wide.

    Returns
    -------
    list of Tensor
        As many as :data:`SCALES`, shape (B, S, Y, X) each; to the last bit the same in a tile and the whole.
    """
    b = x.shape[0]
    both = torch.cat((x * mask, mask))  # (2B, S, Y, X)
    means = []
    for step in _STEPS:
        both = spread(spread(both, _TAPS, -2, step), _TAPS, -1, step)
        means.append((both[:b] + _FLOOR * center) / (both[b:] + _FLOOR))
    return means[1:]


def blend(base: Tensor, means: list[Tensor], choice: Tensor) -> Tensor:
    """Return `base` (B, S, Y, X) and the `means` in the shares that the logits `choice` (B, K, Y, X) give.

    That of `base` is 0.
    """
    shares = F.pad(choice, (0, 0, 0, 0, 1, 0)).softmax(1)  # (B, 1 + K, Y, X)
    return (torch.stack([base, *means], 1) * shares.unsqueeze(2)).sum(1)
