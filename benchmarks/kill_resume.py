"""Kill a run with SIGKILL at random moments, go on with it, and compare the result with that of one go.

    python benchmarks/kill_resume.py --times 20

Each time the process dies at a moment drawn uniformly from the length of a whole run, Python's start
included, and again while it goes on. The checkpoint is written as often as it can be.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from napari_blind2grad.io import read_image, write_image

OPTIONS = ["--iterations=400", "--cycles=3", "--width=8", "--depth=2", "--patch=64", "--passes=8"]
OPTIONS += ["--threads=1", "--device=cpu", "--quiet"]
#: No more than this many deaths, of which each may come before the first checkpoint.
LIVES = 3


def command(source: Path, out: Path, *more: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "napari_blind2grad",
        "denoise",
        str(source),
        "-o",
        str(out),
        *OPTIONS,
        *more,
    ]


def killed(argv: list[str], seconds: float) -> bool:
    """Run `argv` and kill it after so many seconds; return whether it came to that."""
    process = subprocess.Popen(argv)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    if process.returncode:
        raise SystemExit(f"The run failed with the exit code {process.returncode}.")
    return False


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    random = np.random.default_rng(args.seed)
    z, y, x = np.mgrid[:6, :96, :100]
    clean = 100 + 40 * np.sin(y / 5 + z) * np.cos(x / 7)
    failures = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = write_image(
            folder / "in.ome.tif", random.poisson(clean).astype(np.uint16), axes="ZYX"
        )
        began = time.perf_counter()
        subprocess.run(command(source, folder / "whole.ome.tif"), check=True)
        length = time.perf_counter() - began
        whole = read_image(folder / "whole.ome.tif").data
        print(f"one go: {length:.1f} s")
        out = folder / "out.ome.tif"
        for number in range(args.times):
            moments = []
            for _ in range(LIVES):
                moment = float(random.uniform(0, length))
                if not killed(command(source, out, "--resume", "--checkpoint-every=0"), moment):
                    break
                moments.append(moment)
            else:
                subprocess.run(command(source, out, "--resume", "--checkpoint-every=0"), check=True)
            same = np.array_equal(read_image(out).data, whole)
            left = sorted(p.name for p in folder.iterdir() if p.suffix == ".checkpoint")
            failures += not same or bool(left)
            died = ", ".join(f"{moment:.2f}" for moment in moments) or "never"
            print(
                f"{number + 1:3}: killed after {died} s: {'identical' if same else 'DIFFERENT'}",
                flush=True,
            )
            out.unlink()
    print(f"{args.times - failures} of {args.times} identical")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
