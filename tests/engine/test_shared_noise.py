"""Noise that neighbouring pixels share: how far, which waves hold it, and what a run makes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve1d, gaussian_filter

from napari_blind2grad import Config, Result, denoise, denoise_iter
from napari_blind2grad.engine import run as run_module
from napari_blind2grad.engine.apply import apply_iter
from napari_blind2grad.engine.collaborate import FLAT, collaborate, cosines
from napari_blind2grad.engine.even import root_of
from napari_blind2grad.engine.noise import Line, NoiseCurve, estimate
from napari_blind2grad.engine.spectrum import spectra
from napari_blind2grad.engine.stack import Planes, check, load
from napari_blind2grad.engine.whiteness import Sharing, found_sharing

FAST = Config.preset("fast")
TINY = FAST.replace(
    iterations=60, cycles=2, width=8, depth=2, patch=64, passes=2, threads=1, device="cpu"
)
HALF, QUARTER = (0.5, 0.5), (0.25, 0.5, 0.25)


def noise(
    shape: tuple[int, ...], kernel: tuple[float, ...] = (1.0,), axes: tuple[int, ...] = (-2, -1)
) -> np.ndarray:
    """Return noise of standard deviation 1 that was convolved with `kernel` along `axes`."""
    made = np.random.default_rng(3).standard_normal(shape)
    for axis in axes:
        made = convolve1d(made, np.array(kernel), axis=axis, mode="wrap")
    return made / (np.linalg.norm(kernel) ** len(axes))


def spots(shape: tuple[int, ...], density: float = 0.002) -> np.ndarray:
    """Return soft spots on a dark ground, in 0 to 1."""
    points = (np.random.default_rng(4).random(shape) < density).astype(float)
    image = gaussian_filter(points, (0,) * (len(shape) - 2) + (3, 3))
    return image / image.max()


def distance(image: np.ndarray, axes: str = "YX", config: Config = FAST) -> int:
    return sharing(image, axes, config).distance


def sharing(image: np.ndarray, axes: str = "YX", config: Config = FAST) -> Sharing:
    return found_sharing(check(image.astype(np.float32), axes), config)


def planes(image: np.ndarray, axes: str = "YX", config: Config = FAST) -> Planes:
    return load(check(image.astype(np.float32), axes), [0], config, torch.device("cpu"), 8)


def estimated(scene: Planes) -> Callable[[int], NoiseCurve]:
    curve = estimate(scene.noisy, scene.valid)
    return lambda _: curve


def constant(variance: float) -> NoiseCurve:
    return NoiseCurve(torch.zeros(1), torch.tensor([variance]))


# ------------------------------------------------------------------------------------------ how strong


@pytest.mark.parametrize(
    ("kernel", "axes", "seen"),
    [
        ((1.0,), (-2, -1), 1.0),
        (HALF, (-1,), 1 / 2),
        (HALF, (-2, -1), 1 / 4),
        (QUARTER, (-2, -1), 1 / 9),
    ],
)
@pytest.mark.parametrize("dilation", [0, 1, 2])
def test_the_noise_that_is_told_is_all_of_it(
    kernel: tuple[float, ...], axes: tuple[int, ...], seen: float, dilation: int
) -> None:
    """Diagonal differences see (1 − ρ_y)(1 − ρ_x) of the variance: ρ is ½ for (½, ½) and ⅔ for (¼, ½, ¼)."""
    image = 200 * spots((256, 256)) + 10 * noise((256, 256), kernel, axes)
    config = TINY.replace(dilation=dilation, iterations=1)
    started = next(denoise_iter(image.astype(np.float32), "YX", config))
    assert started.noise == pytest.approx((10,), rel=0.1)
    assert sharing(image, config=config).seen == pytest.approx((seen,), abs=0.06)


def test_each_channel_has_its_own_noise_that_is_told() -> None:
    clean = 200 * spots((256, 256))
    kernels = ((1.0,), HALF)
    image = np.stack([clean + 10 * noise(clean.shape, kernel) for kernel in kernels])
    channels = np.concatenate([image, np.zeros_like(image[:1])]).astype(np.float32)
    started = next(denoise_iter(channels, "CYX", TINY))
    assert started.noise == pytest.approx((10, 10, 0), rel=0.1)


# ------------------------------------------------------------------------------------------ the distance


@pytest.mark.parametrize(
    ("kernel", "axes", "found"),
    [
        ((1.0,), (0, 1), 1),
        (HALF, (0, 1), 2),
        (HALF, (1,), 2),
        (HALF, (0,), 2),
        (QUARTER, (0, 1), 3),
    ],
)
def test_the_distance_is_where_little_is_shared(
    kernel: tuple[float, ...], axes: tuple[int, ...], found: int
) -> None:
    """The kernel (½, ½) leaves ½ of the noise shared with the next pixel; (¼, ½, ¼) ⅔, and ⅙ over two."""
    clean = spots((240, 200))
    assert distance(clean + 0.1 * noise(clean.shape, kernel, axes)) == found


def test_wide_noise_has_the_longest_distance() -> None:
    wide = tuple(np.exp(-(np.arange(-6, 7) ** 2) / 6.0))
    assert distance(noise((300, 300), wide)) == 3
    assert distance(noise((300, 300, 3), wide, (0, 1)), "YXS") == 2


def test_where_little_is_shared_direct_neighbours_are_seen() -> None:
    """The kernel (a, 1) leaves a / (1 + a²) shared: 0.10, 0.19 and 0.28."""
    for weight, found in ((0.1, (1, False)), (0.2, (1, True)), (0.31, (2, True))):
        made = noise((400, 400), (weight, 1.0, 0.0))
        assert sharing(made)[:2] == found


@pytest.mark.parametrize(
    ("axes", "shape", "along"),
    [
        ("ZYX", (5, 128, 128), (1, 2)),
        ("YXS", (160, 160, 3), (0, 1)),
        ("CYX", (2, 160, 160), (1, 2)),
    ],
)
def test_stacks_colours_and_channels(axes: str, shape: tuple[int, ...], along: Any) -> None:
    assert distance(noise(shape), axes) == 1
    assert distance(noise(shape, HALF, along), axes) == 2


def test_the_channel_that_shares_most_counts() -> None:
    both = np.stack([noise((160, 160)), noise((160, 160), QUARTER)])
    assert distance(both, "CYX") == 3


def test_what_is_set_or_told_is_not_looked_for() -> None:
    image = noise((160, 160), HALF)
    assert distance(image, config=FAST.replace(dilation=1)) == 1
    assert distance(noise((160, 160)), config=FAST.replace(dilation=3)) == 3
    assert distance(image, config=FAST.replace(read_noise=1.0)) == 1
    assert distance(image, config=Config.preset("paper")) == 1


def test_structure_is_no_noise() -> None:
    assert distance(gaussian_filter(noise((256, 256)), 4)) == 1  # too wide
    assert distance(spots((256, 256), 0.0003)) == 1  # in some places only
    rows = np.repeat(noise((256, 1), axes=()), 256, 1)
    assert distance(noise((256, 256)) + rows) == 1  # stripes


def test_uneven_noise_is_noise() -> None:
    """Dark ground and bright spots have very different noise, but noise alone."""
    clean = 1.0 + 30 * spots((256, 256))
    assert distance(clean + 0.2 * np.sqrt(clean) * noise(clean.shape, HALF)) == 2


def test_few_pixels_decide_nothing() -> None:
    assert distance(noise((64, 64), HALF)) == 1
    for shape in ((10, 3000), (3000, 10), (18, 2000), (2000, 18)):
        assert distance(noise(shape, HALF)) in (1, 2)


def test_pixels_that_are_not_numbers_do_not_matter() -> None:
    image = noise((256, 256), HALF)
    image[:100] = np.nan
    assert distance(image) == 2
    assert distance(np.where(np.isnan(image), np.nan, noise((256, 256)))) == 1


# ------------------------------------------------------------------------------------------ the spectrum


def expected(side: int, neighbour: float) -> np.ndarray:
    """Return the energies of waves of `side` pixels of noise with that correlation of direct neighbours."""
    shared = np.eye(side) + neighbour * (np.eye(side, k=1) + np.eye(side, k=-1))
    waves = cosines(side, torch.zeros(1, dtype=torch.float64)).numpy()
    return np.einsum("ki,ij,kj->k", waves, shared, waves)


def test_energies_by_hand() -> None:
    """Of two pixels that share ½, the mean has 1 + ½ of a pixel's energy, and the difference 1 − ½."""
    np.testing.assert_allclose(expected(2, 0.5), [1.5, 0.5])


@pytest.mark.parametrize(("axes", "shape"), [("YX", (640, 600)), ("ZYX", (6, 320, 300))])
def test_the_spectrum_is_that_of_the_noise(axes: str, shape: tuple[int, ...]) -> None:
    scene = planes(noise(shape, HALF, (-1,)), axes)
    variance = 1.0 / scene.maps[0].scale ** 2
    found = spectra(scene, lambda _: constant(variance))
    assert set(found) == ({8} if axes == "YX" else {8, 5})
    for side, waves in found.items():
        assert waves.shape == (1, side, side)
        wanted = np.broadcast_to(expected(side, 0.5), (side, side)).copy()
        wanted[0, 0] = (wanted[0, 1] + wanted[1, 0]) / 2
        np.testing.assert_allclose(waves[0].numpy(), wanted, rtol=0.08)


def test_structure_hardly_adds_to_it() -> None:
    clean = 20 * spots((400, 400), 0.0005)
    scene = planes(clean + noise(clean.shape, HALF))
    found = spectra(scene, lambda _: constant(1.0 / scene.maps[0].scale ** 2))[8][0].numpy()
    line = expected(8, 0.5)
    ratio = found / np.outer(line, line)
    assert 0.9 < np.median(ratio) < 1.1
    assert ratio.max() < 1.7
    assert ratio[2:, 2:].max() < 1.4  # waves that spots of this width hardly have


def test_colour_samples_that_share_noise() -> None:
    one = noise((300, 300), HALF)
    scene = planes(np.stack([one] * 3, -1), "YXS")
    waves = spectra(scene, lambda _: constant(1.0 / scene.maps[0].scale ** 2))[8]
    assert waves.shape == (3, 8, 8)
    assert waves[0, 1, 1] == pytest.approx(3 * expected(8, 0.5)[1] ** 2, rel=0.08)
    assert float(waves[1:].max()) < 2e-3 * float(waves[0].mean())  # their differences hold none


def test_uneven_noise_is_measured_where_it_is_even() -> None:
    """A single plane of photons is filtered under a root that gives all noise the variance 1."""
    clean = np.linspace(20, 200, 300)[None].repeat(300, 0)
    scene = planes(clean + np.sqrt(clean) * noise(clean.shape, HALF))
    low, scale = scene.maps[0].low, scene.maps[0].scale
    levels = torch.linspace(0, 1, 12)
    known = Line(1 / scale, low / scale**2, 1e-9)
    curve = NoiseCurve(levels, known.gain * levels + known.offset, known)
    assert root_of(curve) is not None
    line = expected(8, 0.5)
    waves = spectra(scene, lambda _: curve)[8][0].numpy()
    np.testing.assert_allclose(waves[1:, 1:], np.outer(line, line)[1:, 1:], rtol=0.15)


@pytest.mark.parametrize("pedestal", [0.0, -40.0])
def test_clipped_areas_do_not_count(pedestal: float) -> None:
    """Corners without an image, in the dark or far below it, have no noise at all."""
    clean = np.linspace(20, 200, 300)[None].repeat(300, 0)
    image = clean + np.sqrt(clean) * noise(clean.shape, HALF)
    whole = spectra(planes(image), estimated(planes(image)))[8]
    image[:100] = pedestal
    scene = planes(image)
    found = spectra(scene, estimated(scene))[8]
    np.testing.assert_allclose(found[0, 1:, 1:].numpy(), whole[0, 1:, 1:].numpy(), rtol=0.3)
    out = denoise(image.astype(np.float32), "YX", TINY)
    assert out.config.dilation == 2
    assert np.isfinite(out.image).all()
    assert np.abs(out.image - clean)[100:].mean() < 0.5 * np.abs(image - clean)[100:].mean()


def test_no_wave_is_without_noise() -> None:
    grey = np.repeat(noise((200, 200), HALF)[..., None], 3, -1)
    scene = planes(grey, "YXS")
    found = spectra(scene, estimated(scene))[8]
    assert float(found.min()) >= 0.99e-3 * float(found.mean())
    result = denoise(grey.astype(np.float32), "YXS", TINY)
    assert result.config.dilation == 2
    assert np.isfinite(result.image).all()


def test_few_blocks_tell_nothing() -> None:
    assert spectra(planes(noise((24, 24), HALF)), lambda _: constant(1.0)) == {}
    assert spectra(planes(noise((7, 400), HALF)), lambda _: constant(1.0)) == {}


# -------------------------------------------------------------------------------------------- the filter


def filtered(
    noisy: torch.Tensor, pilot: torch.Tensor, variance: float, spectrum: torch.Tensor | None
) -> torch.Tensor:
    out = torch.empty_like(noisy)
    levels = torch.full_like(noisy, variance)
    for _ in collaborate(noisy, pilot, levels, out, FLAT, spectrum=spectrum):
        pass
    return out


def test_a_flat_spectrum_is_none() -> None:
    torch.manual_seed(0)
    for count in (1, 3):
        noisy, pilot = torch.rand(2, count, 40, 36)
        flat = torch.ones(1, 8, 8)
        plain = filtered(noisy, pilot, 0.02, None)
        assert torch.allclose(filtered(noisy, pilot, 0.02, flat), plain, atol=1e-6)
        assert torch.allclose(filtered(noisy, pilot, 0.01, 2 * flat), plain, atol=1e-6)


def test_a_wave_without_noise_passes() -> None:
    """One block with two waves of energy 64 under variance 64: one has no noise, the other the gain ½."""
    line = torch.cos(torch.pi * (torch.arange(8) + 0.5) / 8).expand(8, 8)
    line = line * (64 / line.square().sum()).sqrt()
    spectrum = torch.zeros(1, 8, 8)
    spectrum[0, 0, 1] = 1.0  # waves along X
    both = (line + line.T)[None]
    out = filtered(3.0 + both, 3.0 + both, 64.0, spectrum)
    assert torch.allclose(out, 3.0 + (0.5 * line + line.T)[None], atol=1e-5)


# ------------------------------------------------------------------------------------------------- a run


@pytest.mark.parametrize(("axes", "shape"), [("YX", (160, 160)), ("ZYX", (5, 112, 112))])
def test_a_run_removes_noise_that_neighbours_share(axes: str, shape: tuple[int, ...]) -> None:
    clean = 100 * spots(shape)
    noisy = (clean + 10 * noise(shape, HALF)).astype(np.float32)
    result = denoise(noisy, axes, TINY)
    assert result.config == TINY.replace(dilation=2)
    assert TINY.made(result.config.to_dict())
    (note,) = (n for n in result.notes if "share their noise" in n)
    assert "every second pixel (dilation 2)" in note
    plain = denoise(noisy, axes, TINY.replace(dilation=1))
    assert not any("share" in n for n in plain.notes)
    one, other = (np.mean((r.image - clean) ** 2) for r in (result, plain))
    assert one < 0.5 * other


def test_where_little_is_shared_the_network_is_the_usual_one() -> None:
    clean = 100 * spots((200, 200))
    noisy = (clean + 10 * noise(clean.shape, (0.2, 1.0, 0.0))).astype(np.float32)
    result = denoise(noisy, "YX", TINY)
    assert result.config == TINY
    (note,) = (n for n in result.notes if "share" in n)
    assert "some of their noise" in note
    plain = denoise(noisy, "YX", TINY.replace(dilation=1))
    assert not any("share" in n for n in plain.notes)
    first = slice(
        TINY.iterations // TINY.cycles
    )  # detail maps, which come later, count the spectrum too
    np.testing.assert_array_equal(result.losses["content"][first], plain.losses["content"][first])
    one, other = (np.mean((r.image - clean) ** 2) for r in (result, plain))
    assert one < 0.95 * other
    *_, again = apply_iter(result.state, noisy, "YX", result.config)
    np.testing.assert_array_equal(again.image, result.image)
    (note,) = (n for n in again.notes if "share" in n)
    assert "Dilation" not in note  # a network's settings are fixed
    simple = denoise(noisy, "YX", TINY.replace(refine=False, iterations=2))
    assert not any("share" in n for n in simple.notes)


def test_a_network_that_sees_direct_neighbours_keeps_doing_so() -> None:
    """Gone on from, or applied to an image whose neighbours share their noise."""
    clean = 100 * spots((160, 160))
    white, shared = (
        (clean + 10 * noise(clean.shape, kernel)).astype(np.float32) for kernel in ((1.0,), HALF)
    )
    first = denoise(white, "YX", TINY)
    *_, other = apply_iter(first.state, shared, "YX", first.config)
    short = TINY.replace(iterations=2)
    *_, last = denoise_iter(shared, "YX", short, warm=first.state)
    for result in (other, last):
        assert isinstance(result, Result)
        assert result.config.tap_distance == 1
        assert any("share some" in n for n in result.notes)
        assert not any("anew" in n for n in result.notes)
    simple = denoise_iter(shared, "YX", short.replace(refine=False), warm=first.state)
    *_, last = simple
    assert isinstance(last, Result)
    assert not any("share" in n for n in last.notes)


def test_independent_noise_is_treated_as_ever() -> None:
    clean = 100 * spots((160, 160))
    noisy = (clean + 10 * noise(clean.shape)).astype(np.float32)
    result = denoise(noisy, "YX", TINY)
    assert result.config == TINY
    np.testing.assert_array_equal(
        result.image, denoise(noisy, "YX", TINY.replace(dilation=1)).image
    )


def test_networks_keep_their_distance() -> None:
    """Applied to another image, or gone on from, whatever noise that image has."""
    clean = 100 * spots((160, 160))
    shared, white = (
        (clean + 10 * noise(clean.shape, kernel)).astype(np.float32) for kernel in (HALF, (1.0,))
    )
    first = denoise(shared, "YX", TINY)
    (network,) = first.state.networks
    assert network.dilation == 2
    *_, again = apply_iter(first.state, shared, "YX", TINY)
    np.testing.assert_array_equal(again.image, first.image)
    *_, other = apply_iter(first.state, white, "YX", TINY)
    assert isinstance(other, Result)
    assert other.config.dilation == 2
    short = TINY.replace(iterations=2, read_noise=10.0)  # a noise that is told is independent, else
    for config, anew in ((short, False), (short.replace(dilation=1), True)):
        *_, last = denoise_iter(white, "YX", config, warm=first.state)
        assert isinstance(last, Result)
        assert last.config.dilation == (1 if anew else 2)
        assert any("starts anew" in note for note in last.notes) == anew


def test_the_last_step_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "refine", None)
    noisy = (100 * spots((160, 160)) + 10 * noise((160, 160), HALF)).astype(np.float32)
    denoise(noisy, "YX", TINY.replace(refine=False, iterations=2))
