"""Blind spots: Bernoulli, uniform and dual masks (eqs. 3.1 to 3.3).

A mask Ω is 1 where the network sees a pixel and 0 at a blind spot. Functions here return its complement,
*blind*, as booleans.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

import torch
from torch import Tensor

from .blur import blur

if TYPE_CHECKING:
    from ..config import Config
    from .noise import NoiseCurve

Whole = TypeVar("Whole", int, Tensor)

#: No pixel class is hidden more often than this share between the mask rate and 1.
_CAP = 0.5
_CELL = 4


def detail_distance(
    noisy: Tensor,
    medium: Tensor,
    variance: Tensor | float = 0.0,
    kind: Literal["noise-aware", "literal"] | str = "noise-aware",
) -> Tensor:
    """Return the distance ``d_i`` between the noisy and the medium clean image (eq. 3.1).

    Parameters
    ----------
    noisy, medium
        ``y`` and ``x_m``, shape (B, S, Y, X).
    variance
        Noise variance of one sample, broadcastable to (B, S, Y, X).
    kind
        ``"literal"``: ``sqrt((y_i − x_{m,i})²)``, Euclidean over the samples of each pixel. At usual
        noise levels that mostly finds noise. ``"noise-aware"``: the same energy averaged over a
        5×5 Gaussian neighbourhood, less what the noise alone would give.

    Returns
    -------
    Tensor
        Shape (B, 1, Y, X), not negative.
    """
    energy = (noisy - medium).square()  # (B, S, Y, X)
    if kind == "literal":
        return energy.sum(1, keepdim=True).sqrt()
    excess = (energy - variance).sum(1, keepdim=True)  # (B, 1, Y, X)
    return blur(excess, sigma=1.5, radius=3).clamp_min(0.0).sqrt()


def detail_strength(
    noisy: Tensor,
    valid: Tensor,
    medium: Tensor,
    noise: NoiseCurve,
    kind: Literal["noise-aware", "literal"] | str,
) -> Tensor:
    """Return what ε_g is compared with: :func:`detail_distance` with the noise of the image itself.

    Parameters
    ----------
    noisy, medium
        ``y`` and ``x_m``, shape (B, S, Y, X).
    valid
        Booleans, shape (B, 1, Y, X): elsewhere the distance counts as 0.
    noise
        How strong the noise is at each brightness.
    kind
        As in :func:`detail_distance`.

    Returns
    -------
    Tensor
        Shape (B, 1, Y, X).
    """
    shown = torch.where(valid, noisy, medium)
    return detail_distance(shown, medium, noise.of_pixels(medium), kind)


def class_probabilities(
    detail: Tensor, rate: float, rho: float, share: float | Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the chances of flat and of detail pixels to be blind, the total held at `rate` (eq. 3.3).

    Detail pixels are hidden ``1 − rho`` times as often as the rate; flat ones take over the rest.
    Where details are so many that the flat ones would nearly all be hidden, the protection gives way.

    Parameters
    ----------
    detail
        Boolean detail map, shape (B, 1, Y, X); each sample of the batch holds its own total.
    rate
        Share of blind pixels, 0 to 1.
    rho
        ρ, strength of the protection, 0 to 1.
    share
        Share of detail pixels in the image of which `detail` is a part; None takes that of `detail`.

    Returns
    -------
    flat, detail : Tensor
        Shape (B, 1, 1, 1).
    """
    if share is None:
        share_of_each = detail.float().mean((1, 2, 3), keepdim=True)  # (B, 1, 1, 1)
    else:
        share_of_each = torch.zeros_like(detail[:, :1, :1, :1], dtype=torch.float32) + share
    return _probabilities(share_of_each, rate, rho)


def _probabilities(share: Tensor, rate: float, rho: float) -> tuple[Tensor, Tensor]:
    most = rate + _CAP * (1.0 - rate)
    hidden = rate * (1.0 - rho)
    flat = ((rate - share * hidden) / (1.0 - share).clamp_min(1e-6)).clamp(0.0, most)
    rest = (rate - (1.0 - share) * flat) / share.clamp_min(1e-6)
    return flat, torch.where(share > 0, rest, torch.full_like(rest, hidden)).clamp(0.0, 1.0)


def blind_probability(
    detail: Tensor, rate: float, rho: float, share: float | Tensor | None = None
) -> Tensor:
    """Return each pixel's chance to be blind, shape (B, 1, Y, X); see :func:`class_probabilities`."""
    flat, hidden = class_probabilities(detail, rate, rho, share)
    return torch.where(detail, hidden, flat)


def masks_drawn(samples: int, config: Config) -> int:
    """Return how many masks are drawn for a pixel of so many colour samples: one for each, or for all.

    Where neighbouring pixels share their noise, so do the samples of a pixel, as cameras make two of three up
    from neighbours: one would tell the noise of another.
    """
    return 1 if config.tap_distance > 1 else samples


def uniform_blind(scores: Tensor, rate: float) -> Tensor:
    """Return blind pixels in equal number in each 4×4 cell: the uniform pixel selection of N2V and N2S.

    Parameters
    ----------
    scores
        Uniform random numbers in [0, 1), shape (B, S, Y, X) with Y and X multiples of 4.
    rate
        Share of blind pixels; rounded to 16ths.
    """
    b, s, y, x = scores.shape
    cells = scores.view(b, s, y // _CELL, _CELL, x // _CELL, _CELL).transpose(3, 4).flatten(4)
    rank = cells.argsort(-1).argsort(-1)  # (B, S, Y/4, X/4, 16)
    blind = rank < max(1, round(rate * _CELL * _CELL))
    return (
        blind.view(b, s, y // _CELL, x // _CELL, _CELL, _CELL).transpose(3, 4).reshape(b, s, y, x)
    )


def even_scores(scores: Tensor) -> Tensor:
    """Return `scores` spread evenly over squares of 2 × 2 pixels, one of them in each quarter of 0 to 1.

    A pixel's own score is as uniform as before, so that its chance to be blind stays; but where all have a
    quarter's chance just one in each square is blind, and its neighbours tell more of it.

    Parameters
    ----------
    scores
        Uniform random numbers in [0, 1), shape (..., Y, X) with Y and X even.
    """
    places = [(..., slice(i, None, 2), slice(j, None, 2)) for i in (0, 1) for j in (0, 1)]
    four = [scores[place] for place in places]
    above = {(i, j): four[i] > four[j] for i in range(4) for j in range(i)}
    out = torch.empty_like(scores)
    for i, place in enumerate(places):
        won = [above[i, j] if j < i else ~above[j, i] for j in range(4) if j != i]
        rank = won[0].to(scores.dtype) + won[1] + won[2]
        # What is left of a score below its 12th bit is uniform whatever the rank.
        out[place] = (rank + (four[i] * 4096.0).frac()) / 4.0
    return out


def exact_blind(scores: Tensor, detail: Tensor, rate: float, rho: float) -> Tensor:
    """Return a dual mask of one plane with exactly the asked number of blind pixels.

    Parameters
    ----------
    scores
        Uniform random numbers, shape (Y, X): within its class, a pixel with a lower score goes first.
    detail
        Boolean detail map, shape (Y, X).

    Returns
    -------
    Tensor
        Booleans, shape (Y, X), with ``round(rate · Y · X)`` of them true.
    """
    _, hidden = class_probabilities(detail[None, None], rate, rho)
    total = round(rate * detail.numel())
    details = int(detail.sum())
    inside = min(round(float(hidden) * details), total)
    inside = max(inside, total - (detail.numel() - details))
    blind = torch.zeros(detail.numel(), dtype=torch.bool, device=detail.device)
    for member, count in ((detail, inside), (~detail, total - inside)):
        where = member.flatten().nonzero().squeeze(1)
        blind[where[scores.flatten()[where].argsort()[:count]]] = True
    return blind.view_as(detail)


def dual_mask_labels(blind: Tensor, detail: Tensor) -> Tensor:
    """Return uint8 labels: 0 visible flat, 1 hidden flat, 2 visible detail, 3 hidden detail."""
    return blind.to(torch.uint8) + 2 * detail.to(torch.uint8)


def coordinate_key(seed: int, plane: int, turn: int) -> int:
    """Return what :func:`coordinate_noise` starts from.

    Parameters
    ----------
    seed, plane, turn
        Seed of the run, running number of the plane, number of the pass (and sample).
    """
    return _mix((seed * 0x9E3779B1 + plane * 0x85EBCA77 + turn * 0xC2B2AE3D) & _MASK32)


def coordinate_noise(key: int | Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return uniform numbers that depend on nothing but the key and the pixel's own coordinates.

    So the masks of a prediction are the same however the image is cut into tiles, on every device.

    Parameters
    ----------
    key
        From :func:`coordinate_key`; a number, or a scalar on the device.
    rows, columns
        Integer coordinates, shapes (Y,) and (X,).

    Returns
    -------
    Tensor
        float32 in [0, 1), shape (Y, X).
    """
    return (coordinate_bits(key, rows, columns) >> 8).float() / 2**24


def coordinate_bits(key: int | Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return 32 random bits for each pixel, as :func:`coordinate_noise`: int64, shape (Y, X)."""
    row = _mix((rows.long() * 0x9E3779B1 + key) & _MASK32)  # (Y,)
    return _mix((row[:, None] + columns.long()[None, :] * 0x85EBCA77) & _MASK32)  # (Y, X)


_MASK32 = 0xFFFFFFFF


def _mix(h: Whole) -> Whole:
    # The finaliser of MurmurHash3: every input bit reaches every output bit.
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & _MASK32
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & _MASK32
    return h ^ (h >> 16)
