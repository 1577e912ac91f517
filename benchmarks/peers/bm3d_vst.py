"""BM3D under the generalised Anscombe transform, its gain and offset fitted to the image.

K. Dabov et al. 2007 and M. Mäkitalo and A. Foi, IEEE Trans. Image Process. 22, 2013; see ``_vst.py``.

Checked against: the fit itself, on noise of known gain and offset with and without clipping at 0, which the
tests do. No figure is stated for single images that these data hold.
"""

from __future__ import annotations

import bm3d
import numpy as np

from peers import Kind, _vst, by_plane


def denoise(noisy: np.ndarray, axes: str, kind: Kind, seed: int) -> np.ndarray:  # noqa: ARG001
    """Denoise an image, or a stack plane by plane with one fit."""
    a, b = _vst.fit(noisy)

    def plane(image: np.ndarray, _flat: str, _seed: int) -> np.ndarray:
        return _vst.stabilised(
            lambda z, sigma: np.asarray(bm3d.bm3d(z, sigma)).reshape(z.shape), image, a, b
        )

    return by_plane(plane, noisy, axes, seed)
