"""BM4D: BM3D for volumes, under the Anscombe transform with the true λ where the noise is Poisson's.

M. Maggioni et al., "Nonlocal transform-domain filter for volumetric data denoising and reconstruction", IEEE
Trans. Image Process. 22, 2013. The package ``bm4d`` is by the authors' group, for non-commercial use.

Checked against: its paper's figures are for MRI phantoms that these data do not hold. ``check.py`` compares
it with BM3D plane by plane on the generated volume, which it must beat.
"""

from __future__ import annotations

import bm4d
import numpy as np

from peers import Kind, _vst


def denoise(noisy: np.ndarray, axes: str, kind: Kind, seed: int) -> np.ndarray:  # noqa: ARG001
    """Denoise a stack; axes are ZYX."""
    if kind["type"] == "gaussian":
        a, b = 0.0, float(kind["sigma"]) ** 2
    elif kind["type"] == "poisson":
        a, b = 1 / float(kind["lam"]), 0.0
    else:
        a, b = _vst.fit(noisy)
    return _vst.stabilised(lambda z, sigma: np.asarray(bm4d.bm4d(z, sigma)), noisy, a, b)
