"""Photon counts, found by their steps and by their noise, and nothing else taken for them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_blind2grad import Config, Result, denoise, denoise_iter
from napari_blind2grad.engine.counts import photon_step, step_between, step_if_wanted, with_step
from napari_blind2grad.engine.stack import check
from napari_blind2grad.engine.thresholds import Sketch

Y, X = np.mgrid[:192, :192]
#: Expected photons: 2 to 22.
PHOTONS = 12 + 10 * np.sin(X / 11) * np.cos(Y / 9)
#: Quick, and still refined: only there does the noise count.
QUICK = {"iterations": 2, "cycles": 1, "passes": 1, "width": 8, "depth": 1, "patch": 64}


def counted(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(PHOTONS)


def step_of(image: np.ndarray, axes: str | None = None) -> float:
    return photon_step(check(image, axes))


@settings(max_examples=30, deadline=None)
@given(step=st.floats(1e-4, 1e4), seed=st.integers(0, 9))
def test_counts_times_any_step(step: float, seed: int) -> None:
    found = step_of((counted(seed) * step).astype(np.float32))
    assert found == pytest.approx(step, rel=1e-5)


@pytest.mark.parametrize("step", [1, 16, 10_000 / 30])
def test_counts_as_whole_numbers(step: float) -> None:
    assert step_of(np.round(counted() * step).astype(np.uint16)) == pytest.approx(step, rel=1e-4)


@pytest.mark.parametrize("gain", [0.3, 0.75, 1.6, 3.7])
def test_a_camera_with_another_gain_is_none(gain: float) -> None:
    assert step_of(np.round(counted() * gain).astype(np.uint8)) == 0


def test_counts_on_an_offset_and_with_read_noise_are_none() -> None:
    random = np.random.default_rng(1)
    assert step_of((counted() + 100).astype(np.uint16)) == 0
    assert step_of(np.round(counted() + 5 + random.normal(0, 3, PHOTONS.shape)).astype(int)) == 0
    assert step_of((counted() - 3).astype(np.float32)) == 0


def test_noise_of_one_strength_is_none() -> None:
    """At the brightness where it has the variance of counts, too."""
    random = np.random.default_rng(1)
    for shape in (np.full_like(PHOTONS, 20.0), PHOTONS + 8):
        assert step_of(np.round(shape + random.normal(0, 20**0.5, shape.shape)).astype(int)) == 0


def test_images_without_noise_and_without_steps_are_none() -> None:
    assert step_of(np.round(PHOTONS).astype(np.uint8)) == 0
    assert step_of(counted()[:60, :60]) == 0  # too few pixels to tell
    assert step_of((counted() + np.random.default_rng(1).random(PHOTONS.shape)) / 3) == 0
    assert step_of(np.stack([counted()] * 3, -1).astype(np.uint8), "YXS") == 0


def test_steps_by_hand() -> None:
    assert step_between(np.array([0.0, 0.5, 1.5, 4.0])) == 0.5
    assert step_between(np.array([0, 333, 667, 1000, 2333], np.uint16)) == pytest.approx(
        333.33, rel=1e-3
    )
    assert step_between(np.array([0.0, 0.5, 1.3])) == 0
    assert step_between(np.array([0.0, 7.0])) == 0
    assert step_between(np.array([np.nan, 0.0, 2.0, 4.0])) == 2


def test_all_channels_must_count_alike() -> None:
    both = np.stack([counted(0), counted(1)])
    assert step_of(both, "CYX") == pytest.approx(1)
    both[1] *= 2
    assert step_of(both, "CYX") == 0
    both[1] = 0  # blank: it does not count
    assert step_of(both, "CYX") == pytest.approx(1)


def test_missing_pixels_do_not_matter() -> None:
    image = counted().astype(np.float32)
    image[3:9, 5:60] = np.nan
    assert step_of(image) == pytest.approx(1)


def test_a_run_takes_the_step_as_gain_and_says_so() -> None:
    image = (counted() / 30).astype(np.float32)
    result = denoise(image, config=Config(**QUICK))
    assert result.config == Config(**QUICK)  # as asked for
    assert any("photon counts, 0.03333 for each" in note for note in result.notes)
    step = step_of(image)
    same = denoise(image, config=Config(gain=step, read_noise=step / 1000, **QUICK))
    np.testing.assert_array_equal(result.image, same.image)
    other = denoise(image, config=Config(counts=False, **QUICK))
    assert not any("photon" in note for note in other.notes)
    assert not np.array_equal(other.image, result.image)


def test_what_the_settings_tell_comes_first() -> None:
    stack = check(counted(), None)
    for told in (Config(gain=2.0), Config(read_noise=3.0), Config(counts=False)):
        assert step_if_wanted(stack, told) == 0
        assert with_step(told, 1.0) == told
    # An offset alone tells nothing, and photons have none.
    asked = Config(offset=5.0)
    found = with_step(asked, step_if_wanted(stack, asked))
    assert (found.gain, found.offset) == (1.0, 0.0)


def test_a_steered_run_keeps_the_step() -> None:
    image = counted().astype(np.float32)
    run = denoise_iter(image, config=Config(**QUICK))
    next(run)
    run.send(Config(omega=0.7, **QUICK))
    (result,) = (event for event in run if isinstance(event, Result))
    told = Config(omega=0.7, gain=1.0, read_noise=1e-3, **QUICK)
    np.testing.assert_array_equal(result.image, denoise(image, config=told).image)


def test_the_sketch_draws_masks_for_the_same_noise() -> None:
    image = counted().astype(np.float32)
    sketch = Sketch(image, "YX", Config())
    found, told, estimated = (
        sketch.distances({}, None, config).detail
        for config in (Config(), Config(gain=1.0, read_noise=1e-3), Config(counts=False))
    )
    assert (found == told).all()
    assert not (found == estimated).all()
