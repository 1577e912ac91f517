"""What the parts of the method are worth: a preset against the same network with plain masks.

Usage::

    python benchmarks/parts.py --case sample --seeds 3
    python benchmarks/parts.py --case nuclei --data path/to/stacks/nuclei_zyx_u16.tif

Each line names a variant, its PSNR for each seed (data range 1), their mean and spread, and the seconds of
one run. Variants: ``preset`` as it is; ``plain`` with Bernoulli masks, ω = 0 and no T-standout; the preset
with one of these parts taken away. The clean volume serves to measure, never to choose.

Cases, both with Poisson noise ``y = Poisson(λx) / λ``, λ = 30, x in 0 to 1: ``sample`` is the generated stack
that the package brings; ``nuclei`` is planes 22 to 37 of a near-clean stack, scaled so that the darkest
voxel is 0 and the percentile 99.9 is 1, clipped there, noise seed 7.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from napari_blind2grad import Config, denoise
from napari_blind2grad.samples import FULL_SCALE, planaria_like

PHOTONS = 30
VARIANTS: dict[str, dict[str, object]] = {
    "preset": {},
    "plain": {"mask": "bernoulli", "omega": 0.0, "dropout": 0.0},
    "no dual mask": {"mask": "bernoulli"},
    "no gradient term": {"omega": 0.0},
    "no T-standout": {"dropout": 0.0},
}


def load(case: str, data: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the noisy and the clean volume of `case`, ZYX, the clean one in 0 to 1."""
    if case == "sample":
        sample = planaria_like()
        return sample.noisy / FULL_SCALE, sample.clean / FULL_SCALE
    if data is None or not data.is_file():
        sys.exit("The nuclei case needs --data: a stack (Z, Y, X) of at least 38 planes.")
    import tifffile

    clean = tifffile.imread(data)[22:38].astype(float)
    clean = (clean - clean.min()) / (np.percentile(clean, 99.9) - clean.min())
    clean = np.clip(clean, 0, 1)
    noisy = np.random.default_rng(7).poisson(PHOTONS * clean) / PHOTONS
    return noisy, clean


def psnr(image: np.ndarray, clean: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB for a data range of 1."""
    return float(-10 * np.log10(np.mean((image - clean) ** 2)))


def main() -> None:
    """Run the variants and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=("sample", "nuclei"), default="sample")
    parser.add_argument("--data", type=Path, help="the stack of the nuclei case")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--iterations", type=int)
    options = parser.parse_args()
    noisy, clean = load(options.case, options.data)
    print(f"{options.case} {noisy.shape}, noisy {psnr(noisy, clean):.2f} dB")
    changes = {} if options.iterations is None else {"iterations": options.iterations}
    for name in options.variants:
        found, began = [], time.perf_counter()
        for seed in range(options.seeds):
            config = Config.preset(options.preset, **{**changes, **VARIANTS[name], "seed": seed})
            found.append(psnr(denoise(noisy.astype(np.float32), "ZYX", config).image, clean))
        seconds = (time.perf_counter() - began) / options.seeds
        each = " ".join(f"{value:.2f}" for value in found)
        print(
            f"{name:17} {np.mean(found):.2f} ± {np.std(found):.2f} dB ({each}), {seconds:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
