"""The loss (3.9): gradient-regularised and uniform terms over blind pixels."""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor

from .gradient import forward_differences, magnitude


class Loss(NamedTuple):
    """The loss and its two terms, scalars on the device.

    Attributes
    ----------
    total
        Eq. (3.9), to be minimised.
    content
        ``‖d_c‖²``: mean squared difference to the noisy image over blind pixels (eq. 1.1).
    deviation
        ``‖d_g‖²``: mean squared gradient deviation there (eq. 3.4).
    """

    total: Tensor
    content: Tensor
    deviation: Tensor


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Return the mean of `values` weighted by `weight`; 0 where all weights are 0."""
    return (values * weight).sum() / weight.sum().clamp_min(1e-12)


def blind2grad_loss(
    masked: Tensor,
    noisy: Tensor,
    whole: Tensor | None,
    weight: Tensor,
    *,
    omega: float,
    gamma: float,
    gradient: Literal["magnitude", "per-axis"] | str = "per-axis",
    form: Literal["signed", "absolute"] | str = "signed",
) -> Loss:
    """Return ``‖d_c + ω d_g‖² + γ ‖d_c‖²`` over blind pixels (eq. 3.9).

    Parameters
    ----------
    masked
        ``f(Ωy)``, shape (B, S, Y, X).
    noisy
        ``y``, same shape.
    whole
        ``f(y)`` for the gradient deviation ``d_g = ∇f(y) − ∇f(Ωy)``, same shape; None leaves the term
        out. Detach it to stop the gradient through it.
    weight
        ``1 − Ω``, the norm's weights, same shape: 0 on visible pixels. May hold inverse probabilities.
    omega, gamma
        ω, weight of the gradient deviation; γ, weight of the uniform term.
    gradient
        How the vector ``d_g`` joins the scalar ``d_c``: by its length, or one term for each axis (their
        mean).
    form
        ``"signed"``: eq. (3.7) as it stands; ``"absolute"``: ``|d_c| + ω|d_g|``, eqs. (3.5), (3.6).
    """
    d_c = masked - noisy  # (B, S, Y, X)
    content = weighted_mean(d_c.square(), weight)
    if whole is None:
        return Loss((1.0 + gamma) * content, content, content.detach().new_zeros(()))
    d_g = forward_differences(whole - masked)  # (B, S, 2, Y, X)
    if gradient == "magnitude":
        d_g = magnitude(d_g).unsqueeze(2)  # (B, S, 1, Y, X)
    c, w = d_c.unsqueeze(2), weight.unsqueeze(2).expand_as(d_g)
    joined = c.abs() + omega * d_g.abs() if form == "absolute" else c + omega * d_g
    total = weighted_mean(joined.square(), w) + gamma * content
    return Loss(total, content, weighted_mean(d_g.detach().square(), w))
