"""The generated sample: the same everywhere, and noisy as it says."""

import zlib

import numpy as np
import pytest

from napari_blind2grad.io import read_image, write_image
from napari_blind2grad.samples import FULL_SCALE, PHOTONS, planaria_like


@pytest.fixture(scope="module")
def sample():
    return planaria_like()


def test_the_default_sample_is_the_same_on_every_machine(sample):
    assert zlib.crc32(sample.clean.tobytes()) == 0xA29B80F8
    assert zlib.crc32(sample.noisy.tobytes()) == 0xF84794B


def test_declared_layout(sample):
    for volume in (sample.noisy, sample.clean):
        assert volume.shape == (24, 256, 256)
        assert volume.dtype == np.uint16
    assert (sample.axes, sample.scale, sample.units) == ("ZYX", (2.0, 0.5, 0.5), "µm")


def test_clean_volume_fills_its_range(sample):
    assert sample.clean.max() == FULL_SCALE
    assert 0.01 * FULL_SCALE < sample.clean.min() < 0.1 * FULL_SCALE  # dim background, not black
    assert np.mean(sample.clean == FULL_SCALE) < 0.01  # hardly anything saturated


def test_noise_counts_photons(sample):
    photons = sample.noisy / FULL_SCALE * PHOTONS
    np.testing.assert_allclose(photons, np.rint(photons), atol=0.5 * PHOTONS / FULL_SCALE + 1e-9)


def test_noise_has_the_mean_and_variance_of_poisson(sample):
    clean, noisy = sample.clean / FULL_SCALE, sample.noisy / FULL_SCALE
    for low, high in ((0.03, 0.1), (0.2, 0.4), (0.6, 0.9)):
        there = (clean >= low) & (clean < high)
        error = (noisy - clean)[there]
        assert abs(error.mean()) < 4 * np.sqrt(high / PHOTONS / there.sum())
        assert error.var() == pytest.approx(clean[there].mean() / PHOTONS, rel=0.02)


def test_there_is_room_for_a_denoiser(sample):
    error = (sample.noisy.astype(float) - sample.clean) / FULL_SCALE
    assert 20 < -10 * np.log10(np.mean(error**2)) < 22


def test_more_photons_are_less_noisy():
    few, many = (planaria_like((4, 64, 64), photons=photons) for photons in (5, 500))
    np.testing.assert_array_equal(few.clean, many.clean)
    rms = [np.std(s.noisy.astype(float) - s.clean) for s in (few, many)]
    assert rms[0] > 8 * rms[1]


def test_seeds_differ():
    a, b = (planaria_like((2, 64, 64), seed=seed) for seed in (1, 2))
    assert not np.array_equal(a.clean, b.clean)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 7, 5), (3, 1, 9), (5, 33, 1)])
def test_any_shape(shape):
    sample = planaria_like(shape)
    assert sample.noisy.shape == sample.clean.shape == shape


def test_nothing_leaks_across_opposite_sides():
    """A periodic blur would make the first and the last plane alike."""
    clean = planaria_like((16, 96, 96)).clean.astype(float)
    inner = np.corrcoef(clean[0].ravel(), clean[1].ravel())[0, 1]
    across = np.corrcoef(clean[0].ravel(), clean[-1].ravel())[0, 1]
    assert inner > 0.5 > 0.3 > abs(across)


def test_sample_survives_a_file(sample, tmp_path):
    units = dict.fromkeys(sample.axes, sample.units)
    scale = dict(zip(sample.axes, sample.scale, strict=True))
    path = write_image(tmp_path / "s.ome.tif", sample.noisy, axes="ZYX", scale=scale, units=units)
    back = read_image(path)
    np.testing.assert_array_equal(back.data, sample.noisy)
    assert (back.axes, back.scale, back.units) == ("ZYX", scale, units)
