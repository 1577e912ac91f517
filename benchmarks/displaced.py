"""How far the single frames of FMD lie from their references, and what that does to the PSNR.

Usage::

    python benchmarks/displaced.py --data ../shared/data

A reference is the mean of 50 frames. Each line names an image and a method, and gives

- the PSNR as the benchmark measures it;
- how far, down and to the right in pixels, the result must be moved to fit its reference best, and its PSNR
  there, with the best gain and offset too;
- both again after the result was blurred (Gaussian, σ = 0.6 pixels), which no one would want.

What moving, gain and offset change, no method can know from the frame. Data range 255, seed 0. The clean
images serve to measure, never to choose.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cases
import machine
import methods
import numpy as np
from metrics import fitted, psnr
from scipy.ndimage import fourier_shift, gaussian_filter
from scipy.optimize import minimize

HERE = Path(__file__).resolve().parent
METHODS = ("bm3d_vst", "b2g-fast", "b2g-balanced")
BLUR = 0.6
#: Pixels that are mirrored at the border before an image is moved.
_MIRRORED = 16


def moved(image: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Return `image` moved down and to the right by parts of pixels."""
    padded = np.pad(image, _MIRRORED, mode="symmetric")
    inside = slice(_MIRRORED, -_MIRRORED)
    return np.fft.ifft2(fourier_shift(np.fft.fft2(padded), by)).real[inside, inside]


def registered(image: np.ndarray, clean: np.ndarray) -> tuple[np.ndarray, float]:
    """Return by how much `image` must be moved to fit `clean` best, and its PSNR there."""

    def at(by: np.ndarray) -> float:
        return psnr(fitted(moved(image, by), clean), clean, 255.0)

    start = [[0.0, 0.0], [0.5, 0.0], [0.0, 0.5]]
    best = minimize(
        lambda by: -at(by),
        start[0],
        method="Nelder-Mead",
        options={"xatol": 5e-3, "fatol": 1e-4, "initial_simplex": start},
    )
    return best.x, float(-best.fun)


def main() -> None:
    """Print one line for each image and method."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--threads", type=int, default=machine.cores())
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    found = [case for case in cases.micro(options.data) if case.name.startswith("FMD/")]
    if not found:
        sys.exit(f"No image of FMD in {options.data}: name its folder with --data.")
    print("| image | method | PSNR | moved by | PSNR there | blurred | blurred, there |")
    print("| --- | --- | ---: | --- | ---: | ---: | ---: |")
    for method in options.methods:
        denoise = methods.resolve(method, options.device, options.threads)
        for case in found:
            noisy, clean = case.load()
            image = np.asarray(denoise(noisy, case.axes, dict(case.kind), 0), np.float64).clip(
                0, 255
            )
            clean = clean.astype(np.float64)
            by, there = registered(image, clean)
            soft = gaussian_filter(image, BLUR)
            figures = there, psnr(soft, clean, 255.0), registered(soft, clean)[1]
            print(
                f"| {case.name} | {methods.title(method)} | {psnr(image, clean, 255.0):.2f} "
                f"| {by[0]:.2f}, {by[1]:.2f} | " + " | ".join(f"{f:.2f}" for f in figures) + " |",
                flush=True,
            )


if __name__ == "__main__":
    main()
