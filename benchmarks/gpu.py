"""What a GPU needs for a training step and for whole stacks, beside the least that it could need.

Usage::

    python benchmarks/gpu.py --nuclei ../shared/data/stacks/nuclei_zyx_u16.tif

The floor of a step is the larger of two times: its operations over the rate of a large matrix product, and
the bytes of its convolutions' inputs, outputs and weights, each moved once, over the rate of a large copy.
Both rates are measured first, in the type that the step computes in. It is an estimate: what a cache holds
moves faster. Stacks are timed from the array to the array, `--repeats` times after one that loads the
libraries; the large volume is made here, and timed once.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import machine
import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import volume
from napari_blind2grad import Config, denoise
from napari_blind2grad.engine import device as devices
from napari_blind2grad.engine.network import multiple
from napari_blind2grad.engine.stack import check, load
from napari_blind2grad.engine.training import Training

LARGE = (95, 1024, 1024)
DEVICE = torch.device("cuda:0")


def say(**what: object) -> None:
    """Print one line of JSON."""
    print(json.dumps(what), flush=True)


def seconds(work: Callable[[], object], times: int) -> float:
    """Return the seconds that `work` takes, the mean of `times`."""
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(times):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / times


def ceilings(dtype: torch.dtype) -> tuple[float, float]:
    """Return operations and bytes per second of a large product and a large copy."""
    a, b = (torch.randn(8192, 8192, device=DEVICE, dtype=dtype) for _ in range(2))
    out = torch.empty_like(a)
    torch.mm(a, b, out=out)
    rate = 2 * 8192**3 / seconds(lambda: torch.mm(a, b, out=out), 10)
    source = torch.empty(2**30, device=DEVICE, dtype=torch.uint8)
    target = torch.empty_like(source)
    target.copy_(source)
    return rate, 2 * source.numel() / seconds(lambda: target.copy_(source), 10)


def training(array: np.ndarray, config: Config) -> Training:
    """Return a training that has seen the first cycle, so that its steps do all that steps do."""
    planes = load(check(array, "ZYX"), [0], config, DEVICE, multiple(config))
    run = Training(planes, config, devices.choose_dtype(config.precision, DEVICE), 0)
    run.step(0.0)
    run.begin_cycle(run.planes.noisy.clone())
    return run


def least(run: Training, dtype: torch.dtype) -> tuple[float, float]:
    """Return operations and bytes of one step."""
    moved = 0

    def count(module: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        nonlocal moved
        weight = module.weight.numel()  # type: ignore[union-attr]
        moved += (inputs[0].numel() + output.numel() + weight) * dtype.itemsize

    hooks = [
        m.register_forward_hook(count) for m in run.network.modules() if isinstance(m, nn.Conv2d)
    ]
    with FlopCounterMode(display=False) as counter:
        run.train(1e-4)
    for hook in hooks:
        hook.remove()
    # Backward reads the output's gradient with the weights, and with the input.
    return float(counter.get_total_flops()), 3.0 * moved


def step(array: np.ndarray, preset: str) -> None:
    """Measure the training step of `preset`."""
    config = Config.preset(preset, device="cuda")
    run = training(array, config)
    dtype = run.dtype
    rate, bandwidth = ceilings(dtype)
    operations, moved = least(run, dtype)
    for _ in range(5):
        run.step(0.5)
    replayed = seconds(lambda: run.step(0.5), 200)
    plain = seconds(lambda: run.train(1e-4), 20)
    say(
        what=f"step of {preset}",
        dtype=str(dtype).removeprefix("torch."),
        patches=f"{run.sampler.batch} x {run.sampler.rows} x {run.sampler.columns}",
        tflops=round(rate / 1e12, 1),
        tbytes_per_second=round(bandwidth / 1e12, 2),
        gflop=round(operations / 1e9, 2),
        mbytes=round(moved / 1e6, 1),
        floor_ms=round(1e3 * max(operations / rate, moved / bandwidth), 4),
        bound="operations" if operations / rate > moved / bandwidth else "bytes",
        replayed_ms=round(1e3 * replayed, 3),
        without_graph_ms=round(1e3 * plain, 2),
    )


def whole(array: np.ndarray, preset: str, repeats: int, clean: np.ndarray | None = None) -> None:
    """Time `array` from end to end."""
    times = []
    for _ in range(repeats):
        torch.cuda.reset_peak_memory_stats()
        began = time.perf_counter()
        result = denoise(array, "ZYX", Config.preset(preset, device="cuda", dtype="float32")).image
        times.append(time.perf_counter() - began)
    found: dict[str, object] = {}
    if clean is not None:
        error = np.mean((np.asarray(result, np.float64) - clean) ** 2)
        noise = np.mean((array.astype(np.float64) - clean) ** 2)
        found["gain_db"] = round(float(10 * np.log10(noise / error)), 2)
    say(
        what=f"{preset}, " + " x ".join(map(str, array.shape)),
        seconds=[round(t, 2) for t in times],
        peak_gpu_mb=round(torch.cuda.max_memory_allocated() / 2**20),
        **found,
    )


def large() -> tuple[np.ndarray, np.ndarray]:
    """Return a noisy volume as a camera gives it, and its mean."""
    clean = volume.clean_planes(0, *LARGE)
    there = torch.from_numpy(clean).to(DEVICE)
    torch.manual_seed(7)
    noisy = torch.poisson(there) + 100 + 3 * torch.randn_like(there)
    return noisy.clamp(0, 65535).round().to(torch.int32).cpu().numpy().astype(
        np.uint16
    ), clean + 100


def main() -> None:
    """Measure all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nuclei", type=Path, help="a stack to time; made here if left out")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("there is no CUDA device here")
    say(**machine.describe("cuda", machine.cores()), commit=machine.commit())
    if options.nuclei:
        import tifffile

        stack = np.asarray(tifffile.imread(options.nuclei))
    else:
        stack = large()[0][:60, :256, :256]
    whole(stack, "fast", 1)  # loads the libraries
    for preset in ("fast", "balanced"):
        whole(stack, preset, options.repeats)
        step(stack, preset)
    noisy, clean = large()
    whole(noisy, "fast", 1, clean)


if __name__ == "__main__":
    main()
