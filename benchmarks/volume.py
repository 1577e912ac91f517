"""Volumes of any size: memory, validity, seams and cost, on data that this script makes.

python benchmarks/volume.py whole FOLDER --shape 64,1024,1024   # end to end, by the command line
python benchmarks/volume.py seams                               # steps across tile borders and inside
python benchmarks/volume.py table FOLDER --voxels 4,16,64       # seconds by millions of voxels
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

CLEAN = 60.0


def clean_planes(first: int, count: int, height: int, width: int) -> np.ndarray:
    """Return smooth blobs and fine stripes, float32, shape (Z, Y, X); the same wherever they are cut."""
    z = np.arange(first, first + count, dtype=np.float32)[:, None, None]
    y = np.arange(height, dtype=np.float32)[None, :, None]
    x = np.arange(width, dtype=np.float32)[None, None, :]
    blobs = np.sin(z / 5) + np.sin(y / 19 + z / 9) + np.sin(x / 23 - y / 41)
    cells = np.maximum(blobs - 0.6, 0) * 90
    stripes = 12 * (np.sin(x / 2.7 + y / 3.9) > 0.4)
    return (CLEAN + cells + stripes).astype(np.float32)


def make(path: Path, shape: tuple[int, int, int]) -> None:
    """Write a noisy uint16 volume as OME-Zarr, plane by plane."""
    from napari_blind2grad.axes import Axes
    from napari_blind2grad.io.ngff_stream import stream_ngff

    with stream_ngff(path, Axes("ZYX", shape), np.dtype("uint16"), "0.5") as (writer, form):
        for z in range(shape[0]):
            rng = np.random.default_rng([7, z])
            noisy = rng.poisson(clean_planes(z, 1, *shape[1:])) + rng.normal(
                100, 3, (1, *shape[1:])
            )
            region = (slice(z, z + 1), slice(None), slice(None))
            writer.write(region, np.clip(noisy, 0, 65535).astype("uint16"))
        writer.finish(
            path.name,
            scale=dict(Z=2.0, Y=0.25, X=0.25),
            units=dict(Z="µm", Y="µm", X="µm"),
            form=form,
        )


def watched(command: list[str]) -> tuple[float, float, float, int]:
    """Run `command`; return its seconds, those on the processor, its peak in MiB and its exit code."""
    began = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    busy = usage.ru_utime + usage.ru_stime
    return seconds, busy, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)


def whole(folder: Path, shape: tuple[int, int, int], options: list[str]) -> dict[str, object]:
    folder.mkdir(parents=True, exist_ok=True)
    noisy, denoised = folder / "noisy.ome.zarr", folder / "denoised.ome.zarr"
    if not noisy.exists():
        subprocess.run(
            [sys.executable, __file__, "make", str(noisy), "--shape", ",".join(map(str, shape))],
            check=True,
        )
    _, _, idle, _ = watched([sys.executable, "-c", "pass"])
    command = [sys.executable, "-m", "napari_blind2grad", "denoise", str(noisy)]
    seconds, busy, peak, code = watched([*command, "-o", str(denoised), "--quiet", *options])
    report = dict(
        shape=shape,
        exit_code=code,
        seconds=round(seconds, 1),
        processor_seconds=round(busy, 1),
        idle_mib=round(idle, 1),
        peak_above_idle_mib=round(peak - idle, 1),
    )
    return report | (judged(noisy, denoised) if code == 0 else {})


def judged(noisy: Path, denoised: Path) -> dict[str, object]:
    """Return whether the result is valid and how near to the clean volume, plane by plane."""
    import zarr
    from ome_zarr_models.v05 import Image

    group = zarr.open_group(denoised, mode="r")
    model = Image.from_zarr(group)
    data = model.attributes.ome.multiscales[0].datasets[0]
    result, given = group[data.path], zarr.open_group(noisy, mode="r")["0"]
    before = after = 0.0
    for z in range(result.shape[0]):
        clean = clean_planes(z, 1, *result.shape[1:])[0] + 100
        before += float(np.square(given[z] - clean).mean())
        after += float(np.square(result[z] - clean).mean())
    transforms = data.coordinateTransformations
    return dict(
        valid="ome-zarr-models 0.5",
        scale=list(transforms[0].scale),
        levels=len(model.attributes.ome.multiscales[0].datasets),
        error_before=round(before / result.shape[0], 2),
        error_after=round(after / result.shape[0], 2),
    )


def seams() -> dict[str, object]:
    """Denoise one stack whole and in tiles; compare both, and the steps at borders with those inside."""
    from napari_blind2grad import Config
    from napari_blind2grad.volume import Into, Planned, apply_volume_iter, denoise_volume_iter

    shape = (8, 512, 512)
    noisy = np.random.default_rng(1).poisson(clean_planes(0, *shape)).astype(np.float32)
    config = Config(iterations=60, threads=1, device="cpu", precision="float32", dtype="float32")
    outputs = {}
    state = None
    side = (4, 96, 96)
    for tile in (side, shape):
        out = np.empty(shape, np.float32)
        sink = Into(out, "ZYX")
        events = (
            denoise_volume_iter(noisy, sink, "ZYX", config, tile=tile)
            if state is None
            else apply_volume_iter(state, noisy, sink, "ZYX", config, tile=tile)
        )
        for event in events:
            if isinstance(event, Planned):
                state = event.state
        outputs[tile] = out
    tiled, untiled = outputs[side], outputs[shape]
    report: dict[str, object] = dict(
        shape=shape,
        tile=side,
        max_difference_of_range=float(np.abs(tiled - untiled).max() / np.ptp(noisy)),
    )
    for axis, name in enumerate("ZYX"):
        step = np.abs(np.diff(tiled, axis=axis)).mean(tuple({0, 1, 2} - {axis}))
        same = np.abs(np.diff(untiled, axis=axis)).mean(tuple({0, 1, 2} - {axis}))
        border = np.arange(1, shape[axis]) % side[axis] == 0
        report[f"step_{name}"] = dict(
            across=float(step[border].mean()),
            inside=float(step[~border].mean()),
            across_untiled=float(same[border].mean()),
        )
    return report


def table(folder: Path, millions: list[int], options: list[str]) -> list[dict[str, object]]:
    rows = []
    for number in millions:
        shape = (4 * number, 512, 512)
        row = whole(folder / f"{number}M", shape, ["--out-of-core", *options])
        rows.append({"voxels": math.prod(shape), **row})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def numbers(text: str) -> list[int]:
    return [int(n) for n in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("whole", "seams", "table", "make"))
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--shape", type=numbers, default=[64, 1024, 1024])
    parser.add_argument("--voxels", type=numbers, default=[4, 16])
    args, options = parser.parse_known_args()  # the rest goes to blind2grad denoise
    if args.what == "make":
        make(args.folder, tuple(args.shape))
    elif args.what == "seams":
        print(json.dumps(seams(), indent=1))
    elif args.what == "whole":
        print(json.dumps(whole(args.folder, tuple(args.shape), options), indent=1))
    else:
        table(args.folder, args.voxels, options)


if __name__ == "__main__":
    main()
