"""Noise2Self: a network that predicts each pixel of a grid from the others. Our own short implementation.

J. Batson and L. Royer, "Noise2Self: Blind denoising by self-supervision", ICML 2019. A grid of every fourth
pixel, moved to the next of its 16 places in each step, is filled with the mean of its neighbours; the loss is
taken there. An eight-layer convolutional network (DnCNN without batch norm, 64 channels), Adam at 1e-3 halved
twice, as in the authors' single-image example but longer. The result is the J-invariant one: each pixel as it
is predicted when it is hidden.

Checked against: BSD68, σ = 25: 27.19 dB, and Set9, σ = 25: 29.30 dB, as table 2 of the Blind2Grad paper
states for it (means of the sets, noise of their own).
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from peers import Kind, _torch, by_plane

GRID = 4
_NEIGHBOURS = torch.tensor([[0.5, 1.0, 0.5], [1.0, 0.0, 1.0], [0.5, 1.0, 0.5]]) / 6


def _hide(image: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the image with a grid filled in, and the grid."""
    mask = torch.zeros_like(image[:1, :1])
    mask[..., step // GRID % GRID :: GRID, step % GRID :: GRID] = 1
    channels = image.shape[1]
    kernel = _NEIGHBOURS.to(image).expand(channels, 1, 3, 3)
    filled = F.conv2d(F.pad(image, (1, 1, 1, 1), "reflect"), kernel, groups=channels)
    return torch.where(mask.bool(), filled, image), mask


def denoise(
    noisy: np.ndarray, axes: str, kind: Kind, seed: int, iterations: int = 1000
) -> np.ndarray:
    """Denoise an image, or a stack plane by plane."""
    peak = float(kind["peak"])

    def plane(image: np.ndarray, flat: str, plane_seed: int) -> np.ndarray:
        place = _torch.start(plane_seed)
        y = _torch.tensor(image, flat) / peak
        net = _torch.chain(y.shape[1], 64, 8, y.shape[1]).to(place)
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        schedule = torch.optim.lr_scheduler.MultiStepLR(
            optimizer, [iterations // 2, iterations * 3 // 4], 0.5
        )
        for step in range(iterations):
            hidden, mask = _hide(y, step)
            optimizer.zero_grad()
            loss = ((net(hidden) - y) * mask).square().sum() / (mask.sum() * y.shape[1])
            loss.backward()
            optimizer.step()
            schedule.step()
        result = torch.zeros_like(y)
        with torch.no_grad():
            for step in range(GRID * GRID):
                hidden, mask = _hide(y, step)
                result += net(hidden) * mask
        return _torch.array(result, flat) * peak

    return by_plane(plane, noisy, axes, seed)
