"""Trained networks kept as folders, and applied to other images.

A folder holds ``model.json`` (settings, axes, intensity maps) and ``weights.safetensors`` (numbers alone);
nothing in it can run code.
"""

from __future__ import annotations

from .applying import apply
from .export import export_model
from .files import MARKS, Model, load_model, save_model

__all__ = ["MARKS", "Model", "apply", "export_model", "load_model", "save_model"]
