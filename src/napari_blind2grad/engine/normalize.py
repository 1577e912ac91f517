"""From the image's own units to the network's and back: one robust map for each channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: At most this many values are looked at to find percentiles.
_SAMPLE = 2_000_000
_LOW, _HIGH = 0.1, 99.9


@dataclass(frozen=True)
class IntensityMap:
    """Linear map ``(value − low) / scale``: the robust range becomes 0 to 1.

    Attributes
    ----------
    low
        Image value that maps to 0.
    scale
        Width of the robust range in image units; 0 for a constant image.
    """

    low: float
    scale: float

    def forward(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """Map image `values` to the network's units."""
        mapped = (values.astype(np.float64) - self.low) / self.scale
        return mapped.astype(np.float32)

    def inverse(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Map the network's `values` back to image units."""
        return values.astype(np.float64) * self.scale + self.low


def fit(values: npt.NDArray[np.generic]) -> IntensityMap:
    """Return the map for one channel: the percentiles 0.1 and 99.9 of its finite values.

    A channel that is constant but for rare outliers takes its full range; a constant one has scale 0.

    Parameters
    ----------
    values
        All values of the channel, any shape, real dtype; at least one of them finite.
    """
    flat = values.reshape(-1)
    step = max(1, flat.size // _SAMPLE)
    # An odd step does not fall in with the rows of an even-sized image.
    some = flat[:: step | 1 if step > 1 else 1].astype(np.float64)
    some = some[np.isfinite(some)]
    if some.size:
        low, high = np.percentile(some, (_LOW, _HIGH))
        if high > low:
            return IntensityMap(float(low), float(high - low))
    finite = flat[np.isfinite(flat)]
    low, high = float(finite.min()), float(finite.max())
    return IntensityMap(low, high - low)
