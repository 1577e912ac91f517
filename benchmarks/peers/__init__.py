"""The methods that ours is measured against, one module each, behind one function.

A module has ``denoise(noisy, axes, kind, seed, **options)``: the noisy array, a letter for each dimension,
what may be known of the noise (see :class:`cases.Case`) and a seed; it returns the denoised array in the same
units. No peer is ever given the clean image.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType

import numpy as np

Kind = Mapping[str, object]


@dataclass(frozen=True)
class Peer:
    """What a peer is, without importing it.

    Attributes
    ----------
    title
        For tables.
    random
        Whether seeds change the result; others run for the first seed only.
    suits
        Whether the peer is meant for images of these axes and this kind of noise.
    options
        Name of the one option that a method may carry after a colon: ``s2s:20000``.
    needs
        Packages that it is measured with, for the versions.
    """

    title: str
    random: bool = False
    suits: Callable[[str, Kind], bool] = lambda _axes, _kind: True
    option: str = ""
    needs: tuple[str, ...] = ()


PEERS: dict[str, Peer] = {
    "bm3d": Peer(
        "BM3D",
        suits=lambda _, kind: kind["type"] != "poisson",
        needs=("bm3d", "bm4d", "scikit-image"),
    ),
    "bm3d_vst": Peer(
        "Anscombe + BM3D",
        suits=lambda axes, kind: "S" not in axes and kind["type"] != "gaussian",
        needs=("bm3d", "bm4d"),
    ),
    "bm4d": Peer("BM4D (Anscombe for Poisson)", suits=lambda axes, _: "Z" in axes, needs=("bm4d",)),
    "bm4d_vst": Peer(
        "BM4D, its noise fitted",
        suits=lambda axes, kind: "Z" in axes and kind["type"] == "poisson",
        needs=("bm4d",),
    ),
    "wavelet": Peer("wavelet, J-invariant", needs=("scikit-image",)),
    "tv": Peer("TV, J-invariant", needs=("scikit-image",)),
    "nlm": Peer("non-local means, J-invariant", needs=("scikit-image",)),
    "zs_n2n": Peer("ZS-N2N", random=True, option="epochs", needs=("torch",)),
    "n2f": Peer("Noise2Fast", random=True, option="iterations", needs=("torch",)),
    "n2s": Peer("Noise2Self", random=True, option="iterations", needs=("torch",)),
    "s2s": Peer("Self2Self, cut short", random=True, option="iterations", needs=("torch",)),
    "n2v": Peer("N2V (CAREamics)", random=True, option="epochs", needs=("careamics", "torch")),
}


def load(name: str) -> ModuleType:
    """Return the module of the peer `name`; its packages are imported with it.

    Raises
    ------
    ImportError
        If a package that it needs is not installed.
    """
    return importlib.import_module(f"peers.{name}")


def by_plane(
    function: Callable[[np.ndarray, str, int], np.ndarray], noisy: np.ndarray, axes: str, seed: int
) -> np.ndarray:
    """Apply `function` of a plane, its axes and a seed to each plane of a stack, or to an image as it is."""
    if "Z" not in axes:
        return function(noisy, axes, seed)
    flat = axes.replace("Z", "")
    planes = np.moveaxis(noisy, axes.index("Z"), 0)
    done = np.stack([function(plane, flat, seed + i) for i, plane in enumerate(planes)])
    return np.moveaxis(done, 0, axes.index("Z"))
