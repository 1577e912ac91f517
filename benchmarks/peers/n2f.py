"""Noise2Fast: a network between the four half images of a chequerboard. Our own short implementation.

J. Lequyer et al., "A fast blind zero-shot denoiser", Nat. Mach. Intell. 4, 2022. Pixels of one colour of the
board, squeezed along rows or along columns, predict those of the other. Eight 3×3 layers of 64 channels and a
sigmoid, binary cross entropy, Adam at 1e-3. After each step the network sees the whole image; training ends
once its distance to the noisy image has not shrunk for 100 steps, and the last 105 outputs are averaged.
Colours and planes are denoised one by one, as its authors do.

Checked against: not yet. No figure of the paper for a set at hand could be looked up when this was written;
``check.py`` prints Set12 at σ = 25, which the paper reports, for whoever has it before them.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from peers import Kind, _torch, by_plane

PATIENCE = 100
AVERAGED = 105


def _halves(image: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return pairs of the two colours of the chequerboard, squeezed along columns and along rows."""
    h, w = (n - n % 2 for n in image.shape[-2:])
    cut = image[..., :h, :w]
    pairs = []
    for turned in (cut, cut.transpose(-1, -2)):
        even, odd = turned[..., 0::2, :], turned[..., 1::2, :]
        black = even.clone()
        black[..., 1::2] = odd[..., 1::2]
        white = odd.clone()
        white[..., 1::2] = even[..., 1::2]
        pair = [black, white] if turned is cut else [t.transpose(-1, -2) for t in (black, white)]
        pairs += [(pair[0], pair[1]), (pair[1], pair[0])]
    return pairs


def _single(image: np.ndarray, seed: int, iterations: int) -> np.ndarray:
    place = _torch.start(seed)
    low, span = float(image.min()), max(float(np.ptp(image)), 1e-12)
    y = (_torch.tensor(image, "YX") - low) / span
    pairs = _halves(y)
    net = nn.Sequential(_torch.chain(1, 64, 8, 64), nn.ReLU(), nn.Conv2d(64, 1, 1), nn.Sigmoid())
    net.to(place)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    best, since = float("inf"), 0
    outputs: deque[torch.Tensor] = deque(maxlen=AVERAGED)
    for _ in range(iterations):
        source, target = pairs[int(torch.randint(4, ()))]
        optimizer.zero_grad()
        F.binary_cross_entropy(net(source), target).backward()
        optimizer.step()
        with torch.no_grad():
            outputs.append(net(y))
            distance = float(F.mse_loss(outputs[-1], y))
        best, since = (distance, 0) if distance < best else (best, since + 1)
        if since > PATIENCE:
            break
    return _torch.array(sum(outputs) / len(outputs), "YX") * span + low


def denoise(
    noisy: np.ndarray,
    axes: str,
    kind: Kind,  # noqa: ARG001
    seed: int,
    iterations: int = 5000,
) -> np.ndarray:
    """Denoise an image of any axes; `iterations` is a limit that it seldom comes to."""

    def plane(image: np.ndarray, flat: str, plane_seed: int) -> np.ndarray:
        image = image.astype(np.float32)
        if flat == "YX":
            return _single(image, plane_seed, iterations)
        colours = (_single(image[..., c], plane_seed, iterations) for c in range(image.shape[-1]))
        return np.stack(list(colours), axis=-1)

    return by_plane(plane, noisy, axes, seed)
