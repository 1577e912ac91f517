"""Arrays that read what is asked of them and no more, as napari's layers want them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class Part:
    """A region of an array that may be lazy, and its dimensions in another order.

    Parameters
    ----------
    array
        What is read: it takes integers and slices.
    region
        One slice with step 1 for each dimension of `array`; None for everything.
    order
        Which dimension of `array` each dimension is; None for the same.
    """

    def __init__(
        self,
        array: Any,
        region: Sequence[slice] | None = None,
        order: Sequence[int] | None = None,
    ) -> None:
        self._array = array
        count = len(array.shape)
        self._order = tuple(range(count) if order is None else order)
        whole = [slice(None)] * count if region is None else region
        self._spans = [range(int(n))[part] for part, n in zip(whole, array.shape, strict=True)]
        self.shape = tuple(len(self._spans[i]) for i in self._order)
        self.dtype = np.dtype(array.dtype)
        self.ndim = count

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes that all of it takes."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        parts = list(index) if isinstance(index, tuple) else [index]
        if Ellipsis in parts:
            place = parts.index(Ellipsis)
            parts[place : place + 1] = [slice(None)] * (self.ndim - len(parts) + 1)
        parts += [slice(None)] * (self.ndim - len(parts))
        asked: list[Any] = [None] * self.ndim
        for part, dimension in zip(parts, self._order, strict=True):
            chosen = self._spans[dimension][part]
            if isinstance(chosen, range):
                chosen = slice(chosen.start, chosen.stop, chosen.step)
            asked[dimension] = chosen
        values = np.asarray(self._array[tuple(asked)])
        kept = [i for i in self._order if isinstance(asked[i], slice)]
        return values.transpose([sorted(kept).index(i) for i in kept])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        values = self[...]
        return values if dtype is None else values.astype(dtype, copy=bool(copy))
