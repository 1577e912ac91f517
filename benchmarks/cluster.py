"""Throughput of a batch of equal files on one worker process and on several, one thread each.

    python benchmarks/cluster.py --files 16 --workers 1 2

Needs dask.distributed, and as many idle cores as workers. Starting the workers and their imports is left
out: they denoise two files each first.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from napari_blind2grad import Config
from napari_blind2grad.batch.jobs import Job
from napari_blind2grad.batch.unit import Unit, denoise_alone
from napari_blind2grad.cluster import open_executor
from napari_blind2grad.io import read_image, write_image


def units(files: list[Path], out: Path, config: Config) -> list[Unit]:
    return [Unit(Job(f, out), out, config, None, {}, "input", "0.5") for f in files]


def work(executor: object, todo: list[Unit]) -> None:
    for number, unit in enumerate(todo):
        executor.submit(number, denoise_alone, unit)
    for outcome in executor.completed():
        if outcome.error or outcome.value:
            raise SystemExit(f"A file failed: {outcome.error or outcome.value}")


def timed(workers: int, files: list[Path], folder: Path, config: Config) -> float:
    """Return the seconds that `workers` take for all `files`, once they are warm."""
    warm, out = folder / f"warm-{workers}", folder / f"out-{workers}"
    with open_executor(f"local:{workers}") as executor:
        work(executor, units(files[: 2 * workers], warm, config))
        began = time.perf_counter()
        work(executor, units(files, out, config))
        return time.perf_counter() - began


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=16)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args(argv)
    config = Config.preset("fast", iterations=args.iterations, threads=1, device="cpu")
    random = np.random.default_rng(0)
    y, x = np.mgrid[: args.size, : args.size]
    clean = 100 + 40 * np.sin(y / 9) * np.cos(x / 13)
    seconds: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [
            write_image(folder / f"{i:03}.tif", random.poisson(clean).astype(np.uint16), axes="YX")
            for i in range(args.files)
        ]
        for workers in args.workers:
            seconds[workers] = timed(workers, files, folder, config)
            rate = args.files / seconds[workers]
            print(
                f"{workers} workers: {seconds[workers]:.1f} s, {rate:.3f} files/s, "
                f"{seconds[args.workers[0]] / seconds[workers]:.2f} × the first",
                flush=True,
            )
        outs = [sorted((folder / f"out-{n}").iterdir()) for n in args.workers]
        same = all(
            np.array_equal(read_image(a).data, read_image(b).data)
            for other in outs[1:]
            for a, b in zip(outs[0], other, strict=True)
        )
    print("results identical" if same else "results DIFFERENT")
    return int(not same)


if __name__ == "__main__":
    sys.exit(main())
