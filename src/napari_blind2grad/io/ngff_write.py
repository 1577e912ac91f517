"""Writing of OME-Zarr folders."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..axes import Axes
from ..dtypes import to_dtype
from ..errors import OutputError
from ..events import Array
from .metadata import NAMESPACE
from .units import LENGTHS, TIMES, WORDS
from .whole import ZARR_MARKS, whole_folder

#: Smaller images are added until no side is longer.
SMALL = 256
#: Sides of the blocks that are stored: one plane, cut where it is large.
_BLOCK = 1024
_COLOURS = ("00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")
SAMPLES = {"red": "FF0000", "green": "00FF00", "blue": "0000FF", "alpha": "FFFFFF"}


def write_ngff(
    path: Path,
    array: Array,
    axes: Axes,
    *,
    scale: Mapping[str, float],
    units: Mapping[str, str],
    channel_names: Sequence[str],
    description: str,
    parameters: Mapping[str, Any],
    version: str,
) -> Path:
    """Write `array` as an OME-Zarr folder that appears whole.

    Parameters
    ----------
    path
        The folder.
    array, axes
        Pixels in native byte order, and what their dimensions are; colour samples become channels.
    scale, units
        Pixel size and its unit by axis letter, as in :mod:`~napari_blind2grad.io.units`.
    channel_names, description, parameters
        As in :func:`~napari_blind2grad.io.write_image`.
    version
        ``"0.5"`` or ``"0.4"``.

    Raises
    ------
    OutputError
        If it cannot be written; nothing is left behind under its name.
    """
    import zarr

    check_ngff(axes, version)
    named, letters = usual_axes(axes)
    ordered = np.ascontiguousarray(array.transpose([named.index(c) for c in letters]))
    levels = _pyramid(ordered)
    with warnings.catch_warnings():
        # The library warns of a class of its own while it is imported.
        warnings.simplefilter("ignore", DeprecationWarning)
        from ome_zarr import writer
        from ome_zarr.format import format_from_version
    form = format_from_version(version)
    metadata: dict[str, Any] = {}
    if "C" in letters:
        colours = list(SAMPLES)[: axes.length("S")] if "S" in axes.letters else []
        metadata["omero"] = _omero(ordered, letters.index("C"), channel_names, colours)
    with whole_folder(path, replaces=ZARR_MARKS) as temporary:
        group = zarr.open_group(temporary, mode="w", zarr_format=form.zarr_format)
        writer.write_multiscale(
            levels,
            group,
            fmt=form,
            axes=list(letters.lower()),
            axes_units=axes_units(units),
            scale={c.lower(): size for c, size in scale.items() if c in letters},
            # Blocks of zeros are stored too, so that a reader can tell them from lost ones.
            storage_options=[
                {"chunks": _blocks(level.shape), "config": {"write_empty_chunks": True}}
                for level in levels
            ],
            name=path.name,
            **({"metadata": metadata} if metadata else {}),
        )
        place_levels(group)
        group.attrs[NAMESPACE] = {"description": description, "parameters": dict(parameters)}
    return path


def check_ngff(axes: Axes, version: str) -> None:
    """Raise :class:`OutputError` where an image with `axes` cannot be written as `version`."""
    if version not in ("0.4", "0.5"):
        raise OutputError(f"OME-Zarr {version} cannot be written: choose 0.5 or 0.4.")
    if "S" in axes.letters and "C" in axes.letters:
        raise OutputError("OME-Zarr cannot hold channels and colours at once. Choose .ome.tif.")


def usual_axes(axes: Axes) -> tuple[str, str]:
    """Return the letters of `axes` with colours as channels, and the same in the order of OME-Zarr."""
    named = axes.letters.replace("S", "C")
    return named, "".join(c for c in "TCZYX" if c in named)


def place_levels(group: Any) -> None:
    """Say where the first pixels of the smaller images lie, in units: ome-zarr 0.18 says it in pixels."""
    nested = "ome" in group.attrs
    content = dict(group.attrs["ome"] if nested else group.attrs)
    datasets = content["multiscales"][0]["datasets"]
    full = datasets[0]["coordinateTransformations"][0]["scale"]
    for dataset in datasets:
        scale, move = dataset["coordinateTransformations"]
        # The middle of a pixel is where the middle of those that it stands for was.
        move["translation"] = [(s - f) / 2 for s, f in zip(scale["scale"], full, strict=True)]
    group.attrs.update({"ome": content} if nested else content)


def axes_units(units: Mapping[str, str]) -> dict[str, str]:
    """Return the names of `units` by the names of axes, as far as OME-Zarr knows them."""
    known = {"T": TIMES, **dict.fromkeys("ZYX", LENGTHS)}
    return {c.lower(): WORDS[u] for c, u in units.items() if u in known.get(c, ())}


def _blocks(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*[1] * (len(shape) - 2), *(min(n, _BLOCK) for n in shape[-2:]))


def _pyramid(array: Array) -> list[Array]:
    """Return `array` and its halves along Y and X, means of neighbours, each half of the one before."""
    levels = [array]
    while max(levels[-1].shape[-2:]) > SMALL:
        level = levels[-1]
        for axis in (-2, -1):
            if level.shape[axis] > SMALL:
                level = halved(level, axis)
        levels.append(level)
    return levels


def halved(array: Array, axis: int) -> Array:
    """Return the means of neighbours along `axis`; the last one is left out where it has none."""
    n = array.shape[axis] // 2
    moved = np.moveaxis(array, axis, -1)[..., : 2 * n]
    pairs = moved.reshape(*moved.shape[:-1], n, 2)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = pairs.mean(-1, dtype=np.float64)
    return np.ascontiguousarray(np.moveaxis(to_dtype(mean, array.dtype), -1, axis))


def _omero(
    array: Array, axis: int, names: Sequence[str], samples: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    ranges = []
    for part in np.moveaxis(array, axis, 0):
        finite = part[np.isfinite(part)]
        ranges.append((float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0))
    return colours(array.dtype, ranges, names, samples)


def colours(
    dtype: np.dtype[Any],
    ranges: Sequence[tuple[float, float]],
    names: Sequence[str],
    samples: Sequence[str],
) -> dict[str, list[dict[str, Any]]]:
    """Return what viewers want to know about channels: name, colour and contrast.

    Parameters
    ----------
    dtype
        Type of the pixels.
    ranges
        Least and greatest value of each channel.
    names
        One for each channel, or empty.
    samples
        Names of the colours that the channels are, or empty.
    """
    labels = list(samples) or (list(names) if len(names) == len(ranges) else [""] * len(ranges))
    limits: Any = np.iinfo(dtype) if dtype.kind in "iu" else None
    channels = []
    for i, (label, (low, high)) in enumerate(zip(labels, ranges, strict=True)):
        channels.append(
            {
                "label": label,
                "color": SAMPLES[label] if samples else _COLOURS[i % len(_COLOURS)],
                "active": True,
                "window": {
                    "min": float(limits.min) if limits else low,
                    "max": float(limits.max) if limits else high,
                    "start": low,
                    "end": high,
                },
            }
        )
    return {"channels": channels}
