"""What a training step costs on a CPU, with freed memory kept from step to step and without.

Usage::

    python benchmarks/steps.py --image ../shared/data/microscopy_pairs/FMD/noisy/fish.tif

Prints a line of JSON for each preset: milliseconds a step, the median of `--rounds` rounds of `--steps`, and
page faults a step.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import statistics
import time
from pathlib import Path

import machine
import numpy as np
import tifffile
import torch

from napari_blind2grad import Config
from napari_blind2grad.engine import device as devices
from napari_blind2grad.engine.allocator import kept
from napari_blind2grad.engine.network import multiple
from napari_blind2grad.engine.stack import check, load
from napari_blind2grad.engine.training import Training


def training(image: np.ndarray, preset: str) -> Training:
    """Return a training that is past its first cycle, so that its steps do all that steps do."""
    device = torch.device("cpu")
    config = Config.preset(preset, device="cpu")
    planes = load(check(image, "ZYX"[-image.ndim :]), [0], config, device, multiple(config))
    run = Training(planes, config, devices.choose_dtype(config.precision, device), 0)
    run.begin_cycle(run.planes.noisy.clone())
    for _ in range(5):
        run.step(0.5)
    return run


def measure(run: Training, steps: int, rounds: int) -> tuple[float, float]:
    """Return milliseconds and page faults of a step."""
    times, before = [], resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(steps):
            run.step(0.5)
        times.append((time.perf_counter() - began) / steps)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    return round(1e3 * statistics.median(times), 1), round(faults / steps / rounds)


def main() -> None:
    """Measure the presets."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--image", type=Path, required=True, help="a plane or a stack")
    parser.add_argument("--presets", nargs="+", default=["fast", "balanced"])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(json.dumps({**machine.describe("cpu", machine.cores()), "commit": machine.commit()}))
    image = np.asarray(tifffile.imread(options.image))
    # The allocator stays as it was told to be: first as it is by itself.
    for name, memory in (("given back", contextlib.nullcontext()), ("kept", kept())):
        with memory:
            for preset in options.presets:
                run = training(image, preset)
                took, faults = measure(run, options.steps, options.rounds)
                found = {"preset": preset, "freed": name, "ms": took, "faults": faults}
                print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
