"""The demonstration, from the command to its files."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from napari_blind2grad.config import Config
from napari_blind2grad.io import read_image
from napari_blind2grad.samples import FULL_SCALE, planaria_like

needs_xvfb = pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="no xvfb-run")


def run(*arguments):
    """Run the demonstration in a process without a screen."""
    screens = ("DISPLAY", "WAYLAND_DISPLAY")
    environment = {name: value for name, value in os.environ.items() if name not in screens}
    return subprocess.run(
        [sys.executable, "-m", "napari_blind2grad.gui.demo", *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@needs_xvfb
def test_demo_without_a_screen(tmp_path):
    from skimage.io import imread

    done = run("--output", tmp_path / "new" / "folder", "--iterations", 60)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr  # nor does napari complain of us
    folder = tmp_path / "new" / "folder"
    assert {path.name for path in folder.iterdir()} == {
        "denoised.ome.tif",
        "report.json",
        "screenshot.png",
    }
    sample = planaria_like()
    denoised = read_image(folder / "denoised.ome.tif")
    assert (denoised.axes, denoised.dtype, denoised.shape) == ("ZYX", np.uint16, (24, 256, 256))
    assert denoised.scale == dict(zip("ZYX", sample.scale, strict=True))
    assert set(denoised.units.values()) == {"µm"}

    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["iterations"] == 60
    ran = Config.from_dict(report["config"])
    assert ran.threads >= 1  # the window keeps a core to itself
    assert ran.changes() == {"iterations": 60, "threads": ran.threads}
    assert report["device"]
    assert 0 < report["seconds_to_first_preview"] < report["seconds"]
    error = (denoised.data.astype(float) - sample.clean) / FULL_SCALE
    assert report["after"]["psnr"] == pytest.approx(-10 * np.log10(np.mean(error**2)), abs=1e-3)
    assert report["psnr_gain"] > 3  # even so early
    assert report["after"]["ssim"] > report["before"]["ssim"]

    picture = imread(folder / "screenshot.png")
    assert picture.shape[0] >= 800
    assert picture.shape[1] >= 1300
    assert len(np.unique(picture[..., :3].reshape(-1, 3), axis=0)) > 1000  # not an empty window
    (summary,) = [line for line in done.stdout.splitlines() if line.strip()]
    assert f"({report['psnr_gain']:+.1f})" in summary


@needs_xvfb
def test_failure_is_told_and_counts(tmp_path):
    done = run("--output", tmp_path, "--preset", "nosuch")
    assert done.returncode == 1
    assert "there is no preset 'nosuch'" in done.stderr
    assert not list(tmp_path.iterdir())


def test_without_xvfb_the_message_says_what_to_install(monkeypatch, capsys):
    from napari_blind2grad.gui import demo

    monkeypatch.setattr(demo, "_without_screen", lambda: True)
    monkeypatch.setattr(demo.shutil, "which", lambda _: None)
    assert demo.main([]) == 1
    assert "install Debian's xvfb" in capsys.readouterr().err
