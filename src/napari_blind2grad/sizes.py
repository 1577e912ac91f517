"""When an image is too large to be held in memory as a whole."""

from __future__ import annotations

import math
from typing import Any

#: Images of up to so many values are held, and trained on, as a whole; larger ones go tile by tile. It is a
#: number of the method and not of the computer: the result must not depend on how much memory there is.
WHOLE = 32 * 2**20


def is_held(image: Any) -> bool:
    """Whether the pixels of the array `image` are in memory already."""
    import numpy as np  # a command's help does without

    return isinstance(image, np.ndarray) and not isinstance(image, np.memmap)


def goes_by_tiles(image: Any, shape: tuple[int, ...] | None = None) -> bool:
    """Whether `image`, or a part of it of that `shape`, is neither in memory nor to be loaded as a whole."""
    return not is_held(image) and math.prod(image.shape if shape is None else shape) > WHOLE
