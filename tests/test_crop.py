"""Parts of an image as text."""

import numpy as np
import pytest

from napari_blind2grad.axes import Axes
from napari_blind2grad.crop import crop_slices, crop_text, index_text, parse_crop
from napari_blind2grad.errors import InputError

AXES = Axes("ZYX", (5, 20, 30))


def test_text_and_slices():
    crop = parse_crop("z=3:5, X=0:7")
    assert crop == {"Z": (3, 5), "X": (0, 7)}
    region = crop_slices(crop, AXES)
    assert region == (slice(3, 5), slice(None), slice(0, 7))
    assert crop_text(AXES, region) == "Z=3:5,X=0:7"
    assert index_text(crop, "ZYX") == "[3:5, :, 0:7]"


def test_everything_has_no_text():
    assert crop_text(AXES, (slice(None), slice(0, 20), slice(0, None))) == ""


def test_the_index_does_what_the_slices_do():
    image = np.arange(5 * 20 * 30).reshape(AXES.shape)
    crop = parse_crop("Y=4:9,Z=1:2")
    picked = eval(f"image{index_text(crop, 'ZYX')}")
    np.testing.assert_array_equal(picked, image[crop_slices(crop, AXES)])
    assert picked.shape == (1, 5, 30)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be understood"),
        ("Z=3", "Write it like"),
        ("Z=-1:3", "cannot be understood"),
        ("Z=3:3", "holds nothing"),
        ("Z=1:2,Z=2:3", "twice"),
        ("S=0:1", "not 'S'"),
    ],
)
def test_refusals(text, words):
    with pytest.raises(InputError, match=words):
        parse_crop(text)


@pytest.mark.parametrize(("text", "words"), [("T=0:1", "has ZYX"), ("Z=2:6", "only 5")])
def test_crops_that_do_not_fit(text, words):
    with pytest.raises(InputError, match=words):
        crop_slices(parse_crop(text), AXES)
