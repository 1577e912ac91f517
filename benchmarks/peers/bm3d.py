"""BM3D: block matching and collaborative filtering.

K. Dabov et al., "Image denoising by sparse 3-D transform-domain collaborative filtering", IEEE Trans.
Image Process. 16, 2007; colour as in their CBM3D. The package ``bm3d`` (version 4) is by the authors, for
non-commercial use. σ is given where the noise is known, otherwise estimated from wavelet coefficients.

Checked against: Set12 image 01 (cameraman), σ = 25: 29.45 dB in K. Zhang et al., "Beyond a Gaussian
denoiser", IEEE Trans. Image Process. 26, 2017, table III.
"""

from __future__ import annotations

import bm3d
import numpy as np
from skimage.restoration import estimate_sigma

from peers import Kind, by_plane


def denoise(noisy: np.ndarray, axes: str, kind: Kind, seed: int) -> np.ndarray:
    """Denoise an image, or a stack plane by plane."""
    peak = float(kind["peak"])

    def plane(image: np.ndarray, flat: str, _seed: int) -> np.ndarray:
        scaled = image.astype(np.float64) / peak
        colour = flat == "YXS"
        sigma = kind.get("sigma")
        known = (
            float(sigma) / peak
            if sigma is not None
            else estimate_sigma(scaled, channel_axis=-1 if colour else None, average_sigmas=True)
        )
        function = bm3d.bm3d_rgb if colour else bm3d.bm3d
        return np.asarray(function(scaled, known)).reshape(image.shape) * peak

    return by_plane(plane, noisy, axes, seed)
