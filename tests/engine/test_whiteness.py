"""Whether neighbours share their noise, and what share the network's image gets by it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_blind2grad import Config
from napari_blind2grad.engine.noise import Line, NoiseCurve
from napari_blind2grad.engine.refine import network_share
from napari_blind2grad.engine.stack import Planes, check, load
from napari_blind2grad.engine.whiteness import whiteness

BALANCED = Config.preset("balanced")
ESTIMATED = NoiseCurve(torch.zeros(1), torch.ones(1))
KNOWN = replace(ESTIMATED, known=Line(0.0, 1.0, 1.0))


def planes(image: np.ndarray, axes: str = "YX") -> Planes:
    stack = check(image.astype(np.float32), axes)
    return load(stack, [0], BALANCED, torch.device("cpu"), 8)


def structure(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Return blobs as wide as a microscope's blur leaves them, in 0 to about 1."""
    image = gaussian_filter(np.random.default_rng(seed).random(shape), 2.5)
    image -= image.min()
    return image / image.max()


def noise(shape: tuple[int, ...], neighbour: float = 0.0, axis: int = -1) -> np.ndarray:
    """Return noise of standard deviation 1 with the correlation `neighbour` along `axis`.

    For n + a·n', with n' the next along the axis, that is a / (1 + a²).
    """
    a = 0.0 if neighbour == 0 else (1 - np.sqrt(1 - 4 * neighbour**2)) / (2 * neighbour)
    white = np.random.default_rng(1).standard_normal(shape)
    return (white + a * np.roll(white, 1, axis)) / np.sqrt(1 + a * a)


@pytest.mark.parametrize("seed", range(5))
def test_independent_noise_on_structure_is_white(seed: int) -> None:
    clean = structure((512, 480), seed)
    rng = np.random.default_rng(seed)
    assert whiteness(planes(clean + 0.1 * rng.standard_normal(clean.shape))) == 1.0
    assert whiteness(planes(rng.poisson(20 * clean) / 20)) == 1.0


@pytest.mark.parametrize("axis", [0, 1])
def test_noise_shared_along_one_axis_is_found(axis: int) -> None:
    clean = structure((256, 240))
    assert whiteness(planes(clean + 0.1 * noise(clean.shape, 0.06, axis))) == 0.0
    # Sharpening makes neighbours' noise unlike. (What is left of structure makes it less so.)
    assert whiteness(planes(clean + 0.1 * noise(clean.shape, -0.15, axis))) == 0.0
    between = whiteness(planes(noise((1024, 1024), 0.035, axis)))
    assert 0.05 < between < 0.95


def test_stacks_and_colours_are_looked_at_too() -> None:
    for shape, axes, axis in (((12, 192, 192), "ZYX", -1), ((512, 512, 3), "YXS", 1)):
        assert whiteness(planes(noise(shape), axes)) == 1.0
        assert whiteness(planes(noise(shape, 0.1, axis), axes)) == 0.0


def test_noise_shared_at_two_pixels_is_found() -> None:
    white = np.random.default_rng(1).standard_normal((512, 512))
    assert whiteness(planes(white + 0.07 * np.roll(white, 2, 1))) == 0.0


def test_grey_saved_as_colour_is_no_surer() -> None:
    grey = noise((288, 288), 0.02)
    assert 0.1 < whiteness(planes(grey)) < 0.9
    colour = np.repeat(grey[..., None], 3, -1)
    assert whiteness(planes(colour, "YXS")) == pytest.approx(whiteness(planes(grey)), abs=0.05)


def test_pixels_that_are_not_numbers_do_not_count() -> None:
    rng = np.random.default_rng(1)
    image = 0.1 * rng.standard_normal((512, 800))
    image[:, :400] = 0.1 * noise((512, 400), 0.3)
    assert whiteness(planes(image)) == 0.0
    image[:, :400:7] = np.nan
    assert whiteness(planes(image)) == 1.0


def test_flat_areas_and_few_planes_do_not_count() -> None:
    image = 0.1 * noise((512, 1024)) + 5.0
    image[:, 512:] = 4.7  # no noise at all
    assert whiteness(planes(image)) == 1.0
    many = np.stack([noise((128, 128), 0.2)] * 20)
    assert whiteness(planes(many, "ZYX")) == 0.0


def test_only_the_middle_of_large_planes_is_looked_at() -> None:
    image = noise((1400, 1400), 0.3)
    image[180:-180, 180:-180] = noise((1040, 1040))
    assert whiteness(planes(image)) == 1.0


@pytest.mark.parametrize("side", [8, 24, 64, 96])
def test_few_pixels_tell_nothing_for_sure(side: int) -> None:
    assert whiteness(planes(noise((side, side)))) == 0.0
    assert whiteness(planes(noise((side, 10)))) == 0.0


def test_an_image_without_noise_is_not_white() -> None:
    image = np.zeros((512, 512))
    image[100:300] = 1.0
    assert whiteness(planes(image)) == 0.0


def test_what_share_the_networks_image_gets() -> None:
    white, shared = planes(noise((512, 512))), planes(noise((512, 512), 0.2))
    fast = Config.preset("fast")
    assert network_share(BALANCED, ESTIMATED, white, 800) == 0.5
    assert network_share(BALANCED, ESTIMATED, shared, 800) == 0.0
    assert network_share(BALANCED, KNOWN, shared, 800) == 0.5
    assert network_share(fast, ESTIMATED, white, 800) == network_share(fast, KNOWN, white, 800) == 0
    assert network_share(BALANCED.replace(refine=False), KNOWN, white, 800) == 0.0
    # A network that has learnt little, or has little to learn from.
    assert network_share(BALANCED, KNOWN, white, 100) == 0.125
    assert network_share(BALANCED, KNOWN, planes(noise((128, 128))), 800) == 0.125
    assert network_share(BALANCED, KNOWN, planes(noise((4, 128, 128)), "ZYX"), 800) == 0.5
