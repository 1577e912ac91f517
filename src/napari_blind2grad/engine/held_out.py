"""Pixels that are never trained on, so that the loss on them is an honest one."""

from __future__ import annotations

import torch
from torch import Tensor

from ..config import Config
from .grids import cut, join
from .masks import even_scores
from .predict import mask_scores
from .stack import Planes

#: Share of the pixels, and the size of plane below which every pixel is needed.
_SHARE, _PIXELS = 0.02, 1024


def held_out(planes: Planes, seed: int, plane: int) -> Tensor:
    """Return the pixels of one plane that are held out: bool, shape (1, H, W)."""
    valid = planes.valid[plane]
    if planes.height * planes.width < _PIXELS:
        return torch.zeros_like(valid)
    return valid & (mask_scores(planes, seed, plane, -1) < _SHARE)


def shown_scores(planes: Planes, seed: int, plane: int, turn: int, config: Config) -> Tensor:
    """Return the numbers that decide which pixels the shown mask hides, shape (H, W): held-out ones first."""
    held, scores = held_out(planes, seed, plane), mask_scores(planes, seed, plane, turn)
    if config.even:
        scores = join(even_scores(cut(scores[None], config.tap_distance)), config.tap_distance)[0]
    return torch.where(held, -1.0, scores)[0]
