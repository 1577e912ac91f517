"""The input: what is refused and in which words, what is mapped, padded and left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_blind2grad import Config
from napari_blind2grad.engine.floor import channel_sigma
from napari_blind2grad.engine.noise import estimate
from napari_blind2grad.engine.normalize import fit
from napari_blind2grad.engine.stack import check, context_planes, load
from napari_blind2grad.errors import InputError

RNG = np.random.default_rng(0)
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("image", "axes", "words"),
    [
        (np.zeros((0, 5)), None, "empty"),
        (np.full((5, 5), 7), None, "constant"),
        (np.full((5, 5), np.nan), None, "no finite value"),
        (np.ones((5, 5), complex), None, "complex"),
        (np.ones((5, 5), bool), None, "bool"),
        (np.array([["a", "b"]]), None, "type"),
        (np.zeros(5), None, "1 dimension"),
        (np.zeros((1,) * 6), None, "6 dimensions"),
        (np.zeros((3, 5, 5)), "YX", "name 2 dimensions"),
        (np.zeros((3, 5, 5)), "QYX", "Unknown axis 'Q'"),
        (np.zeros((3, 5, 5)), "YYX", "twice"),
        (np.zeros((3, 5, 5)), "TZC", "lack Y or X"),
        (np.zeros((5, 5, 7)), "YXS", "at most 4"),
    ],
)
def test_refused_in_words(image: np.ndarray, axes: str | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        check(image, axes)


def test_nothing_is_copied_and_nothing_is_altered() -> None:
    image = RNG.random((3, 8, 9))
    image.flags.writeable = False
    stack = check(image, "ZYX")
    assert np.shares_memory(stack.array, image)
    load(stack, [0], Config(), CPU, 8)


def test_partly_broken_images_are_used_with_a_note() -> None:
    image = RNG.random((16, 16))
    image[3, 4], image[5, 6] = np.nan, np.inf
    stack = check(image, None)
    assert "2 NaN or infinite values" in stack.notes[0]
    planes = load(stack, [0], Config(), CPU, 8)
    assert not planes.valid[0, 0, 3, 4]
    assert not planes.valid[0, 0, 5, 6]
    assert torch.isfinite(planes.noisy).all()


def test_a_blank_channel_is_passed_through_with_a_note() -> None:
    image = RNG.random((2, 16, 16))
    image[1] = 3.0
    stack = check(image, "CYX")
    assert "Channel 1 is constant" in stack.notes[0]
    assert stack.groups("per-channel") == [[0]]


def test_groups() -> None:
    stack = check(RNG.random((3, 2, 8, 8)), "CTYX")
    assert stack.groups("per-channel") == [[0], [1], [2]]
    assert stack.groups("one") == [[0, 1, 2]]


def test_padding_is_invalid() -> None:
    planes = load(check(RNG.random((5, 7)), None), [0], Config(), CPU, 8)
    assert planes.noisy.shape == (1, 1, 8, 8)
    assert int(planes.valid.sum()) == 35
    assert planes.valid[0, 0, :5, :7].all()


def test_the_map_is_robust_and_invertible() -> None:
    image = RNG.normal(100, 5, (64, 64))
    image[0, 0] = 1e6  # one hot pixel must not squeeze all others
    intensity = fit(image)
    assert 25 < intensity.scale < 50
    np.testing.assert_allclose(intensity.inverse(intensity.forward(image)), image, rtol=1e-4)


def test_the_map_of_an_almost_constant_image_takes_its_range() -> None:
    image = np.zeros((100, 100))
    image[5, 5] = 9.0
    assert fit(image).scale == 9.0


@pytest.mark.parametrize(
    ("dimensions", "depth", "expected"),
    [("auto", 1, 0), ("auto", 2, 1), ("auto", 3, 2), ("2D", 9, 0), ("2.5D", 9, 2), ("2.5D", 1, 0)],
)
def test_context(dimensions: str, depth: int, expected: int) -> None:
    assert context_planes(Config(dimensions=dimensions), depth) == expected


@pytest.mark.parametrize("sigma", [2.0, 25.0])
def test_gaussian_noise_is_measured(sigma: float) -> None:
    ramp = np.linspace(0, 200, 128)[:, None] * np.ones(128)
    stack = check(ramp + RNG.normal(0, sigma, ramp.shape), None)
    assert channel_sigma(stack, 0, white=True) == pytest.approx(sigma, rel=0.05)


def test_poisson_noise_grows_with_brightness() -> None:
    clean = np.linspace(5, 100, 256)[:, None] * np.ones(256)
    noisy = torch.from_numpy(RNG.poisson(clean).astype(np.float32))[None, None]
    curve = estimate(noisy, torch.ones_like(noisy, dtype=torch.bool))
    at = torch.tensor([20.0, 50.0, 80.0])
    torch.testing.assert_close(curve.variance(at), at, rtol=0.15, atol=0)


def test_tiny_images_have_a_noise_estimate_too() -> None:
    tiny = torch.rand(1, 1, 1, 5)
    curve = estimate(tiny, torch.ones_like(tiny, dtype=torch.bool))
    assert torch.isfinite(curve.variance(tiny)).all()
