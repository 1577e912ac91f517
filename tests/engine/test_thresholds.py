"""The masks drawn without training are those that the engine draws."""

from __future__ import annotations

import numpy as np
import pytest

from napari_blind2grad import Config, denoise
from napari_blind2grad.engine.thresholds import Sketch
from napari_blind2grad.errors import InputError

SHORT = Config(
    iterations=6,
    cycles=2,
    width=4,
    depth=2,
    patch=16,
    passes=2,
    threads=1,
    device="cpu",
    precision="float32",
    seed=3,
    dtype="float32",
    eps_g=6,
    eps_s=12,
)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :48]
    return rng.poisson(60 + 40 * (((x // 8) + (y // 8)) % 2), (2, 3, 32, 48)).astype(np.uint16)


@pytest.mark.parametrize("mask", ["dual", "bernoulli"])
def test_they_are_the_engines_own(image: np.ndarray, mask: str) -> None:
    config = SHORT.replace(mask=mask)
    result = denoise(image, "CZYX", config)
    assert 0.02 < (result.dual_mask >= 2).mean() < 0.98
    assert 0.02 < result.standout_gate.mean() < 0.98
    sketch = Sketch(image, "CZYX", config)
    for c, z in ((0, 1), (1, 2)):
        distances = sketch.distances({"C": c, "Z": z}, result.image[c, z], config)
        labels, gate = sketch.masks(distances, config)
        # A pixel or two may lie on the threshold: the image was mapped to image units and back.
        assert (labels != result.dual_mask[c, z]).mean() < 0.003
        assert (gate != result.standout_gate[c, z]).mean() < 0.003


def test_with_noise_that_neighbours_share() -> None:
    """The distance is found as in a run, and the maps hold details, not all of the noise."""
    white = np.random.default_rng(0).standard_normal((152, 128))
    y, x = np.mgrid[:152, :128]
    image = (60 + 40 * (((x // 40) + (y // 40)) % 2) + 6 * (white + np.roll(white, 1, 1))).astype(
        "f4"
    )
    config = SHORT.replace(patch=64)
    result = denoise(image, "YX", config)
    assert result.config.dilation == 2
    sketch = Sketch(image, "YX", config)
    labels, gate = sketch.masks(sketch.distances({}, result.image, config), config)
    assert (labels != result.dual_mask).mean() < 0.003
    assert (gate != result.standout_gate).mean() < 0.003
    plain = denoise(image, "YX", config.replace(dilation=1))
    detail, noise = ((r.dual_mask >= 2).mean() for r in (result, plain))
    assert detail < 0.5 * noise


def test_thresholds_move_the_masks(image: np.ndarray) -> None:
    sketch = Sketch(image, "CZYX", SHORT)
    distances = sketch.distances({"C": 0, "Z": 0}, None, SHORT)
    assert not distances.trained
    shares = []
    for eps in (0, 6, 255):
        labels, gate = sketch.masks(distances, SHORT.replace(eps_g=eps, eps_s=eps))
        assert ((labels == 1) | (labels == 3)).mean() == pytest.approx(0.25, abs=1e-3)
        shares.append(((labels >= 2).mean(), gate.mean()))
    assert shares[0] == (1.0, 1.0)
    assert 0 < shares[1][0] < 1
    assert shares[2] == (0.0, 0.0)


def test_units_are_the_images_own() -> None:
    noisy = np.zeros((16, 16), np.float32)
    noisy[:, 8:] = 1000.0
    config = SHORT.replace(detail="literal")
    sketch = Sketch(noisy, "YX", config)
    flat = np.zeros_like(noisy)
    detail, edges = sketch.distances({}, flat, config).in_image_units()
    np.testing.assert_allclose(detail, noisy, rtol=1e-5)  # |y − 0|
    assert edges.max() == 0
    _, edges = sketch.distances({}, noisy, config).in_image_units()
    np.testing.assert_allclose(edges[:, 7], 1000, rtol=1e-5)  # one step from 0 to 1000
    assert np.count_nonzero(edges) == 16


def test_colour_and_odd_orders() -> None:
    image = np.random.default_rng(1).random((19, 3, 21)).astype(np.float32)
    sketch = Sketch(image, "XSY", SHORT)
    distances = sketch.distances({}, image, SHORT)
    assert sketch.masks(distances, SHORT)[0].shape == (21, 19)


def test_a_blank_channel_is_told(image: np.ndarray) -> None:
    some = np.stack([image[0], np.zeros_like(image[0])])
    with pytest.raises(InputError, match="constant"):
        Sketch(some, "CZYX", SHORT).distances({"C": 1}, None, SHORT)
