"""How soon a change shows: from the change to the live layers that follow it, in the real window.

    python benchmarks/steer_latency.py --times 50

Prints one line of JSON for each case: median and worst of that many changes, in seconds. A 256×256 region
of a stack with Poisson noise, the ``fast`` preset, as many threads as the window takes (all cores but
one). Without a display, put ``xvfb-run -a -s "-screen 0 1600x1000x24"`` before it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QTimer

from napari_blind2grad.config import Config
from napari_blind2grad.gui import preload
from napari_blind2grad.gui.dock import Blind2GradWidget
from napari_blind2grad.gui.worker import leave_a_core

PATIENCE = 120_000


def await_signal(signal: Any, do: Callable[[], object], wanted: Callable[..., bool]) -> float:
    """Do something, and return how long it took until `signal` came with what is wanted."""
    loop = QEventLoop()
    ends: list[float] = []

    def on_signal(*arguments: Any) -> None:
        if not ends and wanted(*arguments):
            ends.append(time.perf_counter())
            loop.quit()

    signal.connect(on_signal)
    began = time.perf_counter()
    do()
    QTimer.singleShot(PATIENCE, loop.quit)
    if not ends:
        loop.exec()
    signal.disconnect(on_signal)
    if not ends:
        raise TimeoutError(f"nothing came in {PATIENCE / 1000:.0f} s")
    return ends[0] - began


def idle(dock: Blind2GradWidget) -> None:
    """Wait until no run goes on."""
    while dock.running or dock.tuner.waiting:
        loop = QEventLoop()
        QTimer.singleShot(20, loop.quit)
        loop.exec()


def tell(case: str, seconds: list[float]) -> None:
    print(
        json.dumps(
            {
                "case": case,
                "times": len(seconds),
                "median_s": round(float(np.median(seconds)), 3),
                "worst_s": round(max(seconds), 3),
                "threads": leave_a_core(Config()).threads,
                "cores": len(os.sched_getaffinity(0)),
            }
        ),
        flush=True,
    )


def with_maps(event: Any) -> bool:
    return "dual_mask" in event.maps


def rectangle(number: int) -> np.ndarray:
    """Return the corners of the rectangle of that number, 256×256."""
    y, x = 8 * (number % 30), 8 * (number % 29)
    return np.array([[0, y, x], [0, y, x + 255], [0, y + 255, x + 255], [0, y + 255, x]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    times = parser.parse_args().times
    viewer = napari.Viewer()
    dock = Blind2GradWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Denoise")
    preload.start().join()
    y, x = np.mgrid[:256, :256]
    clean = 60 + 40 * np.sin(x / 9) * np.cos(y / 7)
    noisy = np.random.default_rng(0).poisson(clean, (4, 256, 256)).astype(np.uint16)
    viewer.add_image(noisy, name="X")
    viewer.dims.set_current_step(0, 0)
    dock.input.choose_region("plane")

    def change(number: int) -> Callable[[], None]:
        name = ("omega", "gamma", "eps_g", "eps_s")[number % 4]
        value = {"omega": 0.2, "gamma": 0.5, "eps_g": 10, "eps_s": 12}[name] * (1 + number % 3)
        return lambda: dock.form.apply({name: value + 0.01 * number})

    dock.set_config(Config(iterations=100_000))
    await_signal(dock.previewed, dock.run, with_maps)
    during = [await_signal(dock.previewed, change(i), with_maps) for i in range(times)]
    tell("change during a run to the next preview", during)
    dock.cancel()
    idle(dock)

    dock.set_config(Config(iterations=60))
    await_signal(dock.finished, dock.run, lambda _: True)
    dock.tuner.click()
    after, planes = [], []
    for i in range(times):
        idle(dock)
        after.append(await_signal(dock.previewed, change(i), with_maps))
        dock.cancel()
    tell("change after a run to the preview that follows (keep tuning)", after)
    for i in range(times):
        idle(dock)
        plane = (i + 1) % len(noisy)
        move = lambda plane=plane: viewer.dims.set_current_step(0, plane)  # noqa: E731
        planes.append(await_signal(dock.previewed, move, lambda _: True))
        dock.cancel()
    tell("another plane to its first preview (keep tuning)", planes)

    wide = np.random.default_rng(0).poisson(np.tile(clean, (2, 2)), (4, 512, 512)).astype(np.uint16)
    layer = viewer.add_image(wide, name="wide")
    shapes = viewer.add_shapes([rectangle(0)], shape_type="rectangle", name="region")
    viewer.layers.selection.active = layer
    dock.input.choose_region("rectangle")
    idle(dock)
    await_signal(dock.finished, dock.run, lambda _: True)
    regions = []
    for i in range(times):
        idle(dock)
        draw = lambda i=i: setattr(shapes, "data", [rectangle(1 + i)])  # noqa: E731
        regions.append(await_signal(dock.previewed, draw, lambda _: True))
        dock.cancel()
    tell("another rectangle of 256×256, all planes, to its first preview (keep tuning)", regions)
    idle(dock)
    dock.tuner.click()
    starts = []
    for i in range(times):
        shapes.data = [rectangle(i)]
        starts.append(await_signal(dock.previewed, dock.run, lambda _: True))
        dock.cancel()
        idle(dock)
    tell("Run on another rectangle to its first preview, from a new network", starts)

    big = np.random.default_rng(0).poisson(50, (512, 512)).astype(np.uint16)
    dock.input.choose_region("whole")
    viewer.add_image(big, name="big")
    await_signal(dock.thresholds.drawn, dock.thresholds.expand, lambda _: True)
    line = dock.thresholds.plots["eps_g"].line
    drags = [
        await_signal(dock.thresholds.drawn, lambda i=i: line.setPos(3.0 + i), lambda _: True)
        for i in range(times)
    ]
    tell("a dragged threshold to its mask, 512×512", drags)
    dock.cancel()
    viewer.close()


if __name__ == "__main__":
    main()
