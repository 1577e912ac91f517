"""The arrays behind the live layers, filled by the worker thread while the window shows them."""

from __future__ import annotations

import numpy as np

from ..axes import Axes
from ..events import MAPS, Preview, Result


class LiveArrays:
    """Whole-stack arrays that previews are written into, plane by plane.

    The worker writes and the GUI thread only reads, so that large planes never hold up the window. A
    plane caught half written is drawn again with the next preview.

    Parameters
    ----------
    image
        The input, already cut to the region.
    axes
        Its axes.
    dtype
        Type of the denoised image.

    Attributes
    ----------
    image
        The input, cut to the region.
    map_axes
        Axes of all arrays but the denoised image.
    """

    def __init__(self, image: np.ndarray, axes: Axes, dtype: np.dtype) -> None:
        self.image = image
        self._axes = axes
        self.map_axes = axes.without("S")
        shape = self.map_axes.shape
        self.denoised = image.astype(dtype.newbyteorder("="))  # always a copy
        self.dual_mask = np.zeros(shape, np.uint8)
        self.gradient = np.zeros(shape, np.float32)
        self.gradient_deviation = np.zeros(shape, np.float32)
        self.standout_gate = np.zeros(shape, np.uint8)
        self.residual: np.ndarray | None = None

    def adopt(self, before: LiveArrays) -> None:
        """Start from what another run has shown, if it was of the same pixels."""
        same = before.map_axes == self.map_axes and before.denoised.dtype == self.denoised.dtype
        if same and np.array_equal(before.image, self.image):
            for name in ("denoised", *MAPS):
                getattr(self, name)[...] = getattr(before, name)

    def write(self, preview: Preview) -> None:
        """Copy one plane into the arrays."""
        plane = self._axes.plane_slices(preview.index)
        self.denoised[plane] = preview.image
        flat = self.map_axes.plane_slices(preview.index)
        for name, values in preview.maps.items():
            getattr(self, name)[flat] = values
        if self.residual is not None:
            self.residual[flat] = residual(
                self.image[plane], self.denoised[plane], self._axes, planar=True
            )

    def make_residual(self) -> None:
        """Begin to keep the residual, input minus denoised; it costs memory, so only when asked for."""
        if self.residual is None:
            self.residual = residual(self.image, self.denoised, self._axes)

    def finish(self, result: Result) -> None:
        """Put the run's own final arrays in the place of the live ones."""
        self.denoised = result.image
        for name in MAPS:
            setattr(self, name, getattr(result, name))
        # These may be drawn over when thresholds are moved; the Result's stay as they are.
        self.dual_mask = self.dual_mask.copy()
        self.standout_gate = self.standout_gate.copy()
        if self.residual is not None:
            self.residual = residual(self.image, self.denoised, self._axes)

    def get(self, key: str) -> np.ndarray | None:
        """Return the array of a role, or None where there is none."""
        array: np.ndarray | None = getattr(self, key)
        return array


def residual(
    image: np.ndarray, denoised: np.ndarray, axes: Axes, *, planar: bool = False
) -> np.ndarray:
    """Return input minus denoised as float32, averaged over the samples of a colour image.

    Parameters
    ----------
    image, denoised
        Arrays with the same axes.
    axes
        Axes of the whole image.
    planar
        Whether the arrays are single planes: the axes without T, C and Z.
    """
    difference = image.astype(np.float32) - denoised.astype(np.float32)
    letters = [c for c in axes.letters if not planar or c in "YXS"]
    return difference.mean(axis=letters.index("S")) if "S" in letters else difference
