"""Arrays on their way to another process: by name, where their pixels lie in a file."""

from __future__ import annotations

import mmap
import pickle
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..events import Array


def opener(array: Any) -> Callable[[], Any] | None:
    """Return what opens `array` again in another process; None if its pixels are in no file of its own.

    Known are memory maps, and views of them, and zarr arrays in a folder.
    """
    return _mapped(array) or _stored(array)


def packed(value: object, limit: int) -> bytes | None:
    """Return `value` pickled, without the pixels of files that it refers to.

    Returns
    -------
    bytes or None
        None if there would be more than `limit` bytes, or if it cannot be pickled.
    """
    into = _Limited(limit)
    try:
        _ByName(into, limit).dump(value)
    except _NOT_SENT:
        return None
    return b"".join(into.parts)


class _TooLarge(Exception):
    """More bytes than allowed."""


#: What pickling raises on locks, open files and code without a name, or when its bytes are too many.
_NOT_SENT = (_TooLarge, pickle.PicklingError, TypeError, AttributeError, ValueError, RuntimeError)


class _Limited:
    """A file in memory that takes so many bytes and no more."""

    def __init__(self, limit: int) -> None:
        self.left = limit
        self.parts: list[bytes] = []

    def write(self, data: Any) -> int:
        part = bytes(data)
        self.left -= len(part)
        if self.left < 0:
            raise _TooLarge
        self.parts.append(part)
        return len(part)


class _ByName(pickle.Pickler):
    """Gives up before it copies a large array, and writes the names of those in files, however deep."""

    def __init__(self, file: _Limited, limit: int) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._limit = limit

    def reducer_override(self, value: Any) -> Any:
        again = opener(value)
        if again is not None:
            return again, ()
        if isinstance(value, np.ndarray) and value.nbytes > self._limit:
            raise _TooLarge
        return NotImplemented


def _mapped(array: Any) -> Callable[[], Any] | None:
    if not isinstance(array, np.ndarray):
        return None
    root: Any = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    if not isinstance(root, np.memmap) or not isinstance(root.base, mmap.mmap):
        return None
    if root.filename is None or root.mode == "c":  # what was changed in it is not in the file
        return None
    if root.mode != "r":
        root.flush()
    start = _address(array) - _address(root)
    layout = (start, array.shape, array.dtype, array.strides)
    return partial(_map_again, str(root.filename), int(root.offset), int(root.nbytes), *layout)


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def _map_again(
    path: str,
    offset: int,
    count: int,
    start: int,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    strides: tuple[int, ...],
) -> Array:
    pixels = np.memmap(path, np.uint8, "r", offset, (count,))
    return np.ndarray(shape, dtype, pixels.data, start, strides)


def _stored(array: Any) -> Callable[[], Any] | None:
    if "zarr" not in sys.modules:  # then it is none of zarr's, which takes long to import
        return None
    import zarr

    if not isinstance(array, zarr.Array) or not isinstance(array.store, zarr.storage.LocalStore):
        return None
    # The path may be relative, and a worker's working folder is another.
    root = Path(array.store.root).absolute()
    return partial(_open_again, str(root), array.path, array.metadata.zarr_format)


def _open_again(root: str, path: str, form: Any) -> Any:
    import zarr

    return zarr.open_array(root, path=path, mode="r", zarr_format=form)
