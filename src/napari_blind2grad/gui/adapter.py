"""From a napari layer to what the engine needs, and from its results to layers that lie right.

A :class:`Snapshot` is taken in the GUI thread when a run starts. From then on nothing reads the layer:
the worker thread sees only the snapshot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Layer
from napari.utils.transforms import Affine

from .. import sizes
from ..axes import Axes, guess_axes, parse_axes
from ..errors import InputError
from .parts import Part

#: Bytes that a run takes for each value: image, result, maps and what the network works on.
_BYTES = 24
#: Regions smaller than this are never worth a question.
_SMALL = 2**24
#: Spellings of axis labels that are understood beside the single letters.
_LABELS = {
    "time": "T",
    "frame": "T",
    "channel": "C",
    "plane": "Z",
    "depth": "Z",
    "row": "Y",
    "column": "X",
    "col": "X",
}


@dataclass(frozen=True)
class Snapshot:
    """All that a run needs to know about its input layer, frozen.

    Attributes
    ----------
    name
        Name of the layer.
    data
        Its array by reference (the finest level of a multiscale image); may be lazy.
    axes
        One letter for each dimension of `data`.
    rgb
        Whether the last dimension holds colours.
    region
        One slice for each dimension of `data`: the part to denoise.
    scale, translate, rotate, shear, affine, units, axis_labels
        The layer's placement; `translate` is that of the region's first pixel.
    path
        The layer's file, if it has one.
    """

    name: str
    data: Any
    axes: Axes
    rgb: bool
    region: tuple[slice, ...]
    scale: tuple[float, ...]
    translate: tuple[float, ...]
    rotate: Any
    shear: Any
    affine: Any
    units: tuple[Any, ...]
    axis_labels: tuple[str, ...]
    path: str | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the region."""
        return tuple(
            len(range(*part.indices(n)))
            for part, n in zip(self.region, self.data.shape, strict=True)
        )

    @property
    def offset(self) -> dict[str, int]:
        """Where the region starts along each axis."""
        pairs = zip(self.axes.letters, self.region, self.data.shape, strict=True)
        return {letter: part.indices(n)[0] for letter, part, n in pairs}

    @property
    def whole(self) -> bool:
        """Whether the region is the whole image."""
        return self.shape == tuple(self.data.shape)

    @property
    def by_tiles(self) -> bool:
        """Whether the region is neither in memory nor to be loaded as a whole."""
        return sizes.goes_by_tiles(self.data, self.shape)

    def array(self) -> np.ndarray:
        """Read the region; computes lazy arrays, so call it in the worker thread.

        Raises
        ------
        InputError
            If it goes by tiles.
        """
        self.require_held()
        return np.asarray(self.data[self.region])

    def lazy(self) -> Any:
        """Return the region without reading anything of an array that is not in memory."""
        if isinstance(self.data, np.ndarray):
            return self.data[self.region]
        return self.data if self.whole else Part(self.data, self.region)

    def require_held(self, what: str = "This") -> None:
        """Raise :class:`InputError` if the region goes by tiles, which is not for `what`."""
        if self.by_tiles:
            raise InputError(
                f"{what} needs the region in memory, and “{self.name}” is too large for it: choose a smaller "
                "region above, such as the view or a rectangle."
            )

    def placement(self) -> dict[str, Any]:
        """Keyword arguments that place a new layer exactly on the region."""
        return {
            "scale": self.scale,
            "translate": self.translate,
            "rotate": self.rotate,
            "shear": self.shear,
            "affine": self.affine,
            "units": self.units,
            "axis_labels": self.axis_labels,
        }


def suitable(layer: Layer) -> Image:
    """Return `layer` if it can be denoised at all, or raise :class:`InputError` in words."""
    if not isinstance(layer, Image):
        kind = type(layer).__name__
        raise InputError(
            f"“{layer.name}” is a {kind} layer and holds no intensities to denoise. "
            "Choose an Image layer."
        )
    return layer


def finest(layer: Image) -> Any:
    """Return the array of `layer`, level 0 of a multiscale image."""
    return layer.data[0] if layer.multiscale else layer.data


def suggested_axes(layer: Image) -> str:
    """Guess the axes of `layer`: from its axis labels if they name axes, else from its dimensions."""
    ndim = len(finest(layer).shape)
    letters = [_LABELS.get(label.lower(), label.upper()) for label in layer.axis_labels]
    named = "".join(letters) + ("S" if layer.rgb else "")
    if len(named) == ndim and len(set(named)) == ndim and {"Y", "X"} <= set(named) <= set("TCZYXS"):
        return named
    return guess_axes(ndim, rgb=layer.rgb)


def take_snapshot(
    layer: Image, axes: str | None = None, region: Sequence[slice] | None = None
) -> Snapshot:
    """Freeze what a run needs to know about `layer`.

    Parameters
    ----------
    layer
        The input.
    axes
        Axes of its data; :func:`suggested_axes` when empty or None.
    region
        One slice with step 1 for each dimension; everything when None.

    Raises
    ------
    InputError
        If the layer or its axes cannot be used, or the region is too large for memory and does not go by
        tiles: it is in memory itself.
    """
    data = finest(suitable(layer))
    parsed = parse_axes(axes or suggested_axes(layer), data.shape, rgb=layer.rgb)
    if layer.rgb and not parsed.letters.endswith("S"):
        raise InputError(
            f"“{layer.name}” is a colour image: its axes must end with S, not {parsed.letters!r}."
        )
    region = tuple(region) if region is not None else (slice(None),) * data.ndim
    shape = tuple(len(range(n)[part]) for part, n in zip(region, data.shape, strict=True))
    if not sizes.goes_by_tiles(data, shape):
        _check_room(layer.name, shape)
    starts = [part.indices(n)[0] for part, n in zip(region, data.shape, strict=True)]
    linear = Affine(scale=layer.scale, rotate=layer.rotate, shear=layer.shear).linear_matrix
    return Snapshot(
        name=layer.name,
        data=data,
        axes=parsed,
        rgb=layer.rgb,
        region=region,
        scale=tuple(layer.scale),
        # The region's first pixel, moved by the layer's own linear map (not only its scale), so that
        # a crop of a rotated or sheared layer stays where it was cut out.
        translate=tuple(np.asarray(layer.translate) + linear @ starts[: layer.ndim]),
        rotate=np.array(layer.rotate),
        shear=np.array(layer.shear),
        affine=np.array(layer.affine.affine_matrix),
        units=tuple(layer.units),
        axis_labels=tuple(layer.axis_labels),
        path=layer.source.path,
    )


def _check_room(name: str, shape: Sequence[int]) -> None:
    """Raise :class:`InputError` if the memory that is free does not hold a run on so many values."""
    import psutil

    needed = _BYTES * math.prod(shape)
    if needed < _BYTES * _SMALL:
        return
    free = psutil.virtual_memory().available
    if needed > free:
        raise InputError(
            f"A run on this region of “{name}” takes about {needed / 2**30:.0f} GiB of memory, and "
            f"{free / 2**30:.0f} GiB are free. Choose a smaller region above: a plane, the view or a "
            "rectangle. A layer that reads from its file as it is needed (dask, zarr, a memory map) is "
            "denoised tile by tile, and so are files on the command line: blind2grad denoise FILE -o "
            "OUT.ome.zarr"
        )


def pixel_sizes(layer: Layer | Snapshot, axes: str) -> tuple[dict[str, float], dict[str, str]]:
    """Return pixel size and unit of `layer` by axis letter; axes measured in pixels are left out.

    Parameters
    ----------
    layer
        The layer, or what is known of it.
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


def world_to_data(layer: Layer, point: Sequence[float], units: Sequence[Any] | None) -> np.ndarray:
    """Return the data coordinates of a `point` in world coordinates.

    Parameters
    ----------
    layer
        Whose data coordinates are asked for; it may have fewer dimensions than the point.
    point
        World coordinates.
    units
        Their units, or None where napari's world has none: the layer's own are taken.
    """
    world = np.asarray(point, float)[-layer.ndim :]
    if units is not None and len(units) >= layer.ndim:
        world = world * unit_factors(units[-layer.ndim :], layer.units)
    return np.asarray(layer.world_to_data(world))


def unit_factors(of: Sequence[Any], to: Sequence[Any]) -> np.ndarray:
    """Return what to multiply lengths in the units `of` with to have them in the units `to`."""
    return np.array(
        [
            1.0 if a == b or not a.is_compatible_with(b) else (1 * a).to(b).magnitude
            for a, b in zip(of, to, strict=True)
        ]
    )
