"""The refinement: its transform, its limits, tiles and odd sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_blind2grad import Config, denoise
from napari_blind2grad.engine import collaborate as module
from napari_blind2grad.engine.collaborate import cosines
from napari_blind2grad.engine.even import Root, root_of
from napari_blind2grad.engine.noise import Line, NoiseCurve
from napari_blind2grad.engine.refine import Passing, refine, shape


def constant(variance: float) -> NoiseCurve:
    return NoiseCurve(torch.zeros(1), torch.tensor([variance]))


def photons(gain: float, offset: float = 0.0) -> NoiseCurve:
    levels = torch.linspace(0.0, 1.0, 12)
    return NoiseCurve(levels, gain * levels + offset)


def run(
    noisy: torch.Tensor, pilot: torch.Tensor, variance: float | NoiseCurve, share: float = 0.0
) -> torch.Tensor:
    noise = variance if isinstance(variance, NoiseCurve) else constant(variance)
    out = torch.full_like(noisy, float("nan"))
    done = sum(refine(noisy, pilot, noise, out, share=share))
    assert done == noisy.numel()
    return out


def test_cosines_by_hand() -> None:
    expected = torch.tensor([[0.7071, 0.7071], [0.7071, -0.7071]])
    assert torch.allclose(cosines(2, expected), expected, atol=1e-4)
    eight = cosines(8, torch.zeros(1))
    assert torch.allclose(eight @ eight.T, torch.eye(8), atol=1e-6)


def test_without_noise_it_mixes_both_images() -> None:
    torch.manual_seed(0)
    noisy, pilot = torch.rand(2, 5, 20, 24)
    assert torch.allclose(run(noisy, pilot, 1e-12), 0.75 * noisy + 0.25 * pilot, atol=2e-3)


def test_one_block_by_hand() -> None:
    """A wave of energy P² = 64 (amplitude 1) under variance 64: the gain is 64 / (64 + 64) = ½."""
    wave = torch.linspace(0, 1, 9)[None, :8].expand(8, 8)
    wave = torch.cos(torch.pi * (torch.arange(8) + 0.5) / 8).expand(8, 8)[None]
    wave = wave * (64 / wave.square().sum()).sqrt()
    noisy = 3.0 + 2.0 * wave
    out = run(noisy, 3.0 + wave, 64.0)
    assert torch.allclose(out, 3.0 + 0.5 * (0.25 + 0.75 * 2.0) * wave, atol=1e-5)


def test_much_noise_leaves_block_means() -> None:
    torch.manual_seed(0)
    noisy = torch.rand(1, 8, 8)
    out = run(noisy, noisy, 1e9)
    assert torch.allclose(out, noisy.mean().expand_as(out), atol=1e-4)


@pytest.mark.parametrize("planes", [1, 3, 6])
def test_tiles_do_not_show(monkeypatch: pytest.MonkeyPatch, planes: int) -> None:
    torch.manual_seed(planes)
    noisy, pilot = torch.rand(2, planes, 70, 54)
    whole = run(noisy, pilot, 0.05)
    monkeypatch.setitem(module._CORE, "cpu", 16)
    assert torch.allclose(run(noisy, pilot, 0.05), whole, atol=1e-5)


@pytest.mark.parametrize(
    ("planes", "origin", "noise"),
    [(1, (13, 6), constant(0.05)), (1, (13, 6), photons(0.1)), (4, (3, 10), constant(0.05))],
)
def test_a_part_is_filtered_as_in_the_whole(
    planes: int, origin: tuple[int, int], noise: NoiseCurve
) -> None:
    torch.manual_seed(planes)
    noisy, pilot = torch.rand(2, planes, 90, 96)
    whole = run(noisy, pilot, noise)
    cut = (slice(None), slice(origin[0], None), slice(origin[1], None))
    part = torch.empty_like(noisy[cut])
    for _ in refine(noisy[cut], pilot[cut], noise, part, origin):
        pass
    reach = max(shape(planes).reach, module.EVEN.reach)
    inner = (slice(None), slice(reach, None), slice(reach, None))
    assert part[inner].numel() > 1000
    assert torch.allclose(part[inner], whole[cut][inner], atol=1e-6)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("parts", [[9], [4, 5], [1, 2, 6], [8, 1], [3, 3, 3]])
def test_planes_that_come_one_after_another_are_filtered_as_the_stack(
    parts: list[int], known: bool
) -> None:
    torch.manual_seed(0)
    noisy, pilot = torch.rand(2, 9, 40, 36)
    line = Line(0.0, 0.02, 0.02) if known else None
    noise = NoiseCurve(torch.zeros(1), torch.tensor([0.02]), line)
    passing, got, at = Passing(noise, share=0.3), [], 0
    for count in parts:
        part = slice(at, at + count)
        at += count
        got.append(passing.add(noisy[part], pilot[part], last=at == 9))
    assert torch.allclose(torch.cat(got), run(noisy, pilot, noise, 0.3), atol=1e-6)


@pytest.mark.parametrize("planes", [1, 3, 4])
@pytest.mark.parametrize("known", [False, True])
def test_the_networks_image_has_a_share(planes: int, known: bool) -> None:
    noisy, pilot = torch.full((planes, 12, 12), 0.5), torch.full((planes, 12, 12), 0.4)
    line = Line(0.0, 1.0, 1.0) if known else None
    noise = NoiseCurve(torch.zeros(1), torch.tensor([1.0]), line)

    # The filter has 0.25 of 0.4 and 0.75 of 0.5, and with a share of 0.3, 0.7 of that and 0.3 of 0.4. Nothing
    # is given back: the residual is far below the noise.
    for share, expected in ((0.0, 0.475), (0.3, 0.4525)):
        found = run(noisy, pilot, noise, share)
        assert torch.allclose(found, torch.tensor(expected), atol=1e-5)


def test_low_waves_are_those_of_the_cosine_transform_and_round_alike_in_a_part() -> None:
    planes = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0)) * 255
    waves, along, order = cosines(5, planes), cosines(3, planes), 2

    def low(part: torch.Tensor) -> torch.Tensor:
        slow = [module._low_waves(plane, waves, order) for plane in part]
        return module._low_blocks(slow, along, order)

    whole = low(planes)
    assert whole.shape == (10, 36, 36)  # d + a + b up to 2
    block = planes[:, 7:12, 20:25]
    spectrum = torch.einsum("dk,ai,bj,kij->dab", along, waves, waves, block)
    expected = sorted(
        float(spectrum[d, a, b])
        for d in range(3) for a in range(3) for b in range(3) if d + a + b <= order
    )  # fmt: skip
    assert sorted(whole[:, 7, 20].tolist()) == pytest.approx(expected, abs=1e-3)
    part = low(planes[:, 3:25, 11:37].contiguous())
    assert torch.equal(part, whole[:, 3:21, 11:33])


def test_flat_images_are_covered_whole() -> None:
    """All blocks are alike: each is in the group that is searched for it all the same."""
    noisy = torch.rand(1, 40, 44)
    assert run(noisy, torch.ones_like(noisy), 0.1).isfinite().all()


def test_like_blocks_help_one_another() -> None:
    """A pattern that repeats is cleaned better than one of which each block is another."""
    rng = np.random.default_rng(0)
    block = rng.normal(0, 1, (6, 6))
    noise = torch.from_numpy(rng.normal(0, 0.5, (96, 96))).float()[None]
    left = []
    for clean in (np.tile(block, (16, 16)), rng.normal(0, 1, (96, 96))):
        image = torch.from_numpy(clean).float()[None]
        left.append(float((run(image + noise, image, 0.25) - image).square().mean()))
    assert left[0] < 0.5 * left[1]


@given(st.integers(1, 5), st.integers(1, 21), st.integers(1, 21))
@settings(max_examples=64, deadline=None)
def test_any_size(planes: int, rows: int, columns: int) -> None:
    noisy = torch.rand(planes, rows, columns)
    out = run(noisy, noisy.clone(), 0.01)
    assert bool(out.isfinite().all())
    assert float((out - noisy).abs().max()) < 1.0


def test_it_comes_nearer_to_the_clean_image() -> None:
    """A fine texture that the pilot holds at half its strength comes back."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64]
    clean = torch.from_numpy(np.cos(1.9 * x + 0.7 * y)).float()[None]
    noisy = clean + torch.from_numpy(rng.normal(0, 0.5, clean.shape)).float()
    pilot = 0.5 * clean
    out = run(noisy, pilot, 0.25)
    assert (out - clean).square().mean() < 0.5 * (pilot - clean).square().mean()


@pytest.mark.parametrize(
    ("axes", "shape"), [("YX", (33, 40)), ("YXS", (32, 32, 3)), ("CZYX", (2, 3, 17, 20))]
)
def test_in_a_run_it_changes_the_image_alone(axes: str, shape: tuple[int, ...]) -> None:
    noisy = np.random.default_rng(0).normal(100, 20, shape).astype(np.float32)
    few = Config(iterations=3, cycles=2, passes=1, patch=16, width=8, depth=1, threads=1)
    with_, without = (denoise(noisy, axes, few.replace(refine=on)) for on in (True, False))
    assert np.array_equal(with_.losses["loss"], without.losses["loss"])
    assert not np.array_equal(with_.image, without.image)
    assert np.isfinite(with_.image).all()


def test_invalid_pixels_do_not_leak() -> None:
    noisy = np.random.default_rng(0).normal(100, 20, (40, 40)).astype(np.float32)
    noisy[10:14, 20] = np.nan
    few = Config(iterations=3, cycles=2, passes=1, patch=16, width=8, depth=1, threads=1)
    image = denoise(noisy, "YX", few).image
    assert np.array_equal(np.isnan(image), np.isnan(noisy))


# ------------------------------------------------------------------ noise that grows with brightness


def test_roots_by_hand() -> None:
    """A gain of 2 and an offset of 4 make 1 + 1 = 2 photons of the value 2: 2 √(2 + 3/8) = 3.0822."""
    root = Root(2.0, 4.0)
    assert torch.allclose(root.forward(torch.tensor([2.0, -99.0])), torch.tensor([3.0822, 0.0]))
    mean = torch.tensor([-2.0, -1.0, 0.0, 2.0, 50.0, 4000.0])
    assert torch.allclose(root.inverse(root.of_mean(mean)), mean, atol=1e-3, rtol=1e-5)


@pytest.mark.parametrize("mean", [0.5, 2.0, 10.0, 60.0])
def test_the_way_back_from_the_mean_of_roots_has_no_bias(mean: float) -> None:
    counts = torch.from_numpy(np.random.default_rng(0).poisson(mean, 400_000)).float()
    root = Root(1.0, 0.0)
    roots = root.forward(counts)
    assert float(root.inverse(roots.mean())) == pytest.approx(mean, rel=0.02, abs=0.02)
    assert float(root.of_mean(torch.tensor(mean))) == pytest.approx(float(roots.mean()), abs=0.02)
    if mean >= 10:
        assert float(roots.var()) == pytest.approx(1.0, abs=0.02)


def test_the_line_of_a_curve_takes_no_heed_of_structure_and_clipping() -> None:
    curve = photons(0.2, 0.05)
    assert curve.line() == pytest.approx((0.2, 0.05), abs=1e-4)
    curve.variances[[3, 5, 8]] *= 1.6  # structure
    curve.variances[0] = 0.0  # clipped
    gain, offset = curve.line()
    assert (gain, offset) == pytest.approx((0.2, 0.05), abs=0.02)
    assert constant(0.3).line() == pytest.approx((0.0, 0.3))


def test_even_noise_needs_no_root() -> None:
    assert root_of(constant(0.1)) is None
    assert root_of(photons(0.01, 0.1)) is None
    assert root_of(photons(-0.01, 0.1)) is None
    assert root_of(photons(0.1, 0.01)) == pytest.approx((0.1, 0.01), abs=1e-3)


def test_under_the_root_dark_and_bright_are_filtered_alike() -> None:
    rng = np.random.default_rng(0)
    clean = np.repeat(np.linspace(2.0, 80.0, 16), 6)[None].repeat(96, 0)
    noisy = torch.from_numpy(rng.poisson(clean)).float()[None] / 100
    image = torch.from_numpy(clean).float()[None] / 100
    out = run(noisy, image, photons(0.01))
    error = ((out - image).square() / image)[0]
    assert float(error[:, :32].mean()) < 0.2 * 0.01
    assert float(error[:, -32:].mean()) < 0.2 * 0.01
    assert abs(float((out - image).mean())) < 0.003
