"""BM4D under the generalised Anscombe transform, its gain and offset fitted to the image and not told.

M. Maggioni et al. 2013 and M. Mäkitalo and A. Foi, IEEE Trans. Image Process. 22, 2013; see ``bm4d.py`` and
``_vst.py``. It knows of the noise what ours knows by default, ``bm4d`` what ours is told with a camera gain.

Checked against: as ``bm4d.py``, and the fit as in ``bm3d_vst.py``.
"""

from __future__ import annotations

import bm4d
import numpy as np

from peers import Kind, _vst


def denoise(noisy: np.ndarray, axes: str, kind: Kind, seed: int) -> np.ndarray:  # noqa: ARG001
    """Denoise a stack; axes are ZYX."""
    a, b = _vst.fit(noisy)
    return _vst.stabilised(lambda z, sigma: np.asarray(bm4d.bm4d(z, sigma)), noisy, a, b)
