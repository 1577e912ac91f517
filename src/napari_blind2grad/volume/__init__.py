"""Images of any size: trained on crops from all over them, denoised tile by tile."""

from __future__ import annotations

from .plan import Plan, Tile
from .source import Source
from .store import File, apply_volume, denoise_volume, store
from .stream import Finished, Into, Planned, apply_volume_iter, denoise_volume_iter
from .tile import predict_tile

__all__ = [
    "File",
    "Finished",
    "Into",
    "Plan",
    "Planned",
    "Source",
    "Tile",
    "apply_volume",
    "apply_volume_iter",
    "denoise_volume",
    "denoise_volume_iter",
    "predict_tile",
    "store",
]
