"""Every d-th pixel by itself: what a network sees of an image whose neighbouring pixels share their noise."""

from __future__ import annotations

from torch import Tensor


def cut(image: Tensor, distance: int) -> Tensor:
    """Return the grids of every `distance`-th pixel, those of an image one after another.

    A network that sees one grid at a time is one whose kernels and poolings are all dilated: it never sees
    pixels that are nearer to each other.

    Parameters
    ----------
    image
        Shape (B, C, Y, X), with Y and X multiples of `distance`.
    distance
        In pixels; 1 returns `image` itself.

    Returns
    -------
    Tensor
        Shape (B · distance², C, Y / distance, X / distance).
    """
    if distance == 1:
        return image
    b, c, y, x = image.shape
    grids = image.reshape(b, c, y // distance, distance, x // distance, distance)
    return grids.permute(0, 3, 5, 1, 2, 4).flatten(0, 2)


def join(grids: Tensor, distance: int) -> Tensor:
    """Undo :func:`cut`."""
    if distance == 1:
        return grids
    n, c, y, x = grids.shape
    image = grids.reshape(n // distance**2, distance, distance, c, y, x)
    return image.permute(0, 3, 4, 1, 5, 2).reshape(-1, c, y * distance, x * distance)
