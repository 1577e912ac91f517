"""Write a denoised layer to a file, off the GUI thread."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image

#: What the file dialogue offers.
FILTER = "OME-TIFF (*.ome.tif);;TIFF, ImageJ hyperstack (*.tif)"


def pixel_sizes(layer: Image, axes: str) -> tuple[dict[str, float], dict[str, str]]:
    """Return pixel size and unit of `layer` by axis letter; axes measured in pixels are left out.

    Parameters
    ----------
    layer
        The layer.
    axes
        Axes of its data.
    """
    scale, units = {}, {}
    for letter, size, unit in zip(axes.replace("S", ""), layer.scale, layer.units, strict=True):
        if letter == "C" or (str(unit) == "pixel" and size == 1):
            continue
        scale[letter] = float(size)
        if str(unit) != "pixel":
            units[letter] = f"{unit:~}"  # µm, not micrometer
    return scale, units


def save(
    path: Path,
    array: np.ndarray,
    axes: str,
    sizes: tuple[Mapping[str, float], Mapping[str, str]],
    record: Mapping[str, Any],
    source: str | None,
) -> Path:
    """Write `array` with its axes, sizes and how it was made; meant for a worker thread.

    Parameters
    ----------
    path, array, axes
        Where and what.
    sizes
        From :func:`pixel_sizes`.
    record
        What the layer's metadata say about how it was made.
    source
        The input's file, which is never overwritten.

    Raises
    ------
    Blind2GradError
        If it cannot be written; the message says why.
    """
    from ..io import write_image

    scale, units = sizes
    return write_image(
        path,
        array,
        axes=axes,
        scale=scale,
        units=units,
        parameters=record.get("config", {}),
        source=source,
    )
