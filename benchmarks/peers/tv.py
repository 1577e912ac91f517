"""Total variation by scikit-image (Chambolle's projection), its weight chosen by J-invariance.

A. Chambolle, "An algorithm for total variation minimization and applications", J. Math. Imaging Vis. 20,
2004; calibration by J. Batson and L. Royer, "Noise2Self", ICML 2019.

Checked against: no figure for these images is stated by either; the filter is scikit-image's own.
"""

from __future__ import annotations

import numpy as np
from skimage.restoration import denoise_tv_chambolle, estimate_sigma

from peers import Kind, _calibrated


def denoise(noisy: np.ndarray, axes: str, kind: Kind, seed: int) -> np.ndarray:  # noqa: ARG001
    """Denoise an image or a volume."""
    channel = axes.index("S") if "S" in axes else None
    scaled = noisy.astype(np.float64) / float(kind["peak"])
    sigma = estimate_sigma(scaled, channel_axis=channel, average_sigmas=True)
    grid = {"weight": _calibrated.around(sigma, 0.3, 4, 10)}
    return _calibrated.run(noisy, axes, kind, denoise_tv_chambolle, grid)
