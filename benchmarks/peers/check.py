"""Compare a peer with a figure that its paper, or another paper for it, states.

Usage::

    python benchmarks/peers/check.py bm3d
    python benchmarks/peers/check.py zs_n2n --images 24
    python benchmarks/peers/check.py s2s --option 150000 --images 9

One image by default: the figure of a whole set then tells only whether the peer is far off. Networks take
minutes for each image on a CPU (ZS-N2N on 768 × 512 pixels about twenty on two cores) and Self2Self in full
takes days; give these a GPU.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # not here: bm3d.py would hide bm3d

import cases  # noqa: E402
import metrics  # noqa: E402
import numpy as np  # noqa: E402
import phantom  # noqa: E402

import peers  # noqa: E402

#: Set, σ, figure (None: none stated) and its source.
STATED: dict[str, tuple[str, int, float | None, str]] = {
    "bm3d": ("natural_gray/Set12", 25, 29.45, "Zhang et al. 2017, table III, image 01"),
    "wavelet": ("natural_gray/Set12", 25, None, ""),
    "tv": ("natural_gray/Set12", 25, None, ""),
    "nlm": ("natural_gray/Set12", 25, None, ""),
    "zs_n2n": ("natural_rgb/Kodak24", 25, 29.17, "Blind2Grad table 3, mean of the set"),
    "n2f": ("natural_gray/Set12", 25, None, ""),
    "n2s": ("natural_gray/BSD68", 25, 27.19, "Blind2Grad table 2, mean of the set"),
    "s2s": ("natural_rgb/Set9", 25, 31.74, "Blind2Grad table 2, mean of the set, full length"),
    "n2v": ("natural_gray/BSD68", 25, 27.71, "its paper, mean of the set, trained on many images"),
}


def volumes() -> None:
    """Print BM4D and BM3D plane by plane on a part of the generated volume."""
    clean = phantom.volume(1)[:, :96, :96]
    noisy = cases.gaussian(clean, 25 / 255, 0)
    kind = {"type": "gaussian", "sigma": 25 / 255, "peak": 1.0}
    for name in ("bm3d", "bm4d"):
        found = peers.load(name).denoise(noisy, "ZYX", kind, 0)
        print(
            f"{name}: {metrics.psnr(found, clean, 1):.2f} dB on a phantom of 16 × 96 × 96, σ = 25"
        )


def main() -> None:
    """Print the PSNR of a peer on each image, their mean and the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", choices=[*STATED, "bm4d"])
    parser.add_argument("--images", type=int, default=1)
    parser.add_argument("--option", type=int, help="length of the training")
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default)
    options = parser.parse_args()
    if options.peer == "bm4d":
        volumes()
        return
    folder, sigma, figure, source = STATED[options.peer]
    peer = peers.load(options.peer)
    extra = {peers.PEERS[options.peer].option: options.option} if options.option else {}
    found = []
    for case in list(cases.natural(options.data, folder, (sigma,)))[: options.images]:
        noisy, clean = case.load()
        began = time.perf_counter()
        image = np.clip(peer.denoise(noisy, case.axes, case.kind, 0, **extra), 0, case.peak)
        found.append(metrics.psnr(image, clean, case.peak))
        print(f"{case.name}: {found[-1]:.2f} dB, {time.perf_counter() - began:.0f} s", flush=True)
    if not found:
        sys.exit(f"{options.data / folder} holds no images (--data)")
    stated = f"{figure:.2f} dB ({source})" if figure else "no figure is stated"
    print(f"mean of {len(found)}: {np.mean(found):.2f} dB; stated: {stated}")


if __name__ == "__main__":
    main()
