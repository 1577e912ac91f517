r"""One spelling for each unit, that of OME: ``µm`` for ``um``, ``micron`` and ``\u00B5m``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

_PREFIXES = {
    "": "",
    "k": "kilo",
    "d": "deci",
    "c": "centi",
    "m": "milli",
    "µ": "micro",
    "n": "nano",
    "p": "pico",
    "f": "femto",
}
#: Units of length and time that OME-XML allows and microscopes use.
LENGTHS = frozenset(p + "m" for p in _PREFIXES) | {"Å", "in"}
TIMES = frozenset(p + "s" for p in _PREFIXES if p != "k") | {"min", "h", "d"}
#: How OME-XML says that a size has no physical unit.
NO_UNIT = "pixel"

_ALIASES = {
    "um": "µm",
    "micron": "µm",
    "micrometer": "µm",
    "micrometre": "µm",
    "nanometer": "nm",
    "nanometre": "nm",
    "millimeter": "mm",
    "millimetre": "mm",
    "centimeter": "cm",
    "centimetre": "cm",
    "meter": "m",
    "metre": "m",
    "picometer": "pm",
    "angstrom": "Å",
    "a": "Å",
    "inch": "in",
    "inche": "in",
    "sec": "s",
    "second": "s",
    "millisecond": "ms",
    "msec": "ms",
    "us": "µs",
    "usec": "µs",
    "microsecond": "µs",
    "nanosecond": "ns",
    "minute": "min",
    "hour": "h",
    "hr": "h",
    "day": "d",
    "pixel": "",
    "px": "",
    "none": "",
    "unknown": "",
}


#: How OME-Zarr spells them.
WORDS = {
    **{p + "m": word + "meter" for p, word in _PREFIXES.items()},
    **{p + "s": word + "second" for p, word in _PREFIXES.items() if p != "k"},
    "Å": "angstrom",
    "in": "inch",
    "min": "minute",
    "h": "hour",
    "d": "day",
}
_ALIASES |= {word: unit for unit, word in WORDS.items()}


def normalize_unit(text: str) -> str:
    r"""Return `text` in OME's spelling; an empty string for pixels and for no unit.

    Parameters
    ----------
    text
        A unit as files, napari or people write it. ImageJ's escapes (``\u00B5m``) are decoded. An
        unknown unit is returned as it is.
    """
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text).strip()
    # Greek mu and the Angstrom sign look like their Latin twins but compare unequal.
    text = text.replace("\u03bc", "µ").replace("\u212b", "Å")
    if text in LENGTHS or text in TIMES:
        return text
    lower = text.lower()
    return _ALIASES.get(lower, _ALIASES.get(lower.removesuffix("s"), text))


def usable_scale(scale: Mapping[str, float] | None, axes: str) -> dict[str, float]:
    """Return the finite, nonzero sizes in `scale` of the letters in `axes`, all made positive."""
    return {
        letter: abs(float(size))
        for letter, size in (scale or {}).items()
        if letter in axes and math.isfinite(size) and size != 0
    }


def usable_units(units: Mapping[str, str] | None, axes: str) -> dict[str, str]:
    """Return the normalised units of the letters in `axes`, without those that are pixels."""
    normalized = {k: normalize_unit(u) for k, u in (units or {}).items() if k in axes}
    return {k: u for k, u in normalized.items() if u}
