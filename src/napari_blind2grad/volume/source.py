"""A thin view of an image that is not in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..axes import CANONICAL, Axes, parse_axes
from ..errors import InputError
from ..events import Array
from ..io import LazyArray


@dataclass(frozen=True)
class Source:
    """An image of any axes, read by regions of its planes.

    Attributes
    ----------
    array
        The pixels, with these axes.
    axes
        Axes of the image.
    """

    array: LazyArray
    axes: Axes

    @classmethod
    def of(cls, image: Any, axes: str | None) -> Source:
        """Return the view of `image`: an array of NumPy, dask or zarr, a memory map, or a list of numbers.

        Raises
        ------
        InputError
            If it is empty, not of real numbers, or does not fit `axes`.
        """
        from ..engine.stack import check_dtype

        if isinstance(image, Source):
            return image
        if not all(hasattr(image, name) for name in ("shape", "dtype", "__getitem__")):
            image = np.asarray(image)
        check_dtype(np.dtype(image.dtype))
        layout = parse_axes(axes, tuple(image.shape))
        if 0 in layout.shape:
            raise InputError(
                f"The image is empty (shape {layout.shape}): there is nothing to denoise."
            )
        return cls(image if isinstance(image, LazyArray) else LazyArray(image), layout)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels, in native byte order."""
        return self.array.dtype

    @property
    def has_alpha(self) -> bool:
        """Whether the last colour sample is an alpha that is passed through."""
        return self.axes.length("S") == 4

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of C, T, Z, S, Y and X, alpha left out."""
        c, t, z, s, y, x = (self.axes.length(letter) for letter in CANONICAL)
        return c, t, z, 3 if self.has_alpha else s, y, x

    @property
    def voxels(self) -> int:
        """Number of values, alpha left out."""
        return int(np.prod(self.shape, dtype=np.int64))

    def read(self, c: int, t: int, z: slice, y: slice, x: slice, *, alpha: bool = False) -> Array:
        """Return a region of neighbouring planes: shape (Z, S, Y, X), with its alpha if asked.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        samples = slice(None) if alpha else slice(0, self.shape[3])
        spans = dict(C=slice(c, c + 1), T=slice(t, t + 1), Z=z, S=samples, Y=y, X=x)
        values = self.array.read([spans[letter] for letter in self.axes.letters])
        planes: Array = Axes(self.axes.letters, values.shape).to_canonical(values)[0, 0]
        return planes
