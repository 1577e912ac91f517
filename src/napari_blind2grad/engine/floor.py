"""The noise of images that have fine texture all over: what even the weakest pattern of small blocks has.

Diagonal differences take texture for noise: twice as much as there is on photographs of fur or gravel with
little noise, which are then blurred. Independent noise has the same energy in all patterns, texture in few.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from .even import root_of
from .noise import Line, NoiseCurve, estimate
from .stack import Stack
from .whiteness import independent, middle

#: Side of the blocks, planes looked at, and the most blocks altogether.
_SIDE, _PLANES, _MOST = 7, 6, 250_000
#: Blocks below which nothing is concluded.
_LEAST = 2500
#: Noise alone, in N overlapping blocks, has 1 − 13.4 / √N of its variance in its weakest pattern, and
#: 1 + 14.5 / √N of that in the median one (48² to 512² pixels of white noise).
_WEAKEST, _MEDIAN = 13.4, 14.5
#: What texture has at least: the median pattern in units of the estimated noise, and over the weakest.
_STRONG, _UNEVEN = 1.06, 1.12
#: Energy of the weakest pattern below which something else than noise was at work, such as compression; and
#: deviations, in units of the noise, of pixels that are hot or lie on edges: one would fill all patterns.
_NOTHING, _HOT = 0.02, 30.0
#: Blocks of a brightness that has less noise than this, over the largest, are clipped.
_CLIPPED = 0.02


def without_texture(planes: Tensor, valid: Tensor, curve: NoiseCurve) -> NoiseCurve:
    """Return `curve` with what texture adds to it taken away, or as it is where there is none.

    The patterns are the principal components of the blocks, brought to unit noise by `curve`, without their
    means; the noise must be independent from pixel to pixel.

    Parameters
    ----------
    planes
        The image, shape (P, S, Y, X).
    valid
        Booleans, shape (P, 1, Y, X): blocks with other pixels are left out.
    curve
        The noise as :func:`~napari_blind2grad.engine.noise.estimate` finds it.
    """
    if min(planes.shape[-2:]) < _SIDE or not float(curve.variances.max()) > 0:
        return curve
    number = min(_PLANES, len(planes))
    chosen = torch.linspace(0, len(planes) - 1, number).round().int().tolist()
    longest = math.isqrt(_MOST // (number * planes.shape[1])) + _SIDE - 1
    rows, columns = (middle(n, longest) for n in planes.shape[-2:])
    planes, valid = planes[chosen, :, rows, columns], valid[chosen, :, rows, columns]
    count, energy = 0, torch.zeros(_SIDE**2, _SIDE**2, dtype=torch.float64)
    for plane, there in zip(planes, valid, strict=True):
        blocks = _blocks(plane, there, curve)  # (N, side²)
        count += len(blocks)
        energy += (blocks.T @ blocks).cpu().double()  # not every device has double precision
    if count < _LEAST or not energy.isfinite().all():
        return curve
    patterns = torch.linalg.eigvalsh(energy / count)[1:]  # without the mean's, which is 0
    weakest, median = float(patterns[0]), float(patterns.median())
    if weakest < _NOTHING or median < _STRONG:
        return curve
    if median / weakest / (1.0 + _MEDIAN / math.sqrt(count)) < _UNEVEN:
        return curve
    if not independent(planes, valid):
        return curve
    noise = min(1.0, weakest / (1.0 - _WEAKEST / math.sqrt(count)))
    line = _line(replace(curve, variances=curve.variances * noise))
    variances = (line.gain * curve.levels + line.offset).clamp_min(line.least)
    return replace(curve, variances=variances, known=line)


def _line(curve: NoiseCurve) -> Line:
    """Return the noise of `curve` as a camera's: it grows with brightness, or is even.

    Below most points of the curve, as texture is stronger at one brightness than at another.
    """
    gain, offset = curve.line()
    least = _CLIPPED * float(curve.variances.max())
    usual = curve.levels[curve.variances > least]
    middle = max(least, gain * float(usual.median()) + offset)
    return Line(gain, offset, least) if root_of(curve) else Line(0.0, middle, least)


def noise_of(planes: Tensor, valid: Tensor, *, white: bool) -> NoiseCurve:
    """Return the noise of `planes` (P, S, Y, X) where `valid` (P, 1, Y, X); less texture if it is white."""
    found = estimate(planes, valid)
    return without_texture(planes, valid, found) if white else found


def channel_sigma(stack: Stack, channel: int, *, white: bool, seen: float = 1.0) -> float:
    """Return the noise standard deviation of one channel in image units, from up to 8 of its planes.

    `seen` is the part of its variance that an estimate sees.
    """
    planes = stack.array[channel].reshape(-1, *stack.array.shape[3:])  # (T·Z, S, Y, X)
    scale = stack.maps[channel].scale
    if scale == 0:
        return 0.0
    some = planes[:: max(1, -(-len(planes) // 8))]
    mapped = torch.from_numpy(stack.maps[channel].forward(some))
    valid = mapped.isfinite().all(1, keepdim=True)
    noise = noise_of(mapped, valid, white=white)
    return noise.sigma * scale / (1.0 if noise.known else math.sqrt(seen))


def _blocks(image: Tensor, valid: Tensor, curve: NoiseCurve) -> Tensor:
    """Return the blocks of a plane (S, Y, X) without their means, in units of the noise: (N, side²)."""
    cut = image.unfold(1, _SIDE, 1).unfold(2, _SIDE, 1)  # (S, y, x, side, side)
    whole = valid.unfold(1, _SIDE, 1).unfold(2, _SIDE, 1).flatten(3).all(-1)  # (1, y, x)
    mean = cut.mean((3, 4))  # (S, y, x)
    level = curve.variance(mean)
    usual = whole & (level > _CLIPPED * curve.variances.max())
    blocks = cut[usual] - mean[usual][:, None, None]
    blocks = blocks.flatten(1) / level[usual].sqrt()[:, None]
    return blocks[blocks.abs().amax(1) < _HOT]
