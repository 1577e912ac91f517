"""Loss (3.9) in both forms and both readings of the gradient, against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch

from napari_blind2grad.engine.losses import blind2grad_loss, weighted_mean


def plane(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows)[None, None]


# One row of three pixels, the middle one blind:
#   f(Ωy) = 1 2 5,  y = 0 5 9,  f(y) = 1 3 8
#   d_c = f(Ωy) − y at the middle = −3
#   f(y) − f(Ωy) = 0 1 3, so d_g = (along X at the middle) 3 − 1 = 2, along Y 0.
MASKED, NOISY, WHOLE = plane([1.0, 2.0, 5.0]), plane([0.0, 5.0, 9.0]), plane([1.0, 3.0, 8.0])
BLIND = plane([0.0, 1.0, 0.0])


@pytest.mark.parametrize(
    ("form", "gradient", "omega", "gamma", "expected"),
    [
        # (d_c + ω d_g)² + γ d_c² = (−3 + 0.5·2)² + 0.5·9 = 4 + 4.5
        ("signed", "magnitude", 0.5, 0.5, 8.5),
        # mean over axes: ((−3 + 0)² + (−3 + 1)²) / 2 + 4.5 = 6.5 + 4.5
        ("signed", "per-axis", 0.5, 0.5, 11.0),
        # (3 + 0.5·2)² + 4.5 = 16 + 4.5
        ("absolute", "magnitude", 0.5, 0.5, 20.5),
        # ((3 + 0)² + (3 + 1)²) / 2 + 4.5 = 12.5 + 4.5
        ("absolute", "per-axis", 0.5, 0.5, 17.0),
        # ω = 0 leaves (1 + γ) d_c² in every reading.
        ("signed", "per-axis", 0.0, 2.0, 27.0),
        ("absolute", "magnitude", 0.0, 2.0, 27.0),
    ],
)
def test_loss_by_hand(
    form: str, gradient: str, omega: float, gamma: float, expected: float
) -> None:
    loss = blind2grad_loss(
        MASKED, NOISY, WHOLE, BLIND, omega=omega, gamma=gamma, gradient=gradient, form=form
    )
    assert float(loss.total) == pytest.approx(expected, rel=1e-5)
    assert float(loss.content) == pytest.approx(9.0)
    assert float(loss.deviation) == pytest.approx(4.0 if gradient == "magnitude" else 2.0, rel=1e-5)


def test_without_a_whole_branch_only_the_uniform_loss_is_left() -> None:
    loss = blind2grad_loss(MASKED, NOISY, None, BLIND, omega=0.8, gamma=0.5)
    assert float(loss.total) == pytest.approx(1.5 * 9.0)
    assert float(loss.deviation) == 0.0


def test_visible_pixels_do_not_count() -> None:
    elsewhere = plane([100.0, 2.0, 5.0])
    one = blind2grad_loss(MASKED, NOISY, None, BLIND, omega=0.8, gamma=0.5)
    other = blind2grad_loss(elsewhere, NOISY, None, BLIND, omega=0.8, gamma=0.5)
    assert float(one.total) == float(other.total)


def test_weights_are_a_weighted_mean_and_no_blind_pixel_gives_zero() -> None:
    values, weight = torch.tensor([1.0, 4.0, 7.0]), torch.tensor([3.0, 1.0, 0.0])
    assert float(weighted_mean(values, weight)) == pytest.approx(7.0 / 4.0)
    assert float(weighted_mean(values, torch.zeros(3))) == 0.0


def test_the_gradient_stops_at_a_detached_whole_branch() -> None:
    masked = MASKED.clone().requires_grad_()
    whole = WHOLE.clone().requires_grad_()
    blind2grad_loss(masked, NOISY, whole.detach(), BLIND, omega=0.8, gamma=0.5).total.backward()
    assert whole.grad is None
    assert masked.grad is not None


def test_the_kink_of_the_absolute_form_has_no_nan() -> None:
    masked = NOISY.clone().requires_grad_()  # d_c = 0 and d_g = 0 everywhere
    for gradient in ("magnitude", "per-axis"):
        loss = blind2grad_loss(
            masked,
            NOISY,
            NOISY,
            BLIND,
            omega=0.8,
            gamma=0.5,
            gradient=gradient,
            form="absolute",
        )
        loss.total.backward()
        assert masked.grad is not None
        assert torch.isfinite(masked.grad).all()
