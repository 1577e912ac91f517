"""A camera's noise that is told: its curve, the noise that the last step keeps, and what it gives back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from napari_blind2grad import Config, denoise
from napari_blind2grad.engine.collaborate import DEEP, EVEN, FLAT, collaborate
from napari_blind2grad.engine.noise import NoiseCurve, noise_of
from napari_blind2grad.engine.normalize import IntensityMap
from napari_blind2grad.engine.stack import check, load
from napari_blind2grad.engine.texture import TEXTURE_REACH, give_back
from napari_blind2grad.engine.training import Training


def planes_of(image: np.ndarray, axes: str, config: Config) -> Any:
    return load(check(image, axes), [0], config, torch.device("cpu"), 1)


def test_the_curve_by_hand() -> None:
    """Gain ½, offset 100, read noise 3, mapped by (v − 50) / 200: at 0.75 there are 100 values of light."""
    image = np.random.default_rng(0).uniform(100, 250, (64, 64)).astype(np.float32)
    config = Config(gain=0.5, offset=100, read_noise=3)
    planes = planes_of(image, "YX", config)
    object.__setattr__(planes, "maps", (IntensityMap(50.0, 200.0),))
    noise = noise_of(planes, config)
    assert noise.known
    levels = torch.tensor([0.75, 0.25, -3.0, 5.0])
    expected = torch.tensor([59.0, 9.0, 9.0, 484.0]) / 200**2  # ½ · (5 · 200 + 50 − 100) + 9 = 484
    assert torch.allclose(noise.variance(levels), expected, rtol=1e-3)
    gain, offset = noise.line()
    assert gain == pytest.approx(0.5 / 200, rel=1e-3)
    assert offset == pytest.approx((0.5 * (50 - 100) + 9) / 200**2, abs=1e-6)


def test_read_noise_alone_is_the_same_everywhere_and_nothing_told_is_estimated() -> None:
    image = np.random.default_rng(0).normal(100, 5, (64, 64)).astype(np.float32)
    for config, known in ((Config(read_noise=7), True), (Config(offset=3), False)):
        planes = planes_of(image, "YX", config)
        noise = noise_of(planes, config)
        assert noise.known is known
        sigma = noise.variance(torch.linspace(-1, 2, 9)).sqrt() * planes.maps[0].scale
        assert torch.allclose(
            sigma, torch.full((9,), 7.0 if known else 5.0), rtol=1e-3 if known else 0.2
        )


def test_a_stack_of_few_pixels_has_a_curve_too() -> None:
    image = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    noise = noise_of(planes_of(image, "ZYX", Config(gain=1.0)), Config(gain=1.0))
    assert noise.known
    assert bool((noise.levels.diff() >= 0).all())


@pytest.mark.parametrize(
    ("kept", "share"),
    [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)],  # 1 − 1 · (1 − d) / 2
)
def test_shares_by_hand(kept: float, share: float) -> None:
    rest = torch.full((2, 80, 90), 2.0**0.5)
    rest[:, ::2] *= -1
    ones = torch.ones_like(rest)
    out = give_back(3.0 + rest, 3.0 * ones, ones, kept * ones)
    assert torch.allclose(out, 3.0 + share * rest, atol=1e-5)


def test_noise_alone_is_not_given_back() -> None:
    ones = torch.ones(1, 80, 90)
    assert torch.equal(give_back(3.5 * ones, 3.0 * ones, ones, 0.0 * ones), 3.0 * ones)


def test_it_depends_on_what_is_near_alone() -> None:
    torch.manual_seed(0)
    noisy, denoised, variance = torch.rand(3, 1, 200, 90)
    kept = torch.zeros_like(noisy)
    whole = give_back(noisy, denoised, variance / 20, kept)
    part = slice(0, 120)
    parts = give_back(*(p[:, part] for p in (noisy, denoised, variance / 20, kept)))
    inner = slice(0, 120 - TEXTURE_REACH)
    assert torch.allclose(whole[:, inner], parts[:, inner], atol=1e-6)


@pytest.mark.parametrize(("planes", "sizes"), [(1, FLAT), (1, EVEN), (5, DEEP)])
def test_the_noise_kept_is_nearly_the_derivative(planes: int, sizes: Any) -> None:
    """Of the result by the pixel itself, found by trembling at random; what it has through other blocks of
    its group is not counted.
    """
    torch.manual_seed(0)
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(56.0), indexing="ij")
    pilot = (torch.sin(x / 3 + y / 5) + torch.sin(y / 2)).expand(planes, -1, -1).contiguous()
    noisy = pilot + 0.4 * torch.randn_like(pilot)
    variance = torch.full_like(pilot, 0.16)

    def filtered(image: torch.Tensor, kept: torch.Tensor | None = None) -> torch.Tensor:
        out = torch.empty_like(image)
        list(collaborate(image, pilot, variance, out, sizes, kept=kept))
        return out

    kept = torch.full_like(pilot, torch.nan)
    before = filtered(noisy, kept)
    assert torch.equal(before, filtered(noisy))  # asking changes nothing
    found = []
    for _ in range(24):
        tremble = torch.randn_like(noisy).sign()
        found.append(((filtered(noisy + tremble) - before) * tremble).mean())
    assert 0.7 < float(kept.mean()) / float(torch.stack(found).mean()) < 1.02


def test_a_run_keeps_texture_that_the_camera_does_not_explain() -> None:
    """Independent texture of variance 25 under noise of variance 25: half of it is best given back."""
    rng = np.random.default_rng(0)
    clean = 100 + rng.normal(0, 5, (96, 96))
    noisy = (clean + rng.normal(0, 5, clean.shape)).astype(np.float32)
    config = Config(iterations=20, cycles=1, passes=2, patch=64, threads=1, device="cpu")

    def error(config: Config) -> float:
        return float(np.square(denoise(noisy, "YX", config).image - clean).mean())

    told, guessed = error(config.replace(read_noise=5)), error(config)
    assert guessed > 20  # all of it is smoothed away
    assert told == pytest.approx(12.5, rel=0.15)


def test_training_takes_the_noise_that_is_told() -> None:
    image = np.random.default_rng(0).poisson(50, (4, 40, 40)).astype(np.uint16)
    config = Config(gain=1.0, device="cpu", patch=32)
    planes = planes_of(image, "ZYX", config)
    noise: NoiseCurve = Training(planes, config, torch.float32, 0).noise
    assert noise.known
