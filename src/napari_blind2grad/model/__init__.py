"""Trained networks kept as folders, and applied to other images.

A folder holds ``model.json`` (settings, axes, intensity maps) and ``weights.safetensors`` (numbers alone);
nothing in it can run code.
"""

from __future__ import annotations

from .applying import apply
from .files import MARKS, Model, load_model, save_model

__all__ = ["MARKS", "Model", "apply", "load_model", "save_model"]
