"""Collects denoised planes and maps into arrays with the input's axes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ..axes import CANONICAL, Axes
from ..config import Config
from ..dtypes import to_dtype
from ..events import MAPS, Preview
from .maps import PlaneMaps
from .normalize import IntensityMap
from .stack import Stack

Array = npt.NDArray[np.generic]
Where = tuple[int, int, int]
_MAP_DTYPES: Mapping[str, Any] = {
    "dual_mask": np.uint8,
    "gradient": np.float32,
    "gradient_deviation": np.float32,
    "standout_gate": np.uint8,
}


def in_image_units(
    values: npt.NDArray[np.float32], source: Array, intensity: IntensityMap, dtype: np.dtype[Any]
) -> Array:
    """Return denoised `values` as `dtype`; what is not finite in `source` (same shape) stays as it is."""
    image = to_dtype(intensity.inverse(values), dtype)
    if source.dtype.kind == "f":
        image = np.where(np.isfinite(source), image, source.astype(dtype))
    return image


def output_dtype(source: np.dtype[Any], config: Config) -> np.dtype[Any]:
    """Return the type of a denoised image whose input has the type `source`."""
    return np.dtype(np.float32) if config.dtype == "float32" else source.newbyteorder("=")


class Output:
    """The arrays of a :class:`~napari_blind2grad.events.Result`, filled plane by plane.

    Planes that are never put, such as blank channels, keep the input's values.

    Parameters
    ----------
    stack
        The checked input.
    config
        For the dtype of the image.
    """

    def __init__(self, stack: Stack, config: Config) -> None:
        self.stack = stack
        self.axes = stack.axes
        self.map_axes: Axes = stack.axes.without("S")
        self.dtype = output_dtype(stack.original.dtype, config)
        self.image: Array = np.array(stack.original, dtype=self.dtype, order="C")
        self.maps: dict[str, npt.NDArray[Any]] = {
            name: np.zeros(self.map_axes.shape, _MAP_DTYPES[name]) for name in MAPS
        }
        self._image_view = self.axes.to_canonical(self.image)
        self._map_views = {name: self.map_axes.to_canonical(m) for name, m in self.maps.items()}

    def plane(self, estimate: Tensor, where: Where) -> Array:
        """Return a denoised plane in the image's dtype and units: shape (S, Y, X), alpha included.

        Values of the input that are not finite stay as they are.

        Parameters
        ----------
        estimate
            Denoised plane in the network's units, shape (1, S, H, W), padding included.
        where
            (C, T, Z) of the plane.
        """
        c, t, z = where
        source = self.stack.array[c, t, z]  # (S, Y, X)
        _, y, x = source.shape
        plane = in_image_units(
            estimate[0, :, :y, :x].cpu().numpy(), source, self.stack.maps[c], self.dtype
        )
        if self.stack.has_alpha:
            plane = np.concatenate([plane, self._image_view[c, t, z, 3:]])
        return plane

    def put(self, where: Where, image: Array, maps: PlaneMaps) -> None:
        """Store a finished plane: `image` from :meth:`plane`, with its maps."""
        self._image_view[where] = image
        for name, view in self._map_views.items():
            view[where][0] = getattr(maps, name)

    def parts(self, where: Where) -> dict[str, Array]:
        """Return views of the image and the maps of one plane: writing to them fills the output."""
        found: dict[str, Array] = {"image": self._image_view[where]}
        return found | {name: view[where][0] for name, view in self._map_views.items()}

    def preview(
        self, where: Where, image: Array, maps: PlaneMaps | None, *, final: bool, iteration: int
    ) -> Preview:
        """Return the event that shows a plane, with the input's order of axes."""
        index = {
            letter: where["CTZ".index(letter)] for letter in self.axes.letters if letter in "CTZ"
        }
        spatial = [c for c in self.axes.letters if c in "SYX"]
        order = [c for c in CANONICAL if c in spatial]
        shown = image if "S" in spatial else image[0]
        turned = shown.transpose([order.index(c) for c in spatial])
        flip = self.map_axes.letters.index("Y") > self.map_axes.letters.index("X")
        found = {} if maps is None else {name: getattr(maps, name) for name in MAPS}
        return Preview(
            index=index,
            image=turned,
            maps={name: m.T if flip else m for name, m in found.items()},
            final=final,
            iteration=iteration,
            held_out=math.nan if maps is None else maps.held_out,
            noise_left=math.nan if maps is None else maps.noise_left,
        )
