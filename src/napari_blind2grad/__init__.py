"""Zero-shot denoising of microscopy images with Blind2Grad.

Importing this package loads neither PyTorch nor napari: they load when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0.dev0"

if TYPE_CHECKING:
    from .api import denoise
    from .config import PRESETS as presets
    from .config import Config
    from .engine.run import denoise_iter
    from .events import Result
    from .model import apply, load_model, save_model
    from .volume import apply_volume, denoise_volume

__all__ = [
    "Config",
    "Result",
    "__version__",
    "apply",
    "apply_volume",
    "denoise",
    "denoise_iter",
    "denoise_volume",
    "load_model",
    "presets",
    "save_model",
]

_LAZY = {
    "Config": ("config", "Config"),
    "Result": ("events", "Result"),
    "apply": ("model", "apply"),
    "apply_volume": ("volume", "apply_volume"),
    "denoise": ("api", "denoise"),
    "denoise_volume": ("volume", "denoise_volume"),
    "denoise_iter": ("engine.run", "denoise_iter"),
    "load_model": ("model", "load_model"),
    "presets": ("config", "PRESETS"),
    "save_model": ("model", "save_model"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _LAZY[name]
    return getattr(import_module(f".{module}", __name__), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
