"""Regions of a volume in the engine's form: normalised, padded planes with their neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..engine.normalize import IntensityMap
from ..engine.stack import Planes, filled, neighbouring
from .source import Source

Span = tuple[int, int]
#: How far a pixel without a value is filled from, where it is a neighbour's.
FILL_REACH = 6


def seen_with(z: int, depth: int, context: int) -> list[int]:
    """Return the planes that the network sees with plane `z` of a stack of `depth` planes."""
    if not context:
        return []
    return [int(n) for n in neighbouring(torch.tensor([z]), depth, context)[0]]


def padded(length: int, multiple: int) -> int:
    """Return `length` up to the next multiple."""
    return -(-length // multiple) * multiple


def read_planes(
    source: Source, intensity: IntensityMap, place: tuple[int, int], z: Span, y: Span, x: Span
) -> tuple[Tensor, Tensor]:
    """Return neighbouring planes of channel and time `place` as the network sees them.

    `y` and `x` may reach beyond the image: what lies there is not valid.

    Returns
    -------
    values : Tensor
        float32, shape (Z, S, H, W), 0 where there is no finite value.
    valid : Tensor
        bool, shape (Z, 1, H, W).
    """
    height, width = source.shape[4:]
    inside = [slice(a, min(b, n)) for (a, b), n in ((y, height), (x, width))]
    raw = source.read(*place, slice(*z), *inside)
    shape = (len(raw), raw.shape[1], y[1] - y[0], x[1] - x[0])
    values = np.zeros(shape, np.float32)
    valid = np.zeros((shape[0], 1, *shape[2:]), bool)
    h, w = raw.shape[2:]
    for i, plane in enumerate(raw):  # one at a time: the map works in double precision
        mapped = intensity.forward(plane)
        finite = np.isfinite(mapped)
        values[i, :, :h, :w] = np.where(finite, mapped, 0.0)
        valid[i, 0, :h, :w] = finite.all(0)
    return torch.from_numpy(values), torch.from_numpy(valid)


def as_context(values: Tensor, valid: Tensor) -> Tensor:
    """Return `values` with the pixels that are not valid filled smoothly."""
    return values if bool(valid.all()) else filled(values, valid)


def one_plane(
    values: Tensor,
    valid: Tensor,
    neighbours: Sequence[Tensor],
    where: tuple[int, int, int],
    number: int,
    origin: tuple[int, int],
) -> Planes:
    """Return a single plane with its `neighbours` (S, H, W), ready for a prediction."""
    context = torch.stack(list(neighbours)) if neighbours else values
    return Planes(
        noisy=values * valid,
        valid=valid,
        neighbours=torch.arange(len(neighbours), device=values.device)[None],
        context=context,
        index=(where,),
        height=values.shape[-2],
        width=values.shape[-1],
        numbers=(number,),
        origin=origin,
    )
