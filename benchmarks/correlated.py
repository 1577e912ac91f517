"""Noise that neighbouring pixels share, and texture that looks like it: what a run makes of them.

Usage::

    python benchmarks/correlated.py --data ../shared/data

White noise is convolved with a kernel along Y and X (``line``: along X alone), brought to the standard
deviation of the case and added to a clean image; where photons are named, it grows with the root of the
brightness. Kernels: ``mild`` (¼, 1), ``line`` and ``half`` (½, ½), ``blur`` (¼, ½, ¼); ``white`` noise is as
it was, on photographs of fine texture. Each line names an image and its noise, and gives the PSNR of the
noisy image, of our preset without and with dilation (as it finds it), and of BM3D (stacks: BM4D), which is
told the standard deviation. Seed 0; data range 255 for images of 8 bit, else 1. All images are of the half
``tune``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cases
import machine
import methods
import numpy as np
from metrics import psnr
from scipy.ndimage import convolve1d

HERE = Path(__file__).resolve().parent
KERNELS = {
    "white": (1.0,),
    "mild": (0.25, 1.0, 0.0),
    "line": (0.5, 0.5),
    "half": (0.5, 0.5),
    "blur": (0.25, 0.5, 0.25),
}
#: Image, kernel, standard deviation on the scale where the data range is 255, whether it grows.
WANTED = (
    ("FMD/BPAE_R/real", "line", 15, False),
    ("FMD/BPAE_R/real", "blur", 15, False),
    ("FMD/fish/real", "half", 20, True),
    ("BSD68/test004/g25", "mild", 15, False),
    ("BSD68/test002/g25", "half", 25, False),
    ("nuclei/planes22/p30", "mild", 15, True),
    ("nuclei/planes22/p30", "half", 15, True),
    ("phantom/one/p30", "blur", 15, False),
    ("BSD68/test008/g25", "white", 5, False),
    ("BSD68/test008/g25", "white", 10, False),
    ("BSD68/test022/g25", "white", 5, False),
    ("BSD68/test036/g25", "white", 5, False),
    ("BSD68/test036/g25", "white", 15, False),
    ("BSD68/test050/g25", "white", 10, False),
)


def shared(clean: np.ndarray, kernel: str, sigma: float, grows: bool) -> np.ndarray:
    """Return `clean` with such noise along its last two axes."""
    noise = np.random.default_rng(5).standard_normal(clean.shape)
    for axis in (-1,) if kernel == "line" else (-2, -1):
        noise = convolve1d(noise, np.array(KERNELS[kernel]), axis=axis, mode="wrap")
    noise *= sigma / noise.std()
    if grows:
        noise *= 1.5 * np.sqrt(0.1 + clean / clean.max())
    return (clean + noise).astype(np.float32)


def main() -> None:
    """Print one line for each image."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--threads", type=int, default=machine.cores())
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    found = {
        case.name: case
        for suite in ("micro", "stacks", "paper")
        for case in cases.catalogue(suite, options.data)
    }
    print(
        f"| image | noise | noisy | {options.preset}, dilation 1 | {options.preset} | BM3D, BM4D |"
    )
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for name, kernel, level, grows in WANTED:
        if name not in found:
            print(f"| {name} | absent: no such file in {options.data} |")
            continue
        case = found[name]
        clean = np.asarray(case.load()[1], np.float32)
        sigma = level * case.peak / 255
        noisy = shared(clean, kernel, sigma, grows)
        kind = {"type": "gaussian", "sigma": float(np.std(noisy - clean)), "peak": case.peak}
        figures = [psnr(noisy, clean, case.peak)]
        peer = "bm4d" if "Z" in case.axes else "bm3d"
        for method in (f"b2g-{options.preset}+dilation=1", f"b2g-{options.preset}", peer):
            denoise = methods.resolve(method, options.device, options.threads)
            figures.append(psnr(denoise(noisy, case.axes, kind, 0), clean, case.peak))
        words = f"{kernel}, σ = {level}" + (", photons" if grows else "")
        print(
            f"| {name.rsplit('/', 1)[0]} | {words} | "
            + " | ".join(f"{f:.2f}" for f in figures)
            + " |",
            flush=True,
        )


if __name__ == "__main__":
    main()
