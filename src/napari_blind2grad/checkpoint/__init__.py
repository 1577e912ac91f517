"""Runs that survive: their state in a folder, from which a run that was killed goes on.

A folder holds ``checkpoint.json`` and files of plain numbers (safetensors); nothing in it can run code.
"""

from __future__ import annotations

from .folder import Folder
from .identity import describe
from .keeping import EVERY, Keeper, keeper_at

__all__ = ["EVERY", "Folder", "Keeper", "describe", "keeper_at"]
