"""Forward differences and their length (eq. 3.4), against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch

from napari_blind2grad.engine.gradient import edge_strength, forward_differences, magnitude

IMAGE = torch.tensor([[1.0, 4.0, 4.0], [5.0, 4.0, 1.0]])


def test_forward_differences_by_hand() -> None:
    gradient = forward_differences(IMAGE)
    assert gradient.shape == (2, 2, 3)
    assert gradient[0].tolist() == [[4.0, 0.0, -3.0], [0.0, 0.0, 0.0]]  # along Y, last row zero
    assert gradient[1].tolist() == [[3.0, 0.0, 0.0], [-1.0, -3.0, 0.0]]  # along X, last column zero


def test_magnitude_by_hand() -> None:
    expected = torch.tensor([[5.0, 0.0, 3.0], [1.0, 3.0, 0.0]])
    torch.testing.assert_close(magnitude(forward_differences(IMAGE)), expected, atol=2e-6, rtol=0)


def test_magnitude_has_a_finite_derivative_at_zero() -> None:
    flat = torch.zeros(1, 1, 3, 3, requires_grad=True)
    magnitude(forward_differences(flat)).sum().backward()
    assert flat.grad is not None
    assert torch.isfinite(flat.grad).all()


def test_edge_strength_adds_samples_as_squares() -> None:
    colour = torch.stack([IMAGE, 2 * IMAGE])  # (S, Y, X)
    strength = edge_strength(colour)
    assert strength.shape == (2, 3)
    assert float(strength[0, 0]) == pytest.approx(5 * 5**0.5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1)])
def test_one_pixel_axes_have_no_gradient_along_them(shape: tuple[int, int]) -> None:
    image = torch.arange(7.0)[: shape[0] * shape[1]].reshape(shape)
    gradient = forward_differences(image)
    for axis, length in enumerate(shape):
        if length == 1:
            assert not gradient[axis].any()
