"""Which plane of the input the user is looking at."""

from __future__ import annotations

from collections.abc import Mapping

from napari.components import ViewerModel
from napari.layers import Image

from ..axes import Axes
from .adapter import world_to_data


def looked_at(
    viewer: ViewerModel, layer: Image, axes: Axes, last: Mapping[str, int]
) -> dict[str, int]:
    """Return the index along T, C and Z that the viewer shows of `layer`.

    Parameters
    ----------
    viewer, layer
        The layer may have fewer dimensions than the viewer.
    axes
        Axes of the layer's data.
    last
        The answer so far: it stands for axes that are now displayed as a whole, as Z is in 3D.
    """
    if viewer.dims.ndim < layer.ndim:  # napari is in the middle of removing layers
        return dict(last)
    point = world_to_data(layer, viewer.dims.point, getattr(viewer.dims, "units", None))
    first = viewer.dims.ndim - layer.ndim
    displayed = {axis - first for axis in viewer.dims.displayed}
    found = {}
    for dimension, (letter, length) in enumerate(zip(axes.letters, axes.shape, strict=True)):
        if letter not in "TCZ":
            continue
        if dimension in displayed:
            found[letter] = last.get(letter, length // 2)
        else:
            found[letter] = min(max(round(float(point[dimension])), 0), length - 1)
    return found
