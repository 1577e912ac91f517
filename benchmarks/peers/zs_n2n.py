"""ZS-N2N: a two-layer network between the two halves of one image. Our own short implementation.

Y. Mansour and R. Heckel, "Zero-Shot Noise2Noise: Efficient image denoising without any data", CVPR 2023.
Each 2×2 cell gives its two diagonals' means: a pair of half-size images with the same content and independent
noise. The network predicts noise; the loss has a symmetric residual and a consistency term. 48 channels, Adam
at 1e-3, halved every 1000 of 2000 epochs, as in the paper.

Checked against: Kodak24, σ = 25: 29.17 dB, and Set9, σ = 25: 29.84 dB, as tables 2 and 3 of the Blind2Grad
paper state for it (means of the sets, noise of their own).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from peers import Kind, _torch, by_plane


def _pair(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the means of the two diagonals of each 2×2 cell; a last odd row or column is left out."""
    a, b = image[..., 0::2, 0::2], image[..., 0::2, 1::2]
    c, d = image[..., 1::2, 0::2], image[..., 1::2, 1::2]
    h, w = d.shape[-2:]
    return (b[..., :h, :w] + c[..., :h, :w]) / 2, (a[..., :h, :w] + d) / 2


def denoise(noisy: np.ndarray, axes: str, kind: Kind, seed: int, epochs: int = 2000) -> np.ndarray:
    """Denoise an image, or a stack plane by plane."""
    peak = float(kind["peak"])

    def plane(image: np.ndarray, flat: str, plane_seed: int) -> np.ndarray:
        place = _torch.start(plane_seed)
        y = _torch.tensor(image, flat) / peak
        channels = y.shape[1]
        net = nn.Sequential(
            nn.Conv2d(channels, 48, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(48, 48, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(48, channels, 1),
        ).to(place)
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1000, 0.5)
        one, two = _pair(y)
        for _ in range(epochs):
            clean_one, clean_two = one - net(one), two - net(two)
            residual = F.mse_loss(clean_one, two) + F.mse_loss(clean_two, one)
            whole_one, whole_two = _pair(y - net(y))
            consistency = F.mse_loss(clean_one, whole_one) + F.mse_loss(clean_two, whole_two)
            optimizer.zero_grad()
            ((residual + consistency) / 2).backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            return _torch.array((y - net(y)).clamp(0, 1), flat) * peak

    return by_plane(plane, noisy, axes, seed)
