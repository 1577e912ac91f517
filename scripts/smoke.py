"""Try an installed package without the window: files from the command line, arrays from Python."""

from __future__ import annotations

import importlib.resources
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import napari_blind2grad
from napari_blind2grad import Config, denoise
from napari_blind2grad.io import read_image, write_image
from napari_blind2grad.samples import planaria_like


def main() -> None:
    """Denoise a small sample both ways and check that something came of it."""
    for name in ("napari.yaml", "py.typed"):
        if not (importlib.resources.files("napari_blind2grad") / name).is_file():
            raise SystemExit(f"{name} is not in the package")
    sample = planaria_like((3, 64, 64))
    result = denoise(sample.noisy, "ZYX", Config.preset(iterations=5, cycles=1))
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.ome.tif", Path(folder) / "out.ome.tif"
        write_image(source, sample.noisy, axes="ZYX")
        program = Path(sys.executable).with_name("blind2grad")
        options = ["--iterations", "5", "--cycles", "1", "--quiet"]
        subprocess.run([program, "denoise", source, "-o", target, *options], check=True)
        subprocess.run([program, "info"], check=True)
        np.testing.assert_array_equal(read_image(target).data, result.image)
    print(
        f"napari-blind2grad {napari_blind2grad.__version__} works from {napari_blind2grad.__file__}"
    )


if __name__ == "__main__":
    main()
