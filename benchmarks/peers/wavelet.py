"""Wavelet thresholding (BayesShrink) by scikit-image, σ chosen by J-invariance.

S. G. Chang, B. Yu, M. Vetterli, "Adaptive wavelet thresholding for image denoising and compression", IEEE
Trans. Image Process. 9, 2000; calibration by J. Batson and L. Royer, "Noise2Self", ICML 2019.

Checked against: no figure for these images is stated by either; the filter is scikit-image's own.
"""

from __future__ import annotations

import numpy as np
from skimage.restoration import denoise_wavelet, estimate_sigma

from peers import Kind, _calibrated


def denoise(noisy: np.ndarray, axes: str, kind: Kind, seed: int) -> np.ndarray:  # noqa: ARG001
    """Denoise an image or a volume."""
    channel = axes.index("S") if "S" in axes else None
    scaled = noisy.astype(np.float64) / float(kind["peak"])
    sigma = estimate_sigma(scaled, channel_axis=channel, average_sigmas=True)
    grid = {
        "sigma": _calibrated.around(sigma, 0.7, 1.43, 7),
        "wavelet": ["db2", "sym4"],
        "convert2ycbcr": [channel is not None],
        "rescale_sigma": [True],
    }
    return _calibrated.run(noisy, axes, kind, denoise_wavelet, grid)
