"""Square blocks of planes, and filters that pass noise and little else."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
_T = TypeVar("_T", bound=np.generic)


def blocks(planes: npt.NDArray[_T], side: int) -> npt.NDArray[_T]:
    """Cut planes (P, Y, X) into blocks (N, side, side), those that are cut off left out.

    Blocks are smaller along an axis that is itself shorter than `side`.
    """
    p, y, x = planes.shape
    a, b = min(side, y), min(side, x)
    rows, columns = y // a, x // b
    cut = planes[:, : rows * a, : columns * b].reshape(p, rows, a, columns, b)
    return cut.swapaxes(2, 3).reshape(-1, a, b)


def differences(planes: Floats, axis: int, order: int) -> Floats:
    """Return differences of even `order` along one axis of planes, which loses `order` pixels."""
    for _ in range(order // 2):
        n = planes.shape[axis]
        left, mid, right = (np.take(planes, range(i, n - 2 + i), axis) for i in (0, 1, 2))
        planes = left - 2 * mid + right
    return planes


def high_pass(planes: Floats) -> Floats:
    """Return second differences along both axes, scaled so that white noise keeps its variance.

    Shape (P, Y − 2, X − 2); an axis of fewer than 3 pixels is left as it is.
    """
    for axis in (1, 2):
        if planes.shape[axis] >= 3:
            planes = differences(planes, axis, 2) / np.float32(np.sqrt(6))
    return planes
