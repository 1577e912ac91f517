"""Whether neighbouring pixels share their noise, as the last step needs to know it.

The window's quality pane measures more of it, on another sample (``quality/correlation.py``).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .stack import Planes

#: Planes looked at, spread over all of them, and the longest side of their middles.
_PLANES, _MIDDLE = 6, 1024
#: Side of the blocks that are looked at one by one, and the distances between pixels.
_SIDE, _LAGS = 16, (1, 2)
#: Order of the differences that keep structure out.
_ORDER = 4
#: Energy of a block, as a part of the largest, below which it holds nothing but rounding.
_NOTHING = 1e-6
#: Lower quartile of a standard normal, and the standard error of a quartile of N of them, times √N.
_QUARTILE, _ERROR = 0.6745, 1.36
#: Correlation up to which noise is white, and from which it is not.
_WHITE, _SHARED = 0.025, 0.05


def whiteness(planes: Planes) -> float:
    """Return 1 where the noise of neighbouring pixels is surely independent, and 0 where it may not be.

    Between correlations of 0.025 and 0.05 it falls from 1 to 0; two standard errors are put on before: few
    pixels tell nothing for sure.
    """
    number = min(_PLANES, len(planes))
    chosen = torch.linspace(0, len(planes) - 1, number).round().int().tolist()
    inside = (chosen, slice(None), _middle(planes.height), _middle(planes.width))
    noisy, valid = planes.noisy[inside], planes.valid[inside]
    shared = max(_shared(noisy, valid), _shared(noisy.mT, valid.mT))
    return min(1.0, max(0.0, (_SHARED - shared) / (_SHARED - _WHITE)))


def _shared(noisy: Tensor, valid: Tensor) -> float:
    """Return how large the correlation of neighbours along the last axis may be; infinite if nothing tells.

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
        return math.inf
    detail = noisy.flatten(0, 1).diff(_ORDER, -2)  # (P·S, Y − 4, X)
    whole = valid.unfold(-2, _ORDER + 1, 1).all(-1)  # (P, 1, Y − 4, X)
    whole = whole.expand(-1, noisy.shape[1], -1, -1).flatten(0, 1)
    cut = _blocks(detail)[_blocks(whole).flatten(1).all(1)]  # (N, side, side)
    energy = cut.square().mean((1, 2))
    busy = energy > _NOTHING * energy.amax() if len(energy) else energy > 0
    cut, energy = cut[busy], energy[busy]
    if not len(cut):
        return math.inf
    # Differences of white noise are alike across, which widens the scatter of a block's correlation.
    own = [math.comb(2 * _ORDER, i) / math.comb(2 * _ORDER, _ORDER) for i in range(2 * _ORDER + 1)]
    scatter = math.sqrt(sum(k * k for k in own)) / _SIDE
    found = []
    for lag in _LAGS:
        each = (cut[..., lag:] * cut[..., :-lag]).mean((1, 2)) / energy
        found.append(abs(float(each.quantile(0.25)) + _QUARTILE * scatter))
    return max(found) + 2.0 * _ERROR * scatter / math.sqrt(len(cut) / noisy.shape[1])


def _middle(length: int) -> slice:
    cut = min(length, _MIDDLE)
    return slice((length - cut) // 2, (length + cut) // 2)


def _blocks(planes: Tensor) -> Tensor:
    """Cut planes (P, Y, X) into blocks (N, side, side), those that are cut off left out."""
    return planes.unfold(1, _SIDE, _SIDE).unfold(2, _SIDE, _SIDE).flatten(0, 2)
