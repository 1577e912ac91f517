"""How each flavour of TIFF stores axes, sizes, units, channel names and parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import __version__
from .metadata import NAMESPACE, parse_json
from .units import LENGTHS, NO_UNIT, TIMES


@dataclass(frozen=True)
class Facts:
    """What goes into the metadata of a file, already cleaned.

    Attributes
    ----------
    lengths
        Length of each dimension by axis letter, in the file's order.
    scale, units
        Pixel size and its unit by axis letter.
    channel_names
        One name for each channel, or empty.
    description
        A sentence for people.
    parameters
        How the image was made.
    """

    lengths: Mapping[str, int]
    scale: Mapping[str, float]
    units: Mapping[str, str]
    channel_names: tuple[str, ...]
    description: str
    parameters: Mapping[str, Any]

    @property
    def axes(self) -> str:
        """One letter for each dimension."""
        return "".join(self.lengths)


def ome_options(facts: Facts) -> dict[str, Any]:
    """Return the options of :func:`tifffile.imwrite` for OME-TIFF."""
    metadata: dict[str, Any] = {"axes": facts.axes, "Creator": f"{NAMESPACE} {__version__}"}
    for letter, name in (("X", "PhysicalSizeX"), ("Y", "PhysicalSizeY"), ("Z", "PhysicalSizeZ")):
        if letter in facts.scale:
            metadata[name] = facts.scale[letter]
            unit = facts.units.get(letter, NO_UNIT)
            metadata[name + "Unit"] = unit if unit in LENGTHS | {NO_UNIT} else "reference frame"
    # The schema has no time without a unit; seconds are its default.
    if "T" in facts.scale and facts.units.get("T", "s") in TIMES:
        metadata["TimeIncrement"] = facts.scale["T"]
        metadata["TimeIncrementUnit"] = facts.units.get("T", "s")
    channels = facts.lengths.get("C", 1)
    if len(facts.channel_names) == channels:
        # tifffile before 2026.2.24 writes double quotes as they are, which breaks the XML.
        names = [name.replace('"', "'") for name in facts.channel_names]
        metadata["Channel"] = {"Name": names}
    if facts.description:
        metadata["Description"] = facts.description
    if facts.parameters:
        values = {str(k): printable(_text(v)) for k, v in facts.parameters.items()}
        metadata["MapAnnotation"] = {"Namespace": NAMESPACE, "Value": values}
    return {"ome": True, "metadata": metadata}


def imagej_options(facts: Facts) -> dict[str, Any]:
    """Return the options of :func:`tifffile.imwrite` for an ImageJ hyperstack."""
    scale, units = facts.scale, facts.units
    metadata: dict[str, Any] = {"axes": facts.axes}
    if scale:
        unit = units.get("X", units.get("Y", units.get("Z", NO_UNIT)))
        metadata["unit"] = _ascii(unit)
        for letter in "YZ":
            if letter in scale and units.get(letter, NO_UNIT) != unit:
                metadata[letter.lower() + "unit"] = _ascii(units.get(letter, NO_UNIT))
    if "Z" in scale:
        metadata["spacing"] = scale["Z"]
    if "T" in scale:
        metadata["finterval"] = scale["T"]
        metadata["tunit"] = _ascii(units.get("T", "s"))
    if "C" in facts.axes:
        planes = facts.lengths.get("T", 1) * facts.lengths.get("Z", 1)
        if len(facts.channel_names) == facts.lengths["C"]:
            metadata["Labels"] = list(facts.channel_names) * planes
    info = {"description": facts.description, NAMESPACE: dict(facts.parameters)}
    if any(info.values()):
        metadata["Info"] = json.dumps({k: v for k, v in info.items() if v}, ensure_ascii=False)
    options: dict[str, Any] = {"imagej": True, "metadata": metadata}
    if "X" in scale or "Y" in scale:
        options["resolution"] = tuple(1 / scale.get(c, 1.0) for c in "XY")
    return options


def shaped_options(facts: Facts) -> dict[str, Any]:
    """Return the options of :func:`tifffile.imwrite` for TIFF with tifffile's own description."""
    ours = {
        "scale": dict(facts.scale),
        "units": dict(facts.units),
        "channel_names": list(facts.channel_names),
        "description": facts.description,
        "parameters": dict(facts.parameters),
    }
    return {"metadata": {"axes": facts.axes, NAMESPACE: {k: v for k, v in ours.items() if v}}}


def _text(value: Any) -> str:
    """Spell `value` so that :func:`~.metadata.parse_json` gives it back."""
    plain = isinstance(value, str) and parse_json(value) == value
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


def _ascii(unit: str) -> str:
    r"""Spell `unit` as ImageJ does (``\u00B5m``): its description must be ASCII."""
    return "".join(c if c.isascii() else f"\\u{ord(c):04X}" for c in unit)


def printable(text: str) -> str:
    """Remove the control characters that XML cannot hold."""
    return "".join(c for c in text if c in "\t\n" or c.isprintable())
