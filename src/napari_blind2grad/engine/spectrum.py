"""The spectrum of noise that neighbouring pixels share, by the waves of blocks, for the last step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .collaborate import DEEP, FLAT, cosines
from .even import root_of
from .noise import NoiseCurve
from .stack import Planes

#: Planes looked at, spread over all of them, the longest side of their middles, and the distance of blocks.
#: Blocks of compressed images begin at every eighth pixel, so these must not.
_PLANES, _MIDDLE, _STEP = 6, 1024, 3
#: Blocks that are compared, and how many there must be.
_BLOCKS, _LEAST = 60_000, 64
#: The lower quartile of the energies of a wave, over their mean, where it holds nothing but noise.
_QUANTILE, _ENERGY = 0.25, 0.10153
#: Least energy of a wave, over the mean of all.
_FLOOR = 1e-3
#: Blocks of a brightness that has less noise than this, over the largest, are clipped.
_CLIPPED = 0.02


def spectra(planes: Planes, noise_at: Callable[[int], NoiseCurve]) -> dict[int, Tensor]:
    """Return the energy of each wave of the noise over the noise curve's variance, by the sides of blocks.

    Most waves of most blocks hold signal, but a quarter of the blocks hardly any: the lower quartile of the
    squares tells of the noise, and only at the slowest waves has it a part of the signal too. The energy of a
    block's mean is that of its slowest waves, if its own is not less: that is all signal.

    Parameters
    ----------
    planes
        The image.
    noise_at
        Returns the noise of a plane, by its number.

    Returns
    -------
    dict
        Tensors of shape (S, side, side), S = 1 but for the colour samples of single planes. Without a side
        where there are too few blocks.
    """
    stacked = planes.neighbours.shape[1] > 0
    found = {}
    number = min(_PLANES, len(planes))
    most = _BLOCKS // number
    chosen = torch.linspace(0, len(planes) - 1, number).round().int().tolist()
    for side in (FLAT.side, DEEP.side) if stacked else (FLAT.side,):
        energies = [
            _energies(
                _middle(planes.noisy[i]), _middle(planes.valid[i]), noise_at(i), side, stacked, most
            )
            for i in chosen
        ]
        every = torch.cat(energies)  # (N, S, side, side)
        if len(every) < _LEAST:
            continue
        place = max(1, round(_QUANTILE * len(every)))
        quartile = every.flatten(1).cpu().kthvalue(place, 0).values  # which not every device knows
        wave = quartile.reshape(every.shape[1:]) / _ENERGY
        slow = (wave[:, 0, 1] + wave[:, 1, 0]) / 2
        wave[:, 0, 0] = wave[:, 0, 0].minimum(slow)
        wave.clamp_min_(_FLOOR * float(wave.mean()))
        found[side] = wave.to(planes.noisy.device)
    return found


def _energies(
    noisy: Tensor, valid: Tensor, noise: NoiseCurve, side: int, stacked: bool, most: int
) -> Tensor:
    """Return the squared waves of blocks of a plane (S, Y, X) over their noise variance: (N, S, side, side).

    Where planes are filtered with those beside them, the samples of a pixel are blocks of their own. Blocks
    are taken from at most so many places, and none where pixels are clipped.
    """
    if min(noisy.shape[1:]) < side:
        return noisy.new_empty((0, 1 if stacked else len(noisy), side, side))
    blocks = noisy.unfold(1, side, _STEP).unfold(2, side, _STEP)  # (S, y, x, side, side)
    whole = valid[0].unfold(0, side, _STEP).unfold(1, side, _STEP).flatten(2).all(-1)  # (y, x)
    places = whole.flatten().nonzero()[:, 0]
    places = places[:: max(1, -(-len(places) // most))]
    blocks = blocks.flatten(1, 2)[:, places].transpose(0, 1)  # (N, S, side, side)
    if stacked:
        blocks = blocks.reshape(-1, 1, side, side)
    level = noise.variance(blocks.mean((1, 2, 3)))
    usual = level > _CLIPPED * noise.variances.max()
    blocks, level = blocks[usual], level[usual]
    root = root_of(noise) if len(noisy) == 1 and not stacked else None
    if root is not None:
        blocks, level = root.forward(blocks), torch.ones_like(level)
    waves = cosines(side, noisy)
    samples = cosines(blocks.shape[1], noisy)
    found = torch.einsum("ks,nsij,ai,bj->nkab", samples, blocks, waves, waves)
    return found.square_().div_(level[:, None, None, None])


def _middle(image: Tensor) -> Tensor:
    rows, columns = (
        slice((n - cut) // 2, (n + cut) // 2)
        for n, cut in ((n, min(n, _MIDDLE)) for n in image.shape[-2:])
    )
    return image[..., rows, columns]
