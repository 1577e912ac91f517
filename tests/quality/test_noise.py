"""Strength and kind of the noise, against what was put in."""

import numpy as np
import pytest

from napari_blind2grad.quality.noise import fit_noise
from napari_blind2grad.quality.sampling import take_sample


def ramp(low, high, side=256):
    return np.broadcast_to(np.linspace(low, high, side), (side, side))


def fitted(image):
    return fit_noise(take_sample(image, None, "YX"))


def test_gaussian_noise_of_known_strength():
    noise = fitted(ramp(100, 300) + np.random.default_rng(0).normal(0, 7, (256, 256)))
    assert noise.kind == "Gaussian"
    assert noise.sigma == pytest.approx(7, rel=0.03)
    assert noise.gain == 0
    assert np.isnan(noise.photons)


@pytest.mark.parametrize(("gain", "offset", "read"), [(1.0, 0, 0), (4.0, 100, 0), (2.5, 100, 6)])
def test_photon_noise_of_known_gain(gain, offset, read):
    random = np.random.default_rng(1)
    photons = random.poisson(ramp(10, 100))
    noise = fitted(gain * photons + offset + random.normal(0, read, photons.shape))
    assert noise.kind == "Poisson–Gaussian"
    assert noise.gain == pytest.approx(gain, rel=0.08)
    # The variance at a brightness is gain · (brightness − offset) + read².
    middle = gain * 55 + offset
    expected = gain * (middle - offset) + read**2
    assert noise.variance(np.array([middle]))[0] == pytest.approx(expected, rel=0.05)
    if read == 0:
        assert noise.photons == pytest.approx(99, rel=0.15)
        assert noise.zero == pytest.approx(offset, abs=12 * gain)


def test_pixels_cut_off_at_0_do_not_spoil_the_fit():
    random = np.random.default_rng(2)
    signal = ramp(-20, 100)
    image = np.clip(signal + random.normal(0, 10, signal.shape), 0, None)
    noise = fitted(image)
    assert noise.kind == "Gaussian"
    assert noise.sigma == pytest.approx(10, rel=0.05)


def test_edges_do_not_pass_for_noise():
    random = np.random.default_rng(3)
    squares = 100.0 * ((np.indices((256, 256)) // 32).sum(0) % 2)
    assert fitted(squares + random.normal(0, 5, squares.shape)).sigma == pytest.approx(5, rel=0.1)


def test_an_image_without_noise():
    y, x = np.indices((128, 128))
    assert fitted(1000 + 500 * np.sin(y / 20) * np.cos(x / 25)).kind == "none"
    assert fitted((y + x).astype(np.uint8)).kind == "none"


def test_too_few_pixels_are_said_to_be():
    noise = fitted(np.random.default_rng(4).normal(0, 3, (6, 6)))
    assert noise.kind == "unknown"
    assert 0 < noise.sigma < 12
