"""A camera's noise that is told: its curve, the noise that the last step keeps, and what it gives back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from napari_blind2grad import Config, denoise
from napari_blind2grad.engine.collaborate import DEEP, EVEN, FLAT, collaborate
from napari_blind2grad.engine.even import root_of
from napari_blind2grad.engine.noise import NoiseCurve, told
from napari_blind2grad.engine.normalize import IntensityMap
from napari_blind2grad.engine.stack import check, load
from napari_blind2grad.engine.texture import TEXTURE_REACH, give_back
from napari_blind2grad.engine.training import Training

MAP = IntensityMap(50.0, 200.0)


def curve(*variances: float) -> NoiseCurve:
    """Return an estimate at the levels 0.25, 0.5, …"""
    levels = torch.arange(1, len(variances) + 1) / 4
    return NoiseCurve(levels, torch.tensor(variances))


def test_the_camera_by_hand() -> None:
    """Gain ½, offset 100, read noise 3, mapped by (v − 50) / 200: at 0.75 there are 100 values of light."""
    noise = told(curve(1.0, 1.0, 1.0), Config(gain=0.5, offset=100, read_noise=3), MAP)
    levels = torch.tensor([0.75, 0.25, -3.0, 5.0])
    expected = torch.tensor([59.0, 9.0, 9.0, 484.0]) / 200**2  # ½ · (5 · 200 + 50 − 100) + 9 = 484
    assert torch.allclose(noise.variance(levels), expected)
    gain, offset = noise.line()
    assert gain == pytest.approx(0.5 / 200)
    assert offset == pytest.approx((0.5 * (50 - 100) + 9) / 200**2)


def test_a_read_noise_that_is_not_told_is_what_the_darkest_level_has_more() -> None:
    """At 0.25 there is no light: all of the 16 / 200² is read noise. Less than the light's counts as none."""
    noise = told(curve(16 / 200**2, 1.0), Config(gain=0.5, offset=100), MAP)
    assert torch.allclose(
        noise.variance(torch.tensor([0.25, 0.75])) * 200**2, torch.tensor([16.0, 66.0])
    )
    noise = told(curve(16 / 200**2, 1.0), Config(gain=0.5, offset=20), MAP)  # light of 80: 40
    assert float(noise.variance(torch.tensor(0.25))) * 200**2 == pytest.approx(40.0)


def test_read_noise_alone_is_the_same_everywhere_and_nothing_told_is_estimated() -> None:
    found = curve(1.0, 2.0)
    noise = told(found, Config(read_noise=7), MAP)
    assert torch.allclose(noise.variance(torch.linspace(-1, 2, 9)), torch.full((9,), 49 / 200**2))
    assert root_of(noise) is None
    assert told(found, Config(offset=3), MAP) is found


def test_dim_images_have_a_root_too() -> None:
    """What is told beyond the image's own levels does not decide whether its noise is even."""
    found = NoiseCurve(torch.linspace(0.01, 0.2, 12), torch.linspace(0.01, 0.2, 12) / 100)
    root = root_of(told(found, Config(gain=2.0, offset=50, read_noise=0.1), MAP))
    assert root is not None
    assert root.gain == pytest.approx(0.01)
    assert root_of(told(found, Config(gain=0.01, offset=50, read_noise=5), MAP)) is None


@pytest.mark.parametrize(
    ("kept", "share"),
    [(0.0, 0.5), (0.25, 0.75), (0.5, 1.0), (1.0, 1.0)],  # 1 − 1 · (1 − 2 d) / 2
)
def test_shares_by_hand(kept: float, share: float) -> None:
    rest = torch.full((2, 80, 90), 2.0**0.5)
    rest[:, ::2] *= -1
    ones = torch.ones_like(rest)
    out = give_back(3.0 + rest, 3.0 * ones, ones, kept * ones)
    assert torch.allclose(out, 3.0 + share * rest, atol=1e-5)


def test_an_outlier_hardly_counts() -> None:
    torch.manual_seed(0)
    rest = torch.randn(1, 80, 90)
    ones = torch.ones_like(rest)
    before = give_back(rest, 0 * ones, ones, 0 * ones)
    rest[0, 40, 45] = 200.0
    after = give_back(rest, 0 * ones, ones, 0 * ones)
    after[0, 40, 45] = before[0, 40, 45]
    assert float((after - before).std()) < 0.01


def test_noise_alone_is_not_given_back() -> None:
    ones = torch.ones(1, 80, 90)
    assert torch.equal(give_back(3.5 * ones, 3.0 * ones, ones, 0.0 * ones), 3.0 * ones)


def test_flat_places_and_edges_have_shares_of_their_own() -> None:
    """On a slope of 3 standard deviations 4 variances are left: ¾ comes back there, and nothing elsewhere."""
    columns = torch.arange(90.0)
    denoised = (3.0 * (columns - 45).clamp_min(0)).expand(1, 80, 90)
    sign = torch.where(columns % 2 > 0, 1.0, -1.0)
    rest = torch.where(columns > 45, 2.0 * sign, sign).expand_as(denoised)
    ones = torch.ones_like(denoised)
    share = (give_back(denoised + rest, denoised, ones, 0 * ones) - denoised) / rest
    assert torch.allclose(share[..., 50:88], torch.tensor(0.75), atol=0.02)
    assert share[..., :42].abs().max() < 0.07  # of what counts as little as the others


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


@pytest.mark.parametrize("networks", ["one", "per-channel"])
def test_each_channel_has_its_own_map(networks: str) -> None:
    rng = np.random.default_rng(0)
    image = np.stack([rng.poisson(level, (40, 40)) for level in (50, 900)]).astype(np.uint16)
    config = Config(gain=1.0, read_noise=1e-3, device="cpu", patch=32, networks=networks)
    stack = check(image, "CYX")
    for channels in stack.groups(networks):
        planes = load(stack, channels, config, torch.device("cpu"), 1)
        training = Training(planes, config, torch.float32, 0)
        assert training.noise.known is None
        for plane, channel in enumerate(channels):
            scale = stack.maps[channel].scale
            variance = training.noise_at(plane).variance(planes.noisy[plane]).mean() * scale**2
            assert float(variance) == pytest.approx(float(image[channel].mean()), rel=0.02)


def test_a_run_says_how_the_noise_counts() -> None:
    image = np.random.default_rng(0).poisson(50, (40, 40)).astype(np.uint16)
    config = Config(gain=1.0, device="cpu", patch=32, iterations=2, cycles=1, passes=1, threads=1)
    assert any("as told" in note for note in denoise(image, "YX", config).notes)
    notes = denoise(image, "YX", config.replace(refine=False)).notes
    assert any("hardly counts" in note for note in notes)


@pytest.mark.parametrize(
    "changes", [{}, dict(gain=1.0, offset=110), dict(gain=1.0, offset=110, read_noise=1)]
)
def test_images_below_their_offset_have_no_holes(changes: dict[str, Any]) -> None:
    """Where the guide is flat all blocks are alike, and yet each must be in a group."""
    rng = np.random.default_rng(0)
    image = np.maximum(rng.normal(100, 2, (128, 160)), 100 if not changes else 0)
    image[40:80, 40:80] += rng.poisson(60, (40, 40))
    config = Config(device="cpu", patch=64, iterations=4, cycles=1, passes=1, threads=1, **changes)
    assert np.isfinite(denoise(image.astype(np.float32), "YX", config).image).all()
