"""The gradient ∇: forward differences along the spatial axes (eq. 3.4)."""

from __future__ import annotations

from torch import Tensor


def forward_differences(image: Tensor) -> Tensor:
    """Return the forward differences along Y and X.

    Parameters
    ----------
    image
        Shape (..., Y, X).

    Returns
    -------
    Tensor
        Shape (..., 2, Y, X): ``image[y+1, x] − image[y, x]``, then the same along X; zero in the last
        row and column, where there is no next pixel.
    """
    gradient = image.new_zeros((*image.shape[:-2], 2, *image.shape[-2:]))  # (..., 2, Y, X)
    gradient[..., 0, :-1, :] = image[..., 1:, :] - image[..., :-1, :]
    gradient[..., 1, :, :-1] = image[..., :, 1:] - image[..., :, :-1]
    return gradient


def magnitude(gradient: Tensor, dim: int = -3) -> Tensor:
    """Return the length of `gradient` along its axis `dim`; differentiable at zero.

    The derivative of the square root is infinite at 0; a floor far below any real difference keeps it
    finite there.
    """
    return gradient.square().sum(dim).add(1e-12).sqrt()


def edge_strength(image: Tensor) -> Tensor:
    """Return ``|∇image|`` over space and samples.

    Parameters
    ----------
    image
        Shape (..., S, Y, X).

    Returns
    -------
    Tensor
        Shape (..., Y, X), not negative.
    """
    return forward_differences(image).square().sum((-3, -4)).sqrt()  # (..., Y, X)
