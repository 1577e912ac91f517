"""Any order of axes goes to the engine's own and back."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_blind2grad.axes import CANONICAL, Axes, guess_axes, parse_axes
from napari_blind2grad.errors import InputError

ORDERS = [
    "".join(letters)
    for count in range(2, 7)
    for letters in itertools.permutations(CANONICAL, count)
    if {"Y", "X"} <= set(letters)
]
orders = st.sampled_from(ORDERS)


@st.composite
def axes_of_arrays(draw: st.DrawFn) -> Axes:
    letters = draw(orders)
    return Axes(letters, tuple(draw(st.integers(1, 4)) for _ in letters))


@given(axes_of_arrays())
def test_round_trip(axes: Axes) -> None:
    array = np.arange(np.prod(axes.shape)).reshape(axes.shape)
    canonical = axes.to_canonical(array)
    assert canonical.shape == tuple(axes.length(letter) for letter in CANONICAL)
    np.testing.assert_array_equal(axes.from_canonical(canonical), array)


def test_each_order_keeps_each_pixel_in_its_place() -> None:
    """Every element holds its own coordinates, so that a swap of equal lengths shows."""
    lengths = dict(zip("CTZSYX", (3, 2, 4, 3, 3, 3), strict=True))
    for letters in ORDERS:
        index = np.indices([lengths[c] for c in letters])
        canonical = np.indices([lengths[c] if c in letters else 1 for c in CANONICAL])
        axes = Axes(letters, index.shape[1:])
        for position, letter in enumerate(letters):
            got = axes.to_canonical(index[position])
            expected = canonical[CANONICAL.index(letter)]
            np.testing.assert_array_equal(got, expected, err_msg=letters)


@given(axes_of_arrays())
def test_conversions_copy_nothing(axes: Axes) -> None:
    array = np.zeros(axes.shape)
    assert np.shares_memory(axes.from_canonical(axes.to_canonical(array)), array)


@given(axes_of_arrays(), st.data())
def test_plane_slices_select_one_plane(axes: Axes, data: st.DataObject) -> None:
    array = np.arange(np.prod(axes.shape)).reshape(axes.shape)
    index = {c: data.draw(st.integers(0, axes.length(c) - 1)) for c in axes.planes}
    plane = array[axes.plane_slices(index)]
    rest = "".join(c for c in axes.letters if c in "YXS")
    assert plane.shape == tuple(axes.length(c) for c in rest)
    place = tuple(index.get(c, 0) for c in "CTZ")
    canonical = axes.to_canonical(array)[place]
    np.testing.assert_array_equal(Axes(rest, plane.shape).to_canonical(plane)[0, 0, 0], canonical)


@given(axes_of_arrays(), st.sampled_from(CANONICAL))
def test_length_of_an_absent_axis_is_one(axes: Axes, letter: str) -> None:
    expected = axes.shape[axes.letters.index(letter)] if letter in axes.letters else 1
    assert axes.length(letter) == expected


def test_without() -> None:
    assert Axes("ZYXS", (4, 5, 6, 3)).without("S") == Axes("ZYX", (4, 5, 6))
    assert Axes("ZYX", (4, 5, 6)).without("S") == Axes("ZYX", (4, 5, 6))


def test_planes_come_in_the_order_of_the_array() -> None:
    assert Axes("ZTCYX", (1, 1, 1, 2, 2)).planes == ("Z", "T", "C")


@pytest.mark.parametrize(
    ("letters", "shape", "message"),
    [
        ("ZYX", (4, 5), "name 3 dimensions, but the image has 2"),
        ("QYX", (4, 5, 6), "Unknown axis 'Q'"),
        ("YYX", (4, 5, 6), "name one dimension twice"),
        ("ZX", (4, 5), "lack Y or X"),
        ("ZY", (4, 5), "lack Y or X"),
        ("YXS", (4, 5, 5), "has 5 samples"),
    ],
)
def test_wrong_axes_are_refused(letters: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Axes(letters, shape)


@pytest.mark.parametrize(
    ("ndim", "rgb", "letters"),
    [
        (2, False, "YX"),
        (3, False, "ZYX"),
        (4, False, "TZYX"),
        (5, False, "TCZYX"),
        (3, True, "YXS"),
        (4, True, "ZYXS"),
        (6, True, "TCZYXS"),
    ],
)
def test_guesses(ndim: int, rgb: bool, letters: str) -> None:
    assert guess_axes(ndim, rgb=rgb) == letters


@pytest.mark.parametrize(
    ("ndim", "rgb"), [(0, False), (1, False), (6, False), (2, True), (7, True)]
)
def test_other_numbers_of_dimensions_are_refused(ndim: int, rgb: bool) -> None:
    with pytest.raises(InputError, match="cannot be denoised"):
        guess_axes(ndim, rgb=rgb)


def test_parse_takes_small_letters_and_guesses_none() -> None:
    assert parse_axes("zyx", (3, 4, 5)).letters == "ZYX"
    assert parse_axes(None, (3, 4, 5)).letters == "ZYX"
    assert parse_axes(None, (4, 5, 3), rgb=True).letters == "YXS"
