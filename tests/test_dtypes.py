"""Number types are converted by rounding and saturating."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_blind2grad.dtypes import to_dtype
from napari_blind2grad.errors import ConfigError

INTEGERS = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"]
FLOATS = ["f2", "f4", "f8"]


def exact(value: float, dtype: str) -> int:
    """What conversion of one number must give, in Python's unbounded integers."""
    limits = np.iinfo(dtype)
    if np.isnan(value):
        return 0
    if np.isinf(value):
        return limits.max if value > 0 else limits.min
    return min(max(round(value), limits.min), limits.max)


def test_same_dtype_is_not_copied() -> None:
    array = np.arange(4, dtype=np.float32)
    assert to_dtype(array, np.float32) is array


def test_rounds_half_to_even_and_never_wraps() -> None:
    array = np.array([-1e9, -0.6, 0.5, 1.5, 2.5, 254.5, 255.5, 256.0, 1e9], np.float32)
    expected = [0, 0, 0, 2, 2, 254, 255, 255, 255]
    np.testing.assert_array_equal(to_dtype(array, np.uint8), np.array(expected, np.uint8))


def test_input_is_not_altered() -> None:
    array = np.array([np.nan, 300.0, -5.5])
    before = array.copy()
    to_dtype(array, np.uint8)
    np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("target", INTEGERS)
@pytest.mark.parametrize("source", FLOATS)
def test_not_a_number_is_zero_and_infinity_saturates(source: str, target: str) -> None:
    array = np.array([np.nan, np.inf, -np.inf], source)
    limits = np.iinfo(target)
    assert to_dtype(array, target).tolist() == [0, limits.max, limits.min]


@given(st.lists(st.floats(), min_size=1), st.sampled_from(INTEGERS))
def test_floats_to_integers(values: list[float], target: str) -> None:
    result = to_dtype(np.array(values, np.float64), target)
    assert result.dtype == target
    assert result.tolist() == [exact(v, target) for v in values]


@given(st.data(), st.sampled_from(INTEGERS), st.sampled_from(INTEGERS))
def test_integers_to_integers(data: st.DataObject, source: str, target: str) -> None:
    limits = np.iinfo(source)
    values = data.draw(st.lists(st.integers(limits.min, limits.max), min_size=1))
    values += [limits.min, limits.max]
    result = to_dtype(np.array(values, source), target)
    assert result.tolist() == [_clip(v, target) for v in values]


def _clip(value: int, target: str) -> int:
    limits = np.iinfo(target)
    return min(max(value, limits.min), limits.max)


def test_float16_saturates_but_keeps_infinity() -> None:
    array = np.array([1e9, -1e9, np.inf, -np.inf, 1.5])
    assert to_dtype(array, np.float16).tolist() == [65504, -65504, np.inf, -np.inf, 1.5]
    assert to_dtype(np.array([10**9]), np.float16).tolist() == [65504]


def test_big_endian_arrays() -> None:
    array = np.array([1.5, 70000.0], ">f8")
    result = to_dtype(array, ">u2")
    assert result.dtype == np.dtype(">u2")
    assert result.tolist() == [2, 65535]


def test_booleans_become_numbers() -> None:
    array = np.array([True, False])
    assert to_dtype(array, np.uint16).tolist() == [1, 0]
    assert to_dtype(array, np.float32).tolist() == [1.0, 0.0]
    assert to_dtype(array, np.int8).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("source", "target"), [("c8", "f4"), ("f4", "c8"), ("f4", "?"), ("O", "u1")]
)
def test_other_kinds_are_refused(source: str, target: str) -> None:
    with pytest.raises(ConfigError, match="Cannot convert"):
        to_dtype(np.zeros(2, source), target)
