"""The last step: filter the noisy image itself, guided by the network's image.

The network's image says in which waves of a small block there is signal, and how strong; an empirical Wiener
filter then takes those from the noisy image (S. P. Ghael, A. M. Sayeed, R. G. Baraniuk, "Improved wavelet
denoising via empirical Wiener filtering", 1997). It brings back fine detail that a small network misses,
and smooths what it left over.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from .tiling import tiles

#: Most places of a block along the third axis.
DEPTH = 4
#: Sides of a block in Y and X: of one with few planes, and of one with :data:`DEPTH`.
FLAT, DEEP = 8, 6
#: Share of the noisy image in what is filtered; the rest is the network's.
_NOISY = 0.7
#: Noise energy counted in the gain. Less than 1, since a good part of the noise is gone before.
_ENERGY = 0.75
#: Sides of a tile: its spectra fit a CPU's cache, and keep a GPU busy.
_CORE = {"cpu": 128}
_CORE_ELSEWHERE = 512


def cosines(n: int, like: Tensor) -> Tensor:
    """Return the orthonormal cosine transform (DCT-II) of `n` values as a matrix (frequency, place)."""
    k = torch.arange(n, device=like.device, dtype=like.dtype)
    matrix = torch.cos(math.pi / n * (k + 0.5) * k[:, None]) * math.sqrt(2.0 / n)
    matrix[0] /= math.sqrt(2.0)
    return matrix


def refine(noisy: Tensor, pilot: Tensor, variance: Tensor, out: Tensor) -> Iterator[int]:
    """Fill `out` with the refined image; yield, now and then, how many values are done since the last time.

    Each block's spectra Y of the noisy and P of the network's image give ``g (P + c (Y − P))`` with the
    gain ``g = P² / (P² + a σ²)``, c = 0.7 and a = 0.75; overlapping blocks are averaged with the weights
    ``1 / (σ² Σ g²)``. The block's mean always passes.

    Parameters
    ----------
    noisy, pilot
        ``y`` and the network's image, shape (K, H, W). K are neighbouring planes, or the colour samples of
        one plane.
    variance
        Noise variance of each value of `noisy`, same shape.
    out
        Where the result goes, same shape.
    """
    k, h, w = noisy.shape
    side = min(FLAT if k < DEPTH else DEEP, h, w)
    for outer, inner, target in tiles(h, w, _CORE.get(noisy.device.type, _CORE_ELSEWHERE), side, 1):
        cut = (slice(None), *outer)
        for plane, values in _filtered(noisy[cut], pilot[cut], variance[cut], side):
            out[plane][target] = values[inner]
            yield out[plane][target].numel()


def _filtered(
    noisy: Tensor, pilot: Tensor, variance: Tensor, side: int
) -> Iterator[tuple[int, Tensor]]:
    """Yield the planes of one tile, in order, each as soon as all blocks that hold it are done."""
    planes = len(noisy)
    depth = min(DEPTH, planes)
    waves = cosines(side, noisy)
    bank = torch.einsum("ai,bj->abij", waves, waves).reshape(side**2, 1, side, side)
    along = cosines(depth, noisy)
    box = noisy.new_ones((1, 1, side, side))
    window: list[tuple[Tensor, Tensor, Tensor]] = []  # spectra of the block's planes
    sums: list[tuple[Tensor, Tensor]] = []  # weighted spectra, weights

    def finished() -> Tensor:
        spectrum, weight = sums.pop(0)
        values = F.conv_transpose2d(spectrum[None], bank)
        return (values / F.conv_transpose2d(weight[None, None], box))[0, 0]

    for last in range(planes):
        plane = slice(last, last + 1)
        p, y = (F.conv2d(part[plane, None], bank)[0] for part in (pilot, noisy))
        window.append((p, y, F.avg_pool2d(variance[plane], side, 1)[0]))
        if len(window) < depth:
            continue
        p = torch.tensordot(along, torch.stack([part[0] for part in window]), 1)  # (D, side², h, w)
        y = torch.tensordot(along, torch.stack([part[1] for part in window]), 1)
        noise = torch.stack([part[2] for part in window]).mean(0).clamp_min(1e-12)  # (h, w)
        spectrum, weight = _shrunk(p, y, noise)
        spectrum = torch.tensordot(along.T, spectrum, 1)
        for i in range(depth):
            if i < len(sums):
                sums[i][0].add_(spectrum[i])
                sums[i][1].add_(weight)
            else:
                sums.append((spectrum[i].clone(), weight.clone()))
        window.pop(0)
        yield last - depth + 1, finished()
    for plane_number in range(planes - depth + 1, planes):
        yield plane_number, finished()


def _shrunk(pilot: Tensor, noisy: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weighted spectra (D, side², h, w) and the weights (h, w) of all blocks of a tile."""
    energy = pilot.square()
    gain = energy.div_(energy + _ENERGY * noise)
    gain[0, 0] = 1.0
    weight = 1.0 / (gain.square().sum((0, 1)) * noise)  # (h, w)
    return torch.lerp(pilot, noisy, _NOISY).mul_(gain).mul_(weight), weight
