"""Which part of the input to denoise: everything, a plane, what is in view, or a drawn rectangle."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Shapes

from ..axes import Axes
from ..errors import InputError
from .adapter import finest, unit_factors

#: The regions on offer, by their keys, with the words that the window shows.
REGIONS: Mapping[str, str] = {
    "whole": "Whole image",
    "plane": "Current plane",
    "view": "Current view, all planes",
    "rectangle": "Shapes rectangle, all planes",
}


def region_slices(
    kind: str, viewer: ViewerModel, layer: Image, axes: Axes, plane: Mapping[str, int]
) -> tuple[slice, ...]:
    """Return one slice for each dimension of the data of `layer`.

    Parameters
    ----------
    kind
        A key of :data:`REGIONS`.
    viewer, layer
        The input, and the viewer that shows it.
    axes
        Axes of the layer's data.
    plane
        Index of the plane being looked at, by axis letter.

    Raises
    ------
    InputError
        If there is nothing to take the region from; the message says what to do.
    """
    if kind == "plane":
        return tuple(
            slice(plane.get(c, 0), plane.get(c, 0) + 1) if c in "TCZ" else slice(None)
            for c in axes.letters
        )
    if kind == "view":
        return _box(axes, *_view(viewer, layer, axes), "The image is out of view: move it back.")
    if kind == "rectangle":
        return _box(
            axes,
            *_rectangle(viewer, layer),
            "The rectangle lies beside the image: draw it on the image.",
        )
    return (slice(None),) * len(axes.letters)


def _box(axes: Axes, low: np.ndarray, high: np.ndarray, outside: str) -> tuple[slice, ...]:
    """Slices along Y and X of the pixels between two corners in data coordinates."""
    slices = []
    for dimension, (letter, length) in enumerate(zip(axes.letters, axes.shape, strict=True)):
        if letter not in "YX":
            slices.append(slice(None))
            continue
        # Pixel i covers i - 0.5 to i + 0.5; rounded, so that a box drawn on pixel borders does not
        # take one more pixel for an error in the 15th digit.
        start = max(0, math.floor(round(low[dimension] + 0.5, 6)))
        stop = min(length, math.ceil(round(high[dimension] + 0.5, 6)))
        if start >= stop:
            raise InputError(outside)
        slices.append(slice(start, stop))
    return tuple(slices)


def _view(viewer: ViewerModel, layer: Image, axes: Axes) -> tuple[np.ndarray, np.ndarray]:
    first = viewer.dims.ndim - layer.ndim
    displayed = {axis - first for axis in viewer.dims.displayed}
    if displayed != {axes.letters.index("Y"), axes.letters.index("X")}:
        raise InputError(
            "The current view can only be taken when the viewer shows the image's Y and X in 2D: "
            "switch back from 3D or from rolled axes, or choose another region."
        )
    corners = np.array(layer.corner_pixels, float)
    # napari updates the corners as it draws; of a layer never drawn they are all zero.
    if not layer.visible or not corners.any():
        raise InputError(
            f"“{layer.name}” is not shown: make it visible to denoise what is in view."
        )
    if layer.multiscale:
        corners = corners * layer.downsample_factors[layer.data_level][: layer.ndim]
    return corners[0], corners[1]


def _rectangle(viewer: ViewerModel, layer: Image) -> tuple[np.ndarray, np.ndarray]:
    drawn = [other for other in viewer.layers if isinstance(other, Shapes) and len(other.data)]
    if not drawn:
        raise InputError(
            "There is no rectangle: add a Shapes layer, draw a rectangle on the image, and run again."
        )
    active = viewer.layers.selection.active
    shapes = active if active in drawn else drawn[-1]
    chosen = sorted(shapes.selected_data) or [len(shapes.data) - 1]
    ndim = len(finest(layer).shape) - layer.rgb
    points = []
    for index in chosen:
        for vertex in shapes.data[index]:
            world = np.asarray(shapes.data_to_world(vertex))
            # A flat shape lies on a stack with its last axes; the others do not matter here.
            padded = np.concatenate([np.zeros(max(0, ndim - len(world))), world[-ndim:]])
            known = min(len(world), ndim)
            padded[-known:] *= unit_factors(shapes.units[-known:], layer.units[-known:])
            points.append(layer.world_to_data(padded))
    corners = np.array(points)
    return corners.min(axis=0), corners.max(axis=0)
