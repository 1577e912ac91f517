"""Presets of the user's own: JSON files that can be kept, shared and read back.

A file holds ``{"blind2grad_preset": 1, "version": …, "config": {…}}``, all fields of
:class:`~napari_blind2grad.config.Config` among them. Reading is strict: an unknown field, or a value of
the wrong type or out of range, is refused in words.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from . import __version__
from .config import Config
from .errors import ConfigError, InputError, OutputError

#: Version of the files' form.
FORM = 1
_FIELDS = {"blind2grad_preset", "version", "config"}
#: A preset takes two kilobytes; whatever is far longer is something else.
_LONGEST = 1_000_000


def preset_folder() -> Path:
    """Return the folder whose presets the window offers; it need not exist."""
    import platformdirs

    return Path(platformdirs.user_config_dir("napari-blind2grad", appauthor=False)) / "presets"


def save_preset(path: Path, config: Config) -> Path:
    """Write `config` to `path`, given the ending ``.json`` if it lacks it, and return where it lies.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = path if path.suffix.lower() == ".json" else path.with_name(f"{path.name}.json")
    content = {"blind2grad_preset": FORM, "version": __version__, "config": config.to_dict()}
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"The preset {path} cannot be written: {error.strerror}. Choose another folder."
        ) from error
    return path


def load_preset(path: Path) -> Config:
    """Return the settings in the file `path`.

    Raises
    ------
    InputError
        If it cannot be read or is no preset.
    ConfigError
        If a field is unknown, of the wrong type or out of range.
    """
    try:
        if path.stat().st_size > _LONGEST:
            raise InputError(f"{path} is too long for a preset.")
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once)
    except OSError as error:
        raise InputError(f"The preset {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"The preset {path} is not JSON ({error}).") from error
    form = content.get("blind2grad_preset") if isinstance(content, dict) else None
    if form is None:
        raise InputError(
            f"{path} is no preset of blind2grad. Save one in the window to see the form."
        )
    if form != FORM or isinstance(form, bool):
        raise InputError(
            f"{path} was written for another version of blind2grad (form {form!r}, this one reads "
            f"{FORM}): update it."
        )
    if unknown := sorted(content.keys() - _FIELDS):
        raise InputError(f"{path} holds what no preset has: {', '.join(unknown)}.")
    values = content.get("config")
    if not isinstance(values, dict):
        raise InputError(f"{path} holds no settings.")
    try:
        return Config.from_dict(values)
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from None


def find_presets() -> dict[str, Path]:
    """Return the files in :func:`preset_folder` by name, sorted; they are read when they are chosen."""
    try:
        found = [p for p in preset_folder().iterdir() if p.suffix.lower() == ".json"]
    except OSError:  # nobody has saved one
        return {}
    return {path.stem: path for path in sorted(found)}


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return `pairs` of a JSON object as a dictionary; a name that comes twice is a :class:`ValueError`."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} stands there twice")
        found[name] = value
    return found
