"""Wide means of the visible pixels, and convolutions that round alike in a part and in the whole."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from napari_blind2grad.engine.blur import separable
from napari_blind2grad.engine.convolution import conv2d
from napari_blind2grad.engine.scales import SCALES, SCALES_REACH, blend, wide_means


def random(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def test_one_bright_pixel() -> None:
    """Taps 1 4 6 4 1 at distance 1, then 2: in the middle (6·6 + 2·1·4) / 256 along each axis."""
    image = torch.zeros(1, 1, 81, 81)
    image[..., 40, 40] = 1
    means = wide_means(image, torch.ones_like(image), 0.0)
    assert len(means) == SCALES
    assert float(means[0][..., 40, 40]) == pytest.approx((44 / 256) ** 2, rel=1e-3)
    reached = means[-1][0, 0].nonzero()
    assert (reached - 40).abs().max() == SCALES_REACH


def test_a_flat_image_stays_flat_up_to_its_border_and_around_holes() -> None:
    image = torch.full((1, 2, 40, 30), 0.7)
    mask = (random(1, 2, 40, 30) > 0.5).float()
    for mean in wide_means(image * mask, mask, 0.7):
        torch.testing.assert_close(mean, image)


def test_hidden_pixels_play_no_part() -> None:
    image, mask = random(1, 1, 32, 32), (random(1, 1, 32, 32) > 0.3).float()
    other = torch.where(mask > 0, image, 5.0)
    for a, b in zip(wide_means(image, mask, 0.1), wide_means(other, mask, 0.1), strict=True):
        assert torch.equal(a, b)


def test_nothing_visible_gives_the_centre() -> None:
    nothing = torch.zeros(1, 1, 8, 8)
    for mean in wide_means(nothing, nothing, 0.3):
        torch.testing.assert_close(mean, torch.full_like(mean, 0.3))


def test_a_part_is_as_in_the_whole() -> None:
    image, mask = random(1, 1, 150, 140), (random(1, 1, 150, 140) > 0.3).float()
    whole = wide_means(image, mask, 0.1)
    part = wide_means(image[..., 20:120, 11:111], mask[..., 20:120, 11:111], 0.1)
    inside, r = slice(SCALES_REACH, 100 - SCALES_REACH), SCALES_REACH
    for a, b in zip(whole, part, strict=True):
        cut = a[..., 20 + r : 120 - r, 11 + r : 111 - r]
        assert torch.equal(cut, b[..., inside, inside])


def test_blend_by_hand() -> None:
    base, mean = torch.full((1, 1, 1, 1), 2.0), torch.full((1, 1, 1, 1), 4.0)
    choice = torch.full((1, 1, 1, 1), 3.0).log()  # three quarters of the mean
    torch.testing.assert_close(blend(base, [mean], choice), torch.full((1, 1, 1, 1), 3.5))


def test_small_convolutions_round_like_large_ones() -> None:
    """PyTorch takes another algorithm for one image of up to 20480 values, where the last bit differs."""
    x, weight = random(1, 48, 32, 32) - 0.5, random(48, 48, 3, 3) - 0.5
    whole = F.conv2d(x, weight, padding=1)
    part = conv2d(x[..., 4:24, 8:28].contiguous(), weight, padding=(1, 1))
    assert part.shape[-2:] == (20, 20)
    assert torch.equal(whole[..., 5:23, 9:27], part[..., 1:-1, 1:-1])


@pytest.mark.parametrize("shape", [(1, 2, 5, 7), (2, 1, 9, 3)])
def test_small_convolutions_are_right_at_the_border(shape: tuple[int, ...]) -> None:
    x, weight, bias = random(*shape), random(4, shape[1], 3, 3), random(4)
    expected = F.conv2d(x.double(), weight.double(), bias.double(), padding=2)
    found = conv2d(x, weight, bias, padding=(2, 2))
    torch.testing.assert_close(found.double(), expected, atol=1e-6, rtol=1e-6)


def test_smoothing_rounds_alike_in_a_part() -> None:
    image, taps = random(1, 1, 200, 200), (0.5, 0.25)
    whole, part = (
        separable(image, taps),
        separable(image[..., 50:110, 30:90].contiguous(), taps),
    )
    assert torch.equal(whole[..., 51:109, 31:89], part[..., 1:-1, 1:-1])
