"""Fine texture all over an image is neither taken for noise nor for noise that neighbours share."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_blind2grad import Config, denoise, denoise_iter
from napari_blind2grad.engine.floor import _line, noise_of, without_texture
from napari_blind2grad.engine.noise import NoiseCurve, estimate
from napari_blind2grad.engine.stack import Planes, check, load
from napari_blind2grad.engine.whiteness import found_sharing

FAST = Config.preset("fast", device="cpu", threads=1, dtype="float32")
SIDE = 256


def texture(strength: float = 30.0) -> np.ndarray:
    """Return grain of 2 to 3 pixels whose strength differs from place to place, on a mean of 120."""
    random = np.random.default_rng(8)
    grain = gaussian_filter(random.standard_normal((SIDE, SIDE)), 0.7)
    grain -= gaussian_filter(grain, 2)
    here = gaussian_filter(random.standard_normal((SIDE, SIDE)), 24)
    here = 0.15 + (here - here.min()) / (here.max() - here.min())
    return 120 + strength * grain / grain.std() * here


def smooth() -> np.ndarray:
    return 120 + 2000 * gaussian_filter(np.random.default_rng(9).standard_normal((SIDE, SIDE)), 12)


def white(sigma: float) -> np.ndarray:
    return sigma * np.random.default_rng(10).standard_normal((SIDE, SIDE))


def planes(image: np.ndarray) -> Planes:
    stack = check(image.astype(np.float32), "YX")
    return load(stack, [0], FAST, torch.device("cpu"), 8)


def at_the_median(scene: Planes, curve: NoiseCurve) -> float:
    """Return the noise of `curve` where the image is of middling brightness, in image units."""
    level = scene.noisy.median().reshape(1)
    return float(curve.variance(level).sqrt()) * scene.maps[0].scale


@pytest.mark.parametrize("sigma", [4.0, 8.0])
def test_texture_is_taken_away(sigma: float) -> None:
    scene = planes(texture() + white(sigma))
    before = estimate(scene.noisy, scene.valid)
    found = without_texture(scene.noisy, scene.valid, before)
    assert at_the_median(scene, before) > 1.25 * sigma
    assert at_the_median(scene, found) == pytest.approx(sigma, rel=0.2)
    assert found.known is not None


@pytest.mark.parametrize("sigma", [2.0, 15.0])
def test_where_there_is_none_nothing_changes(sigma: float) -> None:
    scene = planes(smooth() + white(sigma))
    found = estimate(scene.noisy, scene.valid)
    assert without_texture(scene.noisy, scene.valid, found) is found


def test_small_and_constant_images_are_left_as_they_are() -> None:
    noisy, valid = torch.rand(1, 1, 40, 40), torch.ones(1, 1, 40, 40, dtype=torch.bool)
    for image in (noisy, noisy[..., :5], torch.zeros_like(noisy)):
        found = estimate(image, valid[..., : image.shape[-1]])
        assert without_texture(image, valid[..., : image.shape[-1]], found) is found
    found = estimate(noisy, ~valid)
    assert without_texture(noisy, ~valid, found) is found


@pytest.mark.parametrize(("axes", "shape"), [("YXS", (SIDE, SIDE, 3)), ("ZYX", (5, SIDE, SIDE))])
def test_texture_of_colours_and_of_stacks(axes: str, shape: tuple[int, ...]) -> None:
    clean = texture()[..., None] if axes == "YXS" else texture()
    image = clean + 8.0 * np.random.default_rng(12).standard_normal(shape)
    stack = check(image.astype(np.float32), axes)
    scene = load(stack, [0], FAST, torch.device("cpu"), 8)
    found = noise_of(scene.noisy, scene.valid, white=True)
    assert found.known is not None
    assert at_the_median(scene, found) == pytest.approx(8.0, rel=0.2)


def test_hot_pixels_do_not_hide_texture() -> None:
    image = texture() + white(8.0)
    for value in (1e4, 3e38):
        image[50:200:15, 60] = value
        scene = planes(image)
        found = noise_of(scene.noisy, scene.valid, white=True)
        assert np.isfinite(found.sigma)
        assert value > 1e4 or found.known is not None


def test_pixels_that_are_missing_do_not_count() -> None:
    image = texture() + white(8.0)
    image[:, 100:130] = np.nan
    image[40] = np.nan
    scene = planes(image)
    found = noise_of(scene.noisy, scene.valid, white=True)
    assert at_the_median(scene, found) == pytest.approx(8.0, rel=0.2)


def test_texture_beside_clipped_pixels() -> None:
    image = texture(60.0) + white(8.0)
    image[np.arange(SIDE) > 100] = 0
    image = np.clip(image - 110, 0, None)
    result = denoise(image.astype(np.float32), "YX", FAST.replace(iterations=4))
    assert np.isfinite(result.image).all()


def test_known_noise_is_never_negative() -> None:
    """Where half of the levels are clipped, the line below the others is below 0: its root is no number."""
    levels = torch.linspace(0, 1, 12)
    variances = torch.where(levels > 0.5, 0.1 * levels**2, torch.zeros(12))
    curve = NoiseCurve(levels, variances)
    gain, offset = curve.line()
    assert gain * 0.25 + offset < 0
    known = replace(curve, known=_line(curve))
    assert (known.variance(torch.linspace(-0.2, 1.2, 50)) > 0).all()


@pytest.mark.parametrize("columns", [17, 18, 19, 21])
def test_narrow_images(columns: int) -> None:
    image = (texture()[:, :columns] + white(4.0)[:, :columns]).astype(np.float32)
    assert np.isfinite(denoise(image, "YX", FAST.replace(iterations=2)).image).all()


def test_noise_that_neighbours_share_is_no_texture() -> None:
    noise = gaussian_filter(white(10.0), 0.5)
    scene = planes(smooth() + 10 * noise / noise.std())
    found = estimate(scene.noisy, scene.valid)
    assert without_texture(scene.noisy, scene.valid, found) is found
    assert noise_of(scene.noisy, scene.valid, white=False).known is None


def test_noise_that_grows_with_brightness_still_does() -> None:
    clean = texture(10.0) + np.linspace(-90, 90, SIDE)
    scene = planes(np.random.default_rng(11).poisson(np.maximum(clean, 1)))
    found = noise_of(scene.noisy, scene.valid, white=True)
    assert found.known is not None
    scale = scene.maps[0].scale
    assert found.known.gain * scale == pytest.approx(1.0, rel=0.25)


def test_texture_is_not_taken_for_noise_that_neighbours_share() -> None:
    """It was: every second pixel was looked at, and the image blurred."""
    for sigma in (2.0, 4.0, 8.0):
        image = (texture() + white(sigma)).astype(np.float32)
        assert found_sharing(check(image, "YX"), FAST)[:2] == (1, False)


def test_an_image_of_texture_with_little_noise_gains() -> None:
    """It lost: the texture was taken for noise and filtered away."""
    clean = texture()
    noisy = (clean + white(6.0)).astype(np.float32)
    result = denoise(noisy, "YX", FAST.replace(iterations=150))
    error, before = (np.mean((image - clean) ** 2) for image in (result.image, noisy))
    assert error < 0.9 * before
    assert result.started.noise == pytest.approx((6.0,), rel=0.2)


def test_the_noise_that_is_shown_is_that_without_texture() -> None:
    image = (texture() + white(6.0)).astype(np.float32)
    started = next(denoise_iter(image, "YX", FAST.replace(iterations=1)))
    assert started.noise == pytest.approx((6.0,), rel=0.2)
