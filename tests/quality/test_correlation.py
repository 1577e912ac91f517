"""Correlation of noise and residual, against noise of known correlation."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_blind2grad.quality.correlation import input_correlation, residual_correlation
from napari_blind2grad.quality.sampling import take_sample

RANDOM = np.random.default_rng(0)
WHITE = RANDOM.normal(0, 10, (4, 192, 192))
# The mean of each pixel and its right neighbour: ρ(1) = ½, ρ(2) = 0 along X, nothing along Y.
PAIRED = (WHITE + np.roll(WHITE, 1, 2)) / 2


def structure():
    """Blurred texture everywhere, four times as strong as the noise."""
    field = gaussian_filter(np.random.default_rng(1).normal(size=(4, 192, 192)), (0, 1.5, 1.5))
    return 40 * field / field.std()


@pytest.mark.parametrize("signal", [0.0, structure()], ids=["flat", "textured"])
def test_white_noise_is_white(signal):
    found = input_correlation(take_sample(WHITE + signal, None, "ZYX"))
    assert found.grainy
    assert found.strongest == pytest.approx(0, abs=0.05)
    assert found.along["Z"][0] == pytest.approx(0, abs=0.05)
    assert found.whiteness > 0.95


@pytest.mark.parametrize("signal", [0.0, structure()], ids=["flat", "textured"])
def test_noise_shared_by_two_pixels(signal):
    found = input_correlation(take_sample(PAIRED + signal, None, "ZYX"))
    assert found.along["X"][0] == pytest.approx(0.5, abs=0.06)
    assert found.along["X"][1] == pytest.approx(0, abs=0.06)
    if np.ndim(signal) == 0:  # across X, hardly any of this noise is left beside structure
        assert found.along["Y"][0] == pytest.approx(0, abs=0.06)
    assert found.neighbours[1, 2] == found.neighbours[1, 0] == found.along["X"][0]
    assert found.strongest == found.along["X"][0]


def test_planes_that_share_noise():
    shared = (
        WHITE + WHITE.mean(0) * 2
    )  # variance 100 + 100 · (4/4 + 2 · 2/4): two thirds are shared
    own = np.random.default_rng(2).normal(0, 10, WHITE.shape)
    stack = own + 10 * np.random.default_rng(3).normal(size=WHITE.shape[1:])
    assert input_correlation(take_sample(stack, None, "ZYX")).along["Z"][0] == pytest.approx(
        0.5, abs=0.03
    )
    assert input_correlation(take_sample(shared, None, "TYX")).along["T"][0] > 0.5


def test_smooth_noise_lost_in_rounding_is_still_found():
    field = gaussian_filter(np.random.default_rng(4).normal(size=(192, 192)), 2)
    image = np.rint(100 + 5 * field / field.std()).astype(np.uint8)
    for same in (image, image.astype(np.float32), image / 255):
        found = input_correlation(take_sample(same, None, "YX"))
        assert not found.grainy
        assert found.strongest > 0.8


def test_the_residual_counts_as_it_is():
    clean = structure()
    noisy = clean + WHITE
    exact = residual_correlation(take_sample(noisy, clean, "ZYX"))
    assert exact.strongest == pytest.approx(0, abs=0.01)
    assert exact.error < 0.005
    blurred = gaussian_filter(clean, (0, 2, 2))
    assert residual_correlation(take_sample(noisy, blurred, "ZYX")).strongest > 0.3


def test_an_axis_too_short_is_left_out():
    found = input_correlation(take_sample(WHITE[0, :2], None, "YX"))
    assert "Y" not in found.along
