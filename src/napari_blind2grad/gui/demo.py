"""The demonstration behind ``make demo``: the sample is denoised in a real napari window by itself.

With a screen the window stays open. Without one the same window runs in an X server in memory (Xvfb) and
closes at the end.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from napari import Viewer
from qtpy.QtCore import QEventLoop, Qt, QTimer
from qtpy.QtWidgets import QAbstractButton, QCheckBox, QComboBox, QSpinBox, QWidget
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from superqt.utils import WorkerBase

from ..events import Array, Result, Started
from ..io import write_image
from ..samples import FULL_SCALE, PHOTONS, Sample, planaria_like
from . import preload

_Q = TypeVar("_Q", bound=QWidget)

PLUGIN = "napari-blind2grad"
SIZE = (1400, 900)
#: Seconds after which a run without a screen counts as hung.
PATIENCE = 600


class DemoError(Exception):
    """The demonstration could not be carried through."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m napari_blind2grad.gui.demo", description=__doc__
    )
    parser.add_argument(
        "--output", type=Path, default=Path("demo-output"), help="folder for the results"
    )
    parser.add_argument("--preset", default="fast", help="preset to run (default: fast)")
    parser.add_argument("--iterations", type=int, help="training steps, instead of the preset's")
    parser.add_argument("--exit", action="store_true", help="close the window at the end")
    options = parser.parse_args(arguments)
    if _without_screen():
        return _under_xvfb(sys.argv[1:] if arguments is None else arguments)
    try:
        _run(options)
    except DemoError as error:
        print(f"The demonstration failed: {error}", file=sys.stderr)
        return 1
    return 0


def _without_screen() -> bool:
    return sys.platform == "linux" and not any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )


def _under_xvfb(arguments: Sequence[str]) -> int:
    """Run the same under Xvfb and return its exit code."""
    runner = shutil.which("xvfb-run")
    if runner is None:
        print("There is no screen, and no xvfb-run: install Debian's xvfb.", file=sys.stderr)
        return 1
    screen = f"-screen 0 {SIZE[0]}x{SIZE[1]}x24"
    command = [runner, "--auto-servernum", "--server-args", screen]
    command += [sys.executable, "-m", "napari_blind2grad.gui.demo", *arguments, "--exit"]
    # Qt's offscreen platform, which some machines without a screen set, has no OpenGL.
    environment = {**os.environ, "QT_QPA_PLATFORM": "xcb"}
    return subprocess.run(command, env=environment, check=False).returncode


@dataclass
class _Watch:
    """What the window told, with seconds since Run was clicked."""

    clicked: float = math.nan
    first_preview: float = math.nan
    seconds: float = math.nan
    precision: str = ""
    result: Result | None = None
    error: str = "the window was closed before the run ended"

    def on_clicked(self) -> None:
        self.clicked = time.perf_counter()

    def on_started(self, event: Started) -> None:
        self.precision = event.precision

    def on_previewed(self, _preview: object) -> None:
        if math.isnan(self.first_preview):
            self.first_preview = time.perf_counter() - self.clicked

    def on_finished(self, result: Result) -> None:
        self.result = result
        self.seconds = time.perf_counter() - self.clicked

    def on_failed(self, message: str) -> None:
        self.error = message

    def on_late(self) -> None:
        self.error = f"no result after {PATIENCE} seconds"


def _run(options: argparse.Namespace) -> None:
    """Open the window, denoise in it, save what came of it, and print the summary."""
    import napari
    from napari.utils.notifications import notification_manager

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Qt's event loop would not let Ctrl-C through
    options.output.mkdir(parents=True, exist_ok=True)
    viewer = napari.Viewer(title="Blind2Grad")
    viewer.window.resize(*SIZE)
    try:
        clean, noisy = viewer.open_sample(PLUGIN, "planaria_like")
        viewer.layers.selection.active = noisy
        _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Denoise")
        # If someone is there to see it, errors anywhere in napari are shown as always; else they end all.
        with nullcontext() if options.exit else notification_manager:
            watch = _denoise(widget, options)
        if watch.result is None:
            raise DemoError(watch.error)
        report = _report(watch, planaria_like())
        _save(options.output, watch.result, report)
        clean.visible = True  # the last cell of the grid: what it should look like
        _photograph(viewer, options.output / "screenshot.png")
        print(_summary(report, options.output), flush=True)
        if not options.exit:
            napari.run()
    finally:
        _close(viewer)


def _photograph(viewer: Viewer, path: Path) -> None:
    """Save a picture of the whole window, with the layers' names in the grid."""
    names = [layer.name_overlay for layer in viewer.layers if hasattr(layer, "name_overlay")]
    for name in names:  # napari 0.7 and later
        name.font_size = 6
        name.visible = True
    _settle(1000)
    viewer.window.screenshot(str(path), flash=False, canvas_only=False)


def _close(viewer: Viewer) -> None:
    """Close the window, if the user has not, and wait for its worker."""
    with suppress(RuntimeError):  # Qt's word for: it is gone already
        viewer.close()
    WorkerBase.await_workers(10_000)


def _denoise(widget: Any, options: argparse.Namespace) -> _Watch:
    """Click Run in the dock `widget` and wait for the end of the run, or of the window."""
    watch = _Watch()
    loop = QEventLoop()
    run = _child(widget, QAbstractButton, "run")
    preset = _child(widget, QComboBox, "preset")
    index = preset.findText(options.preset, Qt.MatchFlag.MatchFixedString)
    if index < 0:
        raise DemoError(f"there is no preset {options.preset!r}")
    preset.setCurrentIndex(index)
    _child(widget, QCheckBox, "side_by_side").setChecked(True)
    if options.iterations is not None:
        _child(widget, QSpinBox, "iterations").setValue(options.iterations)
    run.clicked.connect(watch.on_clicked)
    widget.started.connect(watch.on_started)
    widget.previewed.connect(watch.on_previewed)
    widget.finished.connect(watch.on_finished)
    widget.finished.connect(loop.quit)
    widget.failed.connect(watch.on_failed)
    widget.failed.connect(loop.quit)
    widget.destroyed.connect(loop.quit)
    if options.exit:
        timer = QTimer(loop)
        timer.timeout.connect(watch.on_late)
        timer.timeout.connect(loop.quit)
        timer.start(1000 * PATIENCE)
    # A person looks at the window before the first click; PyTorch loads meanwhile.
    loading = preload.start()
    while loading.is_alive():
        _settle(50)
    _settle(500)
    QTimer.singleShot(0, run.click)
    loop.exec()
    return watch


def _child(widget: QWidget, kind: type[_Q], name: str) -> _Q:
    child = widget.findChild(kind, name)
    if child is None:
        raise DemoError(f"the window has no {name!r}")
    return child


def _settle(milliseconds: int) -> None:
    """Let Qt draw what is still to be drawn."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def quality(image: Array, clean: Array, data_range: float) -> dict[str, float]:
    """Return PSNR (dB) and SSIM of `image` against `clean`, over the whole volume."""
    pair = (clean.astype(np.float64), image.astype(np.float64))
    return {
        "psnr": round(float(peak_signal_noise_ratio(*pair, data_range=data_range)), 3),
        "ssim": round(float(structural_similarity(*pair, data_range=data_range)), 4),
    }


def _report(watch: _Watch, sample: Sample) -> dict[str, Any]:
    result = watch.result
    assert result is not None
    before = quality(sample.noisy, sample.clean, FULL_SCALE)
    after = quality(result.image, sample.clean, FULL_SCALE)
    return {
        "sample": sample.name,
        "shape": list(sample.noisy.shape),
        "noise": f"Poisson, {PHOTONS:g} photons at brightness {FULL_SCALE}",
        "data_range": FULL_SCALE,
        "before": before,
        "after": after,
        "psnr_gain": round(after["psnr"] - before["psnr"], 3),
        "seconds": round(watch.seconds, 2),
        "seconds_to_first_preview": round(watch.first_preview, 2),
        "iterations": result.iterations,
        "device": result.device,
        "precision": watch.precision,
        "seed": result.seed,
        "version": result.version,
        "config": result.config.to_dict(),
    }


def _save(folder: Path, result: Result, report: dict[str, Any]) -> None:
    sample = planaria_like()
    write_image(
        folder / "denoised.ome.tif",
        result.image,
        axes=sample.axes,
        scale=dict(zip(sample.axes, sample.scale, strict=True)),
        units=dict.fromkeys(sample.axes, sample.units),
        parameters=result.config.to_dict(),
    )
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    (folder / "report.json").write_text(text, encoding="utf-8")


def _summary(report: dict[str, Any], folder: Path) -> str:
    before, after = report["before"], report["after"]
    return (
        f"{report['sample']} {'×'.join(map(str, report['shape']))} on {report['device']}: "
        f"PSNR {before['psnr']:.1f} → {after['psnr']:.1f} dB ({report['psnr_gain']:+.1f}), "
        f"SSIM {before['ssim']:.2f} → {after['ssim']:.2f}, "
        f"first preview after {report['seconds_to_first_preview']:.1f} s, "
        f"done after {report['seconds']:.0f} s. Results in {folder}/."
    )


if __name__ == "__main__":
    sys.exit(main())
