"""What the network is shown: visible pixels, a filling for the blind ones, the mask and the neighbours."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..config import Config
from .blur import gaussian, separable

#: Standard deviation, in pixels, of the kernel that fills blind pixels from visible ones.
FILL_SIGMA = 1.0
#: Half the width of that kernel.
FILL_RADIUS = 3
_FILL = gaussian(FILL_SIGMA, FILL_RADIUS)


class Inputs(NamedTuple):
    """Arguments of the network: see :meth:`UNet.forward <napari_blind2grad.engine.network.UNet.forward>`."""

    x: Tensor
    mask: Tensor
    filled: Tensor


def fill(noisy: Tensor, keep: Tensor, center: float = 0.0) -> Tensor:
    """Return the normalised convolution of the visible pixels: a smooth guess at every pixel.

    Parameters
    ----------
    noisy
        Shape (B, S, Y, X).
    keep
        Ω as floats 0 or 1, same shape.
    center
        Value for pixels that have no visible one near them, such as the image's mean.

    Returns
    -------
    Tensor
        Shape (B, S, Y, X); each pixel depends on nothing beyond the kernel, so that tiles do not show.
    """
    b = noisy.shape[0]
    shown = noisy * keep
    both = separable(torch.cat((shown, keep)), _FILL)  # (2B, S, Y, X)
    floor = 1e-4
    return (both[:b] + floor * center) / (both[b:] + floor)


def assemble(noisy: Tensor, keep: Tensor, context: Tensor, config: Config, center: float) -> Inputs:
    """Return the network's inputs for a masked image.

    Parameters
    ----------
    noisy
        ``y``, shape (B, S, Y, X).
    keep
        Ω, 1 where visible, as floats, same shape.
    context
        Neighbour planes, shape (B, K·S, Y, X); not masked, since their noise is their own.
    config
        For the architecture: the paper's network sees zeros at blind pixels.
    center
        Mean of the image: see :func:`fill`.
    """
    if config.architecture == "paper":
        shown = noisy * keep
        return Inputs(torch.cat((shown, context), 1), keep, shown)
    filled = fill(noisy, keep, center)
    shown = torch.where(keep > 0, noisy, filled)
    return Inputs(torch.cat((shown, context), 1), keep, filled)
