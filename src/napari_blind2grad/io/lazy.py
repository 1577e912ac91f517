"""Arrays of files that are not read before they are needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import InputError, OutOfMemory
from ..events import Array
from .travel import opener


class LazyArray:
    """A part of any array that reads regions: zarr's, dask's, a memory map.

    Slicing gives a smaller part; :meth:`read` and :func:`numpy.asarray` give pixels. Pickled, an array in a
    file is its name, and is opened again where it arrives.

    Parameters
    ----------
    array
        What is read. It knows its ``shape`` and ``dtype`` and takes slices.
    name
        Its file, for messages.
    region
        One slice for each dimension; None for all of it.
    reopen
        Opens the array again in another process, where pickling it would not do; can be pickled itself.
    """

    def __init__(
        self,
        array: Any,
        name: str = "",
        region: Sequence[slice] | None = None,
        reopen: Callable[[], Any] | None = None,
    ) -> None:
        self._array = array
        self._name = name
        self._reopen = reopen
        whole = region or [slice(None)] * len(array.shape)
        self._spans = [
            slice(*s.indices(int(n))[:2]) for s, n in zip(whole, array.shape, strict=True)
        ]
        self.shape: tuple[int, ...] = tuple(max(0, s.stop - s.start) for s in self._spans)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype).newbyteorder("=")

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    def _within(self, region: Sequence[slice]) -> list[slice]:
        return [
            slice(own.start + s.indices(n)[0], own.start + max(s.indices(n)[:2]))
            for own, s, n in zip(self._spans, region, self.shape, strict=True)
        ]

    def __getitem__(self, region: tuple[slice, ...]) -> LazyArray:
        return LazyArray(self._array, self._name, self._within(region), self._reopen)

    def __reduce__(self) -> tuple[Any, ...]:
        again = self._reopen or opener(self._array)
        if again is None:
            return LazyArray, (self._array, self._name, self._spans)
        whole = tuple(self._array.shape), self.dtype
        return _opened, (again, self._name, self._spans, *whole)

    def read(self, region: Sequence[slice]) -> Array:
        """Return the pixels of `region`, one slice for each dimension, in native byte order.

        Raises
        ------
        InputError
            If they cannot be read.
        OutOfMemory
            If they do not fit into memory.
        """
        try:
            values = np.asarray(self._array[tuple(self._within(region))])
        except MemoryError as error:
            raise OutOfMemory("There is too little memory to read a part of the image.") from error
        except Exception as error:  # whatever zarr, dask or a codec raise on broken data
            where = self._name or "The image"
            raise InputError(
                f"{where} cannot be read ({type(error).__name__}: {error!s:.200}). "
                "Copy or export it again."
            ) from error
        return values.astype(self.dtype, copy=False)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        values = self.read([slice(None)] * self.ndim)
        return values if dtype is None else values.astype(dtype, copy=bool(copy))


def _opened(
    again: Callable[[], Any],
    name: str,
    spans: Sequence[slice],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
) -> LazyArray:
    """Return an array of a file in the process that it was sent to.

    Raises
    ------
    InputError
        If the file is not there, or is another one.
    """
    where = name or "The image"
    try:
        array = again()
    except InputError:
        raise
    except Exception as error:  # whatever the libraries raise on what is no longer, or not here
        raise InputError(
            f"{where} cannot be opened ({type(error).__name__}: {error!s:.200})."
        ) from error
    opened = LazyArray(array, name, spans, again)
    if (tuple(array.shape), opened.dtype) != (shape, dtype):
        raise InputError(
            f"{where} is another image than before. Leave it alone until the run is done."
        )
    return opened
