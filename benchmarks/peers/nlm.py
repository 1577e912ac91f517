"""Non-local means by scikit-image, filter strength chosen by J-invariance; stacks plane by plane.

A. Buades, B. Coll, J.-M. Morel, "A non-local algorithm for image denoising", CVPR 2005; calibration by
J. Batson and L. Royer, "Noise2Self", ICML 2019.

Checked against: no figure for these images is stated by either; the filter is scikit-image's own.
"""

from __future__ import annotations

import numpy as np
from skimage.restoration import denoise_nl_means, estimate_sigma

from peers import Kind, _calibrated, by_plane


def denoise(noisy: np.ndarray, axes: str, kind: Kind, seed: int) -> np.ndarray:
    """Denoise an image, or a stack plane by plane."""

    def plane(image: np.ndarray, flat: str, _seed: int) -> np.ndarray:
        channel = flat.index("S") if "S" in flat else None
        scaled = image.astype(np.float64) / float(kind["peak"])
        sigma = estimate_sigma(scaled, channel_axis=channel, average_sigmas=True)
        grid = {
            "h": _calibrated.around(sigma, 0.4, 1.6, 6),
            "sigma": [sigma],
            "fast_mode": [True],
            "patch_size": [5],
            "patch_distance": [6],
        }
        return _calibrated.run(image, flat, kind, denoise_nl_means, grid)

    return by_plane(plane, noisy, axes, seed)
