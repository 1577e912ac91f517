"""Fourier ring correlation, against signals of known spectrum."""

import numpy as np
import pytest

from napari_blind2grad.quality.noise import NoiseFit
from napari_blind2grad.quality.rings import ring_correlation
from napari_blind2grad.quality.sampling import take_sample


def noise(variance):
    nothing = np.zeros(0)
    return NoiseFit("Gaussian", 0.0, 0.0, variance, variance**0.5, nothing, nothing, 0.0)


def test_the_height_of_the_curve():
    # Structure as white as the noise: variance 3 against 1. The two halves share 3 and each has
    # 3 + 1 + 1, so the curve stands at 3 / 5 everywhere.
    random = np.random.default_rng(0)
    image = random.normal(0, 3**0.5, (6, 256, 256)) + random.normal(0, 1, (6, 256, 256))
    found = ring_correlation(take_sample(image, None, "ZYX"), noise(1.0))
    assert found.correlation[8:] == pytest.approx(0.6, abs=0.05)
    assert found.resolution == 2.0


def test_detail_ends_where_the_signal_does():
    # Structure up to a quarter cycle per pixel, 4 pixels a period, well above the noise.
    random = np.random.default_rng(1)
    spectrum = np.fft.fft2(random.normal(size=(256, 256)))
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256)))
    signal = np.fft.ifft2(np.where(radius < 0.25, spectrum, 0)).real
    image = 10 * signal / signal.std() + random.normal(0, 1, (256, 256))
    found = ring_correlation(take_sample(image, None, "YX"), noise(1.0))
    assert found.resolution == pytest.approx(4, rel=0.08)


def test_pure_noise_has_no_detail():
    image = np.random.default_rng(2).normal(0, 1, (6, 128, 128))
    found = ring_correlation(take_sample(image, None, "ZYX"), noise(1.0))
    assert np.abs(found.correlation[2:]).max() < 1 / 7
    assert not found.resolution < 20


def test_small_planes_have_no_curve():
    image = np.random.default_rng(3).normal(0, 1, (16, 64))
    assert ring_correlation(take_sample(image, None, "YX"), noise(1.0)) is None
