"""The defaults that the user chose in napari's Preferences, where napari has them (0.9 and later)."""

from __future__ import annotations

from dataclasses import dataclass

from ..config import PRESETS, Config
from .roles import ROLES

_PLUGIN = "napari-blind2grad"


@dataclass(frozen=True)
class Preferences:
    """How a new window starts.

    Attributes
    ----------
    config
        Settings in the form.
    shown
        Keys of the live layers that are ticked.
    """

    config: Config
    shown: frozenset[str]


def read_preferences() -> Preferences:
    """Return the user's preferences; our own defaults where napari holds none."""
    window = _window_settings()
    preset = getattr(window, "preset", "fast")
    config = Config.preset(preset if preset in PRESETS else "fast")
    return Preferences(
        config=config.replace(device=getattr(window, "device", config.device)),
        shown=frozenset(
            role.key for role in ROLES if getattr(window, f"show_{role.key}", role.default)
        ),
    )


def _window_settings() -> object:
    try:
        from napari.settings import get_plugin_settings
    except ImportError:  # napari before 0.9
        return None
    return getattr(get_plugin_settings().get(_PLUGIN), "window", None)
