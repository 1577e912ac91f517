"""Conversion between number types that rounds and saturates, and never wraps."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ConfigError
from .events import Array


def to_dtype(array: Array, dtype: npt.DTypeLike) -> Array:
    """Return `array` as `dtype`, rounded half to even and saturated to the range of `dtype`.

    Parameters
    ----------
    array
        Array of booleans, integers or floats; never altered.
    dtype
        An integer or float dtype.

    Returns
    -------
    numpy.ndarray
        `array` itself if it already has `dtype`, otherwise a new array. For an integer `dtype` NaN
        becomes 0 and infinities become the nearest end of its range. For a float `dtype` NaN and
        infinities are kept, and finite values too large for it become its largest finite value.

    Raises
    ------
    ConfigError
        If `dtype` is neither an integer nor a float, or `array` is complex or not numeric.
    """
    target = np.dtype(dtype)
    if array.dtype == target:
        return array
    if array.dtype.kind not in "biuf" or target.kind not in "iuf":
        raise ConfigError(
            f"Cannot convert {array.dtype} to {target}: use whole numbers or floats on both sides."
        )
    if target.kind == "f":
        return _to_float(array, target)
    if array.dtype.kind == "f":
        return _float_to_integer(array, target)
    return _integer_to_integer(array, target)


def _to_float(array: Array, target: np.dtype[Any]) -> Array:
    if array.dtype.kind == "b" or np.can_cast(array.dtype, target, "safe"):
        return array.astype(target)
    with np.errstate(over="ignore"):
        result = array.astype(target)
    # Only finite values that overflowed are brought back: a real infinity stays one.
    overflowed = np.isinf(result) & np.isfinite(array)
    if overflowed.any():
        limit = np.finfo(target).max
        result[overflowed] = np.where(result[overflowed] > 0, limit, -limit)
    return result


def _float_to_integer(array: Array, target: np.dtype[Any]) -> Array:
    limits: np.iinfo[Any] = np.iinfo(target.name)
    # float16 cannot hold the bounds of most integer types.
    wide = array.astype(np.float32) if array.dtype.itemsize < 4 else array
    rounded = np.rint(wide)
    # The maximum of wide integers is no float, but one more is (a power of two).
    above = rounded >= float(limits.max + 1)
    rounded[above | np.isnan(rounded)] = 0
    np.maximum(rounded, float(limits.min), out=rounded)
    result = rounded.astype(target)
    result[above] = limits.max
    return result


def _integer_to_integer(array: Array, target: np.dtype[Any]) -> Array:
    if array.dtype.kind == "b":
        return array.astype(target)
    source: np.iinfo[Any] = np.iinfo(array.dtype.name)
    limits: np.iinfo[Any] = np.iinfo(target.name)
    if source.min >= limits.min and source.max <= limits.max:
        return array.astype(target)
    # Bounds are taken in the source's own type, where both ends can be held.
    low, high = max(source.min, limits.min), min(source.max, limits.max)
    clipped: npt.NDArray[Any] = np.clip(array, array.dtype.type(low), array.dtype.type(high))
    return clipped.astype(target)
