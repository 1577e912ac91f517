"""Whether neighbouring pixels share their noise, as the last step needs to know it.

The window's quality pane measures more of it, on another sample (``quality/correlation.py``).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .stack import Planes

#: Planes looked at, spread over all of them.
_PLANES = 6
#: Side of the blocks that are looked at one by one, and the distances between pixels.
_SIDE, _LAGS = 16, (1, 2)
#: Fourth differences.
_KERNEL = (1.0, -4.0, 6.0, -4.0, 1.0)
#: Fewer blocks tell nothing.
_FEWEST = 4
#: Lower quartile of a standard normal, and the standard error of a quartile of N of them, times √N.
_QUARTILE, _ERROR = 0.6745, 1.36
#: Correlation up to which noise is white, and from which it is not.
_WHITE, _SHARED = 0.025, 0.05


def whiteness(planes: Planes) -> float:
    """Return 1 where the noise of neighbouring pixels is surely independent, and 0 where it may not be.

    Between correlations of 0.025 and 0.05 it falls from 1 to 0; two standard errors are put on before, so
    that single planes of 128 × 128 pixels, or fewer, tell nothing for sure.
    """
    chosen = range(0, len(planes), max(1, -(-len(planes) // _PLANES)))
    inside = (list(chosen), slice(None), slice(planes.height), slice(planes.width))
    noisy, valid = planes.noisy[inside], planes.valid[inside]
    shared = max(_shared(noisy, valid), _shared(noisy.mT, valid.mT))
    return min(1.0, max(0.0, (_SHARED - shared) / (_SHARED - _WHITE)))


def _shared(noisy: Tensor, valid: Tensor) -> float:
    """Return how large the correlation of neighbours along the last axis may be; infinite if nothing tells.

    It is measured in fourth differences across that axis, which hold noise and hardly any structure: noise
    that is independent across keeps its correlation along. What structure is left only adds, so the lower
    quartile of blocks counts, put right for the scatter of white noise.

    Parameters
    ----------
    noisy
        Shape (P, S, Y, X).
    valid
        Shape (P, 1, Y, X), bool: blocks with other pixels are left out.
    """
    across = noisy.new_tensor(_KERNEL).view(1, 1, -1, 1)
    margin = len(_KERNEL) - 1
    if noisy.shape[-2] < _SIDE + margin or noisy.shape[-1] < _SIDE:
        return math.inf
    detail = F.conv2d(noisy.flatten(0, 1)[:, None], across)[:, 0]  # (P·S, Y − 4, X)
    whole = F.conv2d((~valid).to(noisy), torch.ones_like(across)) == 0  # (P, 1, Y − 4, X)
    whole = whole.expand(-1, noisy.shape[1], -1, -1).flatten(0, 1)
    cut = _blocks(detail)[_blocks(whole).flatten(1).all(1)]  # (N, side, side)
    energy = cut.square().mean((1, 2))
    cut, energy = cut[energy > 0], energy[energy > 0]
    if len(cut) < _FEWEST:
        return math.inf
    # Differences of white noise are alike across, which widens the scatter of a block's correlation.
    own = [math.comb(2 * margin, margin + i) for i in range(-margin, margin + 1)]
    scatter = math.sqrt(sum((k / own[margin]) ** 2 for k in own)) / _SIDE
    found = []
    for lag in _LAGS:
        each = (cut[..., lag:] * cut[..., :-lag]).mean((1, 2)) / energy
        found.append(abs(float(each.quantile(0.25)) + _QUARTILE * scatter))
    return max(found) + 2.0 * _ERROR * scatter / math.sqrt(len(cut))


def _blocks(planes: Tensor) -> Tensor:
    """Cut planes (P, Y, X) into blocks (N, side, side), those that are cut off left out."""
    return planes.unfold(1, _SIDE, _SIDE).unfold(2, _SIDE, _SIDE).flatten(0, 2)
