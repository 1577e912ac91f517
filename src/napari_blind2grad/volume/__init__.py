"""Images of any size: trained on crops from all over them, denoised tile by tile."""

from __future__ import annotations

from .alone import predict_tile
from .plan import Plan, Tile
from .sinks import Into, LastingSink
from .source import Source
from .store import File, store
from .stream import Finished, Planned, apply_volume_iter, denoise_volume_iter
from .survival import identify_volume
from .whole import apply_volume, denoise_volume

__all__ = [
    "File",
    "Finished",
    "Into",
    "LastingSink",
    "Plan",
    "Planned",
    "Source",
    "Tile",
    "apply_volume",
    "apply_volume_iter",
    "denoise_volume",
    "denoise_volume_iter",
    "identify_volume",
    "predict_tile",
    "store",
]
