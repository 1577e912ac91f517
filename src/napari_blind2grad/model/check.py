"""``model.json``, read without trust."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..axes import Axes
from ..config import Config
from ..errors import ConfigError, InputError
from ..preset_files import once

#: Version of the folders' form.
FORM = 1
FIELDS = ("blind2grad_model", "version", "config", "axes", "samples", "channels", "networks")
_NETWORK = ("center", "spread", "context", "guide")
#: Settings and intensity maps take a few kilobytes; whatever is far longer is something else.
_LONGEST = 1_000_000


@dataclass(frozen=True)
class Numbers:
    """One network's entry: see :class:`~napari_blind2grad.engine.warm.Trained`."""

    center: float
    spread: float
    context: int
    guide: bool


@dataclass(frozen=True)
class Description:
    """What ``model.json`` says, checked.

    Attributes
    ----------
    channels
        Low and scale of each intensity map.
    networks
        None for one that was not trained.
    """

    config: Config
    axes: str
    version: str
    samples: int
    channels: tuple[tuple[float, float], ...]
    networks: tuple[Numbers | None, ...]


def folder_files(folder: Path) -> tuple[Path, Path]:
    """Return where the weights and the description lie. No file is ever named by the folder itself."""
    return folder / "weights.safetensors", folder / "model.json"


def read_description(folder: Path) -> dict[str, Any]:
    """Return the JSON of a model folder.

    Raises
    ------
    InputError
        If the folder or one of its files is missing or leads elsewhere, or the JSON is none.
    """
    if not folder.is_dir():
        raise InputError(f"There is no model folder {folder}. Check its name.")
    inside = folder.resolve()
    for path in folder_files(folder):
        if not path.is_file():
            raise InputError(f"{folder} is no model of blind2grad: {path.name} is missing.")
        if path.resolve().parent != inside:
            raise InputError(f"{path} leads out of its folder. Copy the file itself there.")
    path = folder_files(folder)[1]
    try:
        if path.stat().st_size > _LONGEST:
            raise InputError(f"{path} is too long for a model.")
        content = json.loads(
            path.read_text(encoding="utf-8"), object_pairs_hook=once, parse_constant=_no_number
        )
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except RecursionError as error:
        raise InputError(f"{path} is nested too deeply for a model.") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}).") from error
    if not isinstance(content, dict) or FIELDS[0] not in content:
        raise InputError(f"{folder} is no model of blind2grad.")
    return content


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def parse(content: dict[str, Any], folder: Path) -> Description:
    """Return the checked `content` of ``model.json``.

    Raises
    ------
    InputError
        If a field is missing, unknown, or of the wrong type or range.
    """
    try:
        return _parse(content)
    except (ConfigError, InputError) as error:
        raise InputError(f"The model {folder} cannot be used: {error!s:.300}") from None


def _parse(content: dict[str, Any]) -> Description:
    form = content[FIELDS[0]]
    if form != FORM or isinstance(form, bool):
        raise InputError(
            f"it was written for another version of blind2grad (form {form!r:.20}, this one reads "
            f"{FORM}). Update it."
        )
    _names(content, FIELDS, "model.json")
    if not isinstance(content["config"], dict):
        raise InputError("it holds no settings.")
    config = Config.from_dict(content["config"])
    axes, version = _text(content, "axes"), _text(content, "version")
    Axes(axes, (1,) * len(axes))
    samples = _whole(content, "samples", 1, 4)
    channels = tuple(_channel(entry) for entry in _list(content, "channels"))
    networks = tuple(_network(entry) for entry in _list(content, "networks"))
    busy = sum(scale > 0 for _, scale in channels)
    wanted = min(busy, 1) if config.networks == "one" else busy
    if len(networks) > wanted or not any(networks):
        raise InputError(f"it names {len(networks)} networks for {busy} channels.")
    return Description(config, axes, version, samples, channels, networks)


def _names(content: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    if unknown := sorted(content.keys() - set(known)):
        raise InputError(f"{where} holds what no model has: {', '.join(unknown):.100}.")
    if missing := [name for name in known if name not in content]:
        raise InputError(f"{where} lacks {', '.join(missing)}.")


def _channel(entry: Any) -> tuple[float, float]:
    if not isinstance(entry, dict):
        raise InputError("a channel has no intensity map.")
    _names(entry, ("low", "scale"), "an intensity map")
    return _number(entry, "low"), _number(entry, "scale", low=0.0)


def _network(entry: Any) -> Numbers | None:
    if entry is None:
        return None
    if not isinstance(entry, dict):
        raise InputError("a network has no description.")
    _names(entry, _NETWORK, "a network")
    if not isinstance(entry["guide"], bool):
        raise InputError("guide must be true or false.")
    return Numbers(
        center=_number(entry, "center"),
        spread=_number(entry, "spread", low=1e-6),
        context=_whole(entry, "context", 0, 4),
        guide=entry["guide"],
    )


def _number(content: dict[str, Any], name: str, low: float = -math.inf) -> float:
    value = content[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name} must be a number.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or number < low:
        raise InputError(f"{name} is out of range.")
    return number


def _whole(content: dict[str, Any], name: str, low: int, high: int) -> int:
    value = content[name]
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"{name} must be a whole number from {low} to {high}.")
    return value


def _text(content: dict[str, Any], name: str) -> str:
    value = content[name]
    if not isinstance(value, str) or not 0 < len(value) <= 100:
        raise InputError(f"{name} must be a short text.")
    return value


def _list(content: dict[str, Any], name: str) -> list[Any]:
    value = content[name]
    if not isinstance(value, list):
        raise InputError(f"{name} must be a list.")
    return value
