"""Whether neighbouring pixels share their noise, and over what distance, as the engine needs to know it.

The window's quality pane measures more of it, on another sample (``quality/correlation.py``).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..config import Config
from .noise import estimate
from .stack import Planes, Stack

#: Planes looked at, spread over all of them, and the longest side of their middles.
_PLANES, _MIDDLE = 6, 1024
#: Side of the blocks that are looked at one by one, and the longest distance of neighbours.
_SIDE, _NEAR = 16, 2
#: Order of the differences that keep structure out.
_ORDER = 4
#: Energy of a block, as a part of the largest, below which it holds nothing but rounding.
_NOTHING = 1e-6
#: Lower quartile of a standard normal, and the standard error of a quartile of N of them, times √N.
_QUARTILE, _ERROR = 0.6745, 1.36
#: Correlation up to which noise is white, and from which it is not.
_WHITE, _SHARED = 0.025, 0.05
#: Correlation of neighbours that is surely exceeded where the last step goes by the spectrum, where networks
#: do not see direct neighbours either, and what the correlation over their distance must not exceed.
_SOME, _MUCH, _LITTLE = 0.15, 0.27, 0.1
#: Error of a correlation from which it decides nothing: an image of about 100 x 100 pixels has it.
_UNSURE = 0.02
#: Longest distances of grey and of colour images: a network loses detail with each pixel that it leaves out,
#: and cameras, which make up two of three colours, have noise that is shared far but weakly.
_FARTHEST, _FARTHEST_IN_COLOUR = 3, 2
#: The blocks with the least of fine detail, and what they must show of what the others do: noise is there
#: too, texture less.
_QUIET, _QUIET_BLOCKS, _EVERYWHERE = 0.03, 12, 0.75
#: Correlation there that is next to nothing.
_HARDLY = 0.06
#: Least part of shared noise that is taken to be seen.
_LEAST_SEEN = 0.05
#: Distance, and the part of the neighbours' correlation that only structure and stripes have over it.
_FAR, _STRUCTURE = 4, 0.5
#: Median of the energies of blocks over their lower quartile, beyond which they hold more than noise and up
#: to which they hold nothing else, and the noise variance over the largest below which pixels are clipped.
_UNEVEN, _ALIKE, _CLIPPED = 2.0, 1.2, 0.02


def whiteness(planes: Planes) -> float:
    """Return 1 where the noise of neighbouring pixels is surely independent, and 0 where it may not be.

    Between correlations of 0.025 and 0.05 it falls from 1 to 0; two standard errors are put on before: few
    pixels tell nothing for sure.
    """
    number = min(_PLANES, len(planes))
    chosen = torch.linspace(0, len(planes) - 1, number).round().int().tolist()
    inside = (chosen, slice(None), middle(planes.height), middle(planes.width))
    noisy, valid = planes.noisy[inside], planes.valid[inside]
    shared = max(_at_most(noisy, valid), _at_most(noisy.mT, valid.mT))
    return min(1.0, max(0.0, (_SHARED - shared) / (_SHARED - _WHITE)))


class Sharing(NamedTuple):
    """What neighbouring pixels have in common of their noise.

    Attributes
    ----------
    distance
        Between the pixels that a network may see together; 1 where it may see direct neighbours.
    shared
        Whether they share any, so that the last step goes by the noise's spectrum.
    seen
        Part of each channel's noise variance that diagonal differences of neighbours see, 1 for independent
        noise; empty where the noise is known.
    """

    distance: int
    shared: bool
    seen: tuple[float, ...] = ()


_INDEPENDENT = Sharing(1, shared=False, seen=(1.0,))


def found_sharing(stack: Stack, config: Config) -> Sharing:
    """Return what `config.dilation` says, or where that is 0, what the image says of its noise.

    Noise is shared if direct neighbours along Y or X surely do, and if it is noise that they share: fine
    structure is in some places, noise everywhere. A noise that is known is independent. Where they share
    little, a network does better to see them all.
    """
    if config.knows_noise:
        return Sharing(config.tap_distance, config.dilation > 1)
    maps = enumerate(stack.maps)
    found = [_sharing(stack, c) if m.scale > 0 else _INDEPENDENT for c, m in maps]
    seen = tuple(f.seen[0] for f in found)
    if config.dilation:
        return Sharing(config.dilation, config.dilation > 1, seen)
    return Sharing(max(f.distance for f in found), any(f.shared for f in found), seen)


def _sharing(stack: Stack, channel: int) -> Sharing:
    array = stack.array[channel]  # (T, Z, S, Y, X)
    count = array.shape[0] * array.shape[1]
    chosen = np.linspace(0, count - 1, min(_PLANES, count)).round().astype(int)
    rows, columns = (middle(n) for n in array.shape[-2:])
    some = array[..., rows, columns][np.unravel_index(chosen, array.shape[:2])]  # (P, S, Y, X)
    noisy = torch.from_numpy(stack.maps[channel].forward(some))
    valid = noisy.isfinite().all(1, keepdim=True)
    noisy = torch.where(valid, noisy, 0.0)
    both = (noisy, valid), (noisy.mT, valid.mT)
    found = [f for f in (_correlations(*part, _FAR) for part in both) if f is not None]
    sure = [abs(f.values[0]) - 2.0 * f.error for f in found if f.error < _UNSURE]
    if not sure or max(sure) <= _SOME:
        return _INDEPENDENT
    uneven = _unevenness(noisy, valid)
    if uneven > _UNEVEN or (uneven > _ALIKE and not _everywhere(found)):
        return _INDEPENDENT
    shared = [max(map(abs, values)) for values in zip(*(f.values for f in found), strict=True)]
    if shared[-1] >= _STRUCTURE * shared[0]:
        return _INDEPENDENT
    # What is shared along Y and along X is taken for independent of each other.
    seen = (max(_LEAST_SEEN, math.prod(1.0 - f.values[0] for f in found)),)
    if max(sure) <= _MUCH:
        return Sharing(1, shared=True, seen=seen)
    farthest = _FARTHEST if noisy.shape[1] == 1 else _FARTHEST_IN_COLOUR
    wide = (d for d in range(2, farthest) if shared[d - 1] < _LITTLE)
    return Sharing(next(wide, farthest), shared=True, seen=seen)


def _unevenness(noisy: Tensor, valid: Tensor) -> float:
    """Return the median of the blocks' energies over their lower quartile, each over its brightness's noise.

    Infinity where less than half of the blocks have noise.

    Parameters
    ----------
    noisy, valid
        As in :func:`_correlations`.
    """
    curve, found = estimate(noisy, valid), 1.0
    values, known = noisy.flatten(0, 1), valid.expand_as(noisy).flatten(0, 1)
    for image, there in ((values, known), (values.mT, known.mT)):
        if image.shape[-2] < _SIDE + _ORDER or image.shape[-1] < _SIDE:
            continue
        whole = _blocks(there.unfold(-2, _ORDER + 1, 1).all(-1)).flatten(1).all(1)
        energy = _blocks(image.diff(_ORDER, -2))[whole].square().mean((1, 2))
        inside = image[..., _ORDER // 2 : -_ORDER // 2, :]
        level = curve.variance(_blocks(inside)[whole].mean((1, 2)))
        usual = level > _CLIPPED * curve.variances.max()
        share = energy[usual] / level[usual]
        if not len(level):
            continue
        if 2 * len(share) < len(level) or not (quiet := float(share.quantile(0.25))) > 0:
            return math.inf
        found = max(found, float(share.median()) / quiet)
    return found


def _at_most(noisy: Tensor, valid: Tensor) -> float:
    """Return how large the correlation of neighbours may be along the last axis; or infinity."""
    found = _correlations(noisy, valid, _NEAR)
    if found is None:
        return math.inf
    return max(map(abs, found.values)) + 2.0 * found.error


def independent(noisy: Tensor, valid: Tensor) -> bool:
    """Return whether neighbours share next to nothing, or no noise but texture, which quiet places lack.

    Parameters
    ----------
    noisy
        Shape (P, S, Y, X).
    valid
        Shape (P, 1, Y, X), bool.
    """
    both = _correlations(noisy, valid, 1), _correlations(noisy.mT, valid.mT, 1)
    found = [f for f in both if f is not None]
    if not found:
        return False
    if max(abs(f.quiet) for f in found) <= _HARDLY:
        return True
    return not _everywhere(found) and _ALIKE < _unevenness(noisy, valid) < math.inf


class _Along(NamedTuple):
    """Correlation along an axis.

    Attributes
    ----------
    values
        Over 1, 2, … pixels.
    error
        Standard error of each.
    quiet
        Over one pixel, where the image has least of fine detail: there noise, if anything, is left.
    """

    values: list[float]
    error: float
    quiet: float


def _correlations(noisy: Tensor, valid: Tensor, far: int) -> _Along | None:
    """Return the correlation over 1 to `far` pixels along the last axis; None: no telling.

    It is measured in fourth differences across that axis, which hold noise and hardly any structure: noise
    that is independent across keeps its correlation along. What structure is left mostly adds, so the lower
    quartile of blocks counts, put right for the scatter of white noise. The colour samples of a pixel may
    share their noise: they count as one where it comes to how sure this is.

    Parameters
    ----------
    noisy
        Shape (P, S, Y, X).
    valid
        Shape (P, 1, Y, X), bool: blocks with other pixels are left out.
    """
    if noisy.shape[-2] < _SIDE + _ORDER or noisy.shape[-1] < _SIDE:
        return None
    detail = noisy.flatten(0, 1).diff(_ORDER, -2)  # (P·S, Y − 4, X)
    whole = valid.unfold(-2, _ORDER + 1, 1).all(-1)  # (P, 1, Y − 4, X)
    whole = whole.expand(-1, noisy.shape[1], -1, -1).flatten(0, 1)
    cut = _blocks(detail)[_blocks(whole).flatten(1).all(1)]  # (N, side, side)
    energy = cut.square().mean((1, 2))
    busy = energy > _NOTHING * energy.amax() if len(energy) else energy > 0
    cut, energy = cut[busy], energy[busy]
    if not len(cut):
        return None
    # Differences of white noise are alike across, which widens the scatter of a block's correlation.
    own = [math.comb(2 * _ORDER, i) / math.comb(2 * _ORDER, _ORDER) for i in range(2 * _ORDER + 1)]
    scatter = math.sqrt(sum(k * k for k in own)) / _SIDE
    found = []
    for lag in range(1, far + 1):
        each = (cut[..., lag:] * cut[..., :-lag]).mean((1, 2)) / energy
        found.append(float(each.quantile(0.25)) + _QUARTILE * scatter)
    return _Along(
        found, _ERROR * scatter / math.sqrt(len(cut) / noisy.shape[1]), _quiet(cut, energy)
    )


def _everywhere(found: list[_Along]) -> bool:
    """Return whether neighbours share as much where there is least of fine detail: noise, not texture."""
    quiet, usual = (
        sum(map(abs, v)) for v in zip(*((f.quiet, f.values[0]) for f in found), strict=True)
    )
    return bool(quiet >= _EVERYWHERE * usual)


def _quiet(cut: Tensor, energy: Tensor) -> float:
    """Return the correlation over a pixel in the blocks of least `energy` that are not clipped."""
    whole = energy > _CLIPPED * energy.median()
    cut, energy = cut[whole], energy[whole]
    number = min(len(cut), max(_QUIET_BLOCKS, round(_QUIET * len(cut))))
    least = cut[energy.topk(number, largest=False).indices]
    return float((least[..., 1:] * least[..., :-1]).mean() / least.square().mean())


def middle(length: int, longest: int = _MIDDLE) -> slice:
    """Return the middle of so many rows or columns, no more than `longest`."""
    cut = min(length, longest)
    return slice((length - cut) // 2, (length + cut) // 2)


def _blocks(planes: Tensor) -> Tensor:
    """Cut planes (P, Y, X) into blocks (N, side, side), those that are cut off left out."""
    return planes.unfold(1, _SIDE, _SIDE).unfold(2, _SIDE, _SIDE).flatten(0, 2)
