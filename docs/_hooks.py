"""Put tables made from the code where pages ask for them, so that no number is written twice."""

from __future__ import annotations

import math
from typing import Any

from napari_blind2grad.config import PRESET_HELP, PRESETS, Parameter, parameters


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the marks ``{{ parameters }}`` and ``{{ presets }}`` of a page."""
    return markdown.replace("{{ parameters }}", _parameters()).replace("{{ presets }}", _presets())


def _parameters() -> str:
    rows = ["| parameter | default | range | what it does |", "| --- | --- | --- | --- |"]
    for p in parameters():
        symbol = f" ({p.symbol})" if p.symbol else ""
        live = " *Can be changed while a run goes on.*" if p.live else ""
        rows.append(f"| `{p.name}`{symbol} | {p.default} {p.unit} | {_range(p)} | {p.help}{live} |")
    return "\n".join(rows)


def _range(parameter: Parameter) -> str:
    if parameter.kind in (int, float) and math.isfinite(parameter.high):
        return f"{parameter.low:g} to {parameter.high:g}"
    return ", ".join(parameter.choices)


def _presets() -> str:
    rows = ["| preset | | changes to the defaults |", "| --- | --- | --- |"]
    for name, changes in PRESETS.items():
        text = ", ".join(f"`{key}={value}`" for key, value in changes.items()) or "none"
        rows.append(f"| `{name}` | {PRESET_HELP[name]} | {text} |")
    return "\n".join(rows)
