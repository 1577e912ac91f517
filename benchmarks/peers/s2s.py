"""Self2Self with dropout, cut short. Our own short implementation.

Y. Quan et al., "Self2Self with dropout: Learning self-supervised denoising from single image", CVPR 2020.
Partial convolutions in the encoder, dropout of 0.3 in the decoder, Bernoulli masks that hide 30 % of the
values, loss on what is hidden, Adam at 1e-4; the mean of 100 draws with fresh masks and dropout.

The cut: the authors train for hours on a GPU, 150 000 steps and more. Here it is 3000 by default, so it stays
behind its own figures; ``s2s:150000`` runs it in full.

Checked against: Set9, σ = 25: 31.74 dB, and BSD68, σ = 25: 28.70 dB, as table 2 of the Blind2Grad paper
states for it; these hold for the full length only. Not measured on the dark images of FMD: on a GPU its
sigmoid, which started at 0.5, was driven to 0 there (22, 25 and 19 dB). It starts at the image's mean now:
on 192 × 192 pixels of one of them, tried on a CPU, it learns.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from peers import Kind, _torch, by_plane

LEVELS = 5
HIDDEN = 0.3
DROPOUT = 0.3
DRAWS = 100


class _Partial(nn.Module):
    """A convolution over visible pixels, scaled by how many there are."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 3, padding=1, padding_mode="reflect")
        self.register_buffer("ones", torch.ones(1, channels, 3, 3))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen = F.conv2d(F.pad(mask, (1, 1, 1, 1), "reflect"), self.ones)
        ratio = self.ones.sum() / seen.clamp(min=1)
        bias = self.conv.bias.view(1, -1, 1, 1)
        valid = (seen > 0).to(x)
        out = ((self.conv(x * mask) - bias) * ratio + bias) * valid
        return F.leaky_relu(out, 0.1), valid.expand_as(out)


class _Net(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _Partial(channels, 48)
        self.down = nn.ModuleList([_Partial(48, 48) for _ in range(LEVELS + 1)])
        self.up = nn.ModuleList()
        for level in range(LEVELS):
            source = 96 if level == 0 else 144
            skip = channels - 48 if level == LEVELS - 1 else 0  # the last skip is the image itself
            width = (64, 32) if level == LEVELS - 1 else (96, 96)
            self.up.append(nn.ModuleList([self._conv(source + skip, width[0]), self._conv(*width)]))
        self.last = self._conv(32, channels)

    @staticmethod
    def _conv(channels: int, out: int) -> nn.Conv2d:
        return nn.Conv2d(channels, out, 3, padding=1, padding_mode="reflect")

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the image between 0 and 1; dropout is always on."""
        skips = [x * mask]
        x, mask = self.first(x, mask)
        for level, layer in enumerate(self.down):
            x, mask = layer(x, mask)
            if level < LEVELS:
                x, mask = F.max_pool2d(x, 2), F.max_pool2d(mask, 2)
                skips.append(x)
        skips.pop()
        for layers in self.up:
            x = torch.cat([F.interpolate(x, scale_factor=2), skips.pop()], 1)
            for conv in layers:
                x = F.leaky_relu(conv(F.dropout(x, DROPOUT)), 0.1)
        return torch.sigmoid(self.last(F.dropout(x, DROPOUT)))


def denoise(
    noisy: np.ndarray, axes: str, kind: Kind, seed: int, iterations: int = 3000
) -> np.ndarray:
    """Denoise an image, or a stack plane by plane."""
    peak = float(kind["peak"])

    def plane(image: np.ndarray, flat: str, plane_seed: int) -> np.ndarray:
        place = _torch.start(plane_seed)
        y = _torch.tensor(image, flat) / peak
        h, w = y.shape[-2:]
        margin = 2**LEVELS
        y = F.pad(y, (0, -w % margin, 0, -h % margin), "reflect")
        net = _Net(y.shape[1])
        # Starting from 0.5, the sigmoid of a dark image is driven to 0 and its gradient with it.
        nn.init.constant_(net.last.bias, float(torch.logit(y.mean(), 1e-3)))
        net = net.to(place)
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)
        for _ in range(iterations):
            mask = (torch.rand_like(y) > HIDDEN).to(y)
            seen, truth = (y, mask)
            if torch.rand(()) < 0.5:
                seen, truth = y.flip(-1), mask.flip(-1)
            hidden = 1 - truth
            optimizer.zero_grad()
            loss = ((net(seen, truth) - seen) * hidden).square().sum() / hidden.sum()
            loss.backward()
            optimizer.step()
        total = torch.zeros_like(y)
        with torch.no_grad():
            for _ in range(DRAWS):
                total += net(y, (torch.rand_like(y) > HIDDEN).to(y))
        return _torch.array(total[..., :h, :w] / DRAWS, flat) * peak

    return by_plane(plane, noisy, axes, seed)
