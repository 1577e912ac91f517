"""What the flavours of TIFF say about pixel sizes, units, channels and how the file was made."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree as ET

import tifffile

from .units import normalize_unit

#: Under this name our parameters are stored in every flavour of file.
NAMESPACE = "napari-blind2grad"

# A resolution tag coarser than this (in µm) was meant for a printer, not for a microscope.
_COARSEST_TAG = 100.0
_CENTIMETRE = 3


@dataclass(frozen=True)
class Metadata:
    """What is known about an image beside its pixels.

    Attributes
    ----------
    scale, units
        Pixel size and its unit by axis letter; both may lack any axis.
    channel_names
        One name for each channel, or empty.
    parameters
        How this package made the file, as given to :func:`~napari_blind2grad.io.write_image`.
    """

    scale: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)


def read_metadata(tiff: tifffile.TiffFile) -> Metadata:
    """Return the metadata of the first image in `tiff`."""
    page = tiff.pages.first
    if tiff.is_ome and tiff.ome_metadata:
        return _from_ome(tiff.ome_metadata)
    if tiff.is_imagej and tiff.imagej_metadata:
        return _from_imagej(tiff.imagej_metadata, page)
    if tiff.is_shaped and tiff.shaped_metadata:
        return _from_shaped(tiff.shaped_metadata[0], page)
    return Metadata(*_from_tags(page))


def _from_ome(xml: str) -> Metadata:
    try:
        root = ET.fromstring(xml)  # noqa: S314 (expat itself refuses entity bombs since 2.4.1)
    except ET.ParseError:
        return Metadata()
    pixels = root.find(".//{*}Image/{*}Pixels")
    if pixels is None:
        return Metadata()
    scale: dict[str, float] = {}
    units: dict[str, str] = {}
    for letter, name, default in (
        ("X", "PhysicalSizeX", "µm"),
        ("Y", "PhysicalSizeY", "µm"),
        ("Z", "PhysicalSizeZ", "µm"),
        ("T", "TimeIncrement", "s"),
    ):
        size = _number(pixels.get(name))
        if size is not None:
            scale[letter] = size
            units[letter] = normalize_unit(pixels.get(name + "Unit", default))
    names = tuple(c.get("Name", "") for c in pixels.iterfind("{*}Channel"))
    parameters: dict[str, Any] = {}
    for annotation in root.iterfind(f".//{{*}}MapAnnotation[@Namespace='{NAMESPACE}']"):
        for item in annotation.iterfind("{*}Value/{*}M"):
            parameters[item.get("K", "")] = parse_json(item.text or "")
    return Metadata(scale, units, names if any(names) else (), parameters)


def _from_imagej(ij: Mapping[str, Any], page: tifffile.TiffPage) -> Metadata:
    scale: dict[str, float] = {}
    units: dict[str, str] = {}
    unit = normalize_unit(str(ij["unit"])) if "unit" in ij else None
    if unit is None:
        scale, units = _from_tags(page)
    else:
        for letter, tag in (("X", "XResolution"), ("Y", "YResolution")):
            size = _tag_size(page, tag)
            # ImageJ writes 1 pixel per "pixel" where nothing is known.
            if size is not None and (unit or size != 1):
                scale[letter] = size
                units[letter] = normalize_unit(str(ij.get(letter.lower() + "unit", unit)))
    spacing = _number(ij.get("spacing"))
    if spacing is not None:
        scale["Z"] = spacing
        units["Z"] = normalize_unit(str(ij.get("zunit", unit or "")))
    interval = _number(ij.get("finterval"))
    if interval is not None:
        scale["T"] = interval
        units["T"] = normalize_unit(str(ij.get("tunit", "s")))
    parameters = parse_json(str(ij.get("Info", "")))
    ours = parameters.get(NAMESPACE, {}) if isinstance(parameters, dict) else {}
    return Metadata(scale, units, _imagej_channels(ij), ours)


def _imagej_channels(ij: Mapping[str, Any]) -> tuple[str, ...]:
    """Channel names from the labels of the first planes: ImageJ has no other place for them."""
    count, labels = ij.get("channels", 1), ij.get("Labels", [])
    if not isinstance(labels, list) or not 1 < count <= len(labels):
        return ()
    names = [re.sub(r"^(?:[czt]:\d+/\d+ ?)+(?:- )?", "", str(label)) for label in labels[:count]]
    return tuple(names) if any(names) else ()


def _from_shaped(shaped: Mapping[str, Any], page: tifffile.TiffPage) -> Metadata:
    ours = shaped.get(NAMESPACE)
    if not isinstance(ours, dict):
        return Metadata(*_from_tags(page))
    sizes = {k: _number(v) for k, v in ours.get("scale", {}).items()}
    return Metadata(
        {k: v for k, v in sizes.items() if v is not None},
        {k: normalize_unit(str(u)) for k, u in ours.get("units", {}).items()},
        tuple(str(name) for name in ours.get("channel_names", ())),
        ours.get("parameters", {}),
    )


def _from_tags(page: tifffile.TiffPage) -> tuple[dict[str, float], dict[str, str]]:
    """Pixel size from bare resolution tags, if it can be a microscope's."""
    unit = page.tags.get("ResolutionUnit")
    if unit is None or unit.value != _CENTIMETRE:
        return {}, {}
    scale = {}
    for letter, tag in (("X", "XResolution"), ("Y", "YResolution")):
        size = _tag_size(page, tag)
        if size is not None and size * 1e4 < _COARSEST_TAG:
            scale[letter] = size * 1e4
    return scale, dict.fromkeys(scale, "µm")


def _tag_size(page: tifffile.TiffPage, name: str) -> float | None:
    """Return one over a resolution tag."""
    tag = page.tags.get(name)
    if tag is None or not isinstance(tag.value, tuple) or len(tag.value) != 2:
        return None
    pixels, per = tag.value
    return per / pixels if pixels > 0 and per > 0 else None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def parse_json(text: str) -> Any:
    """Return the JSON value in `text`, or `text` itself where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text
