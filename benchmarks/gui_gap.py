"""How long the window is ever held up by a run: the largest gap of a 10 ms timer in the GUI thread.

Usage::

    python benchmarks/gui_gap.py --runs 10
    python benchmarks/gui_gap.py --runs 3 --first-run-at-once --trace

Opens the real window (without a display, put ``xvfb-run -a -s "-screen 0 1600x1000x24"`` before it),
denoises the generated sample with the preset `fast` cut to `--iterations`, and prints the largest gap of
each run, their median and the worst, in milliseconds; on Linux also how much of that gap the thread waited
for a core, as it does when others are at work on the machine. ``--first-run-at-once`` starts the first run
as soon as the dock is open, while PyTorch still loads. ``--trace`` prints where the GUI thread was during
gaps of more than 60 ms.
"""

from __future__ import annotations

import argparse
import collections
import sys
import threading
import time
from pathlib import Path

import numpy as np

from napari_blind2grad.config import Config

#: Gaps that ``--trace`` looks into, in seconds.
LONG = 0.06


class Tracer(threading.Thread):
    """Look every few milliseconds where the GUI thread is while it is late."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(daemon=True)
        self.clock = clock
        self.main = threading.main_thread().ident
        self.found: collections.Counter[str] = collections.Counter()

    def run(self) -> None:
        """Sample for ever."""
        while True:
            time.sleep(0.005)
            if time.perf_counter() - self.clock.last < LONG / 2:
                continue
            frame = sys._current_frames()[self.main]  # noqa: SLF001
            names = []
            while frame is not None and len(names) < 28:
                names.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}")
                frame = frame.f_back
            self.clock.where.append(" > ".join(reversed(names)))


def waited() -> float:
    """Return the seconds that this thread has waited for a core so far; not a number where nobody tells."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return float("nan")


class Clock:
    """A 10 ms timer that notes its own gaps."""

    def __init__(self) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.last = time.perf_counter()
        self.gaps: list[tuple[float, float, float]] = []
        self.waited = waited()
        self.where: list[str] = []
        self.long: list[tuple[float, float, list[str]]] = []
        self.began = self.last
        self.timer = QTimer()
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.setInterval(10)
        self.timer.timeout.connect(self.tick)

    def start(self) -> None:
        """Begin anew."""
        self.gaps.clear()
        self.long.clear()
        self.where.clear()
        self.began = self.last = time.perf_counter()
        self.waited = waited()
        self.timer.start()

    def tick(self) -> None:
        """Note how long the last tick is ago."""
        now = time.perf_counter()
        gap = now - self.last
        before, self.waited = self.waited, waited()
        self.gaps.append((gap, now - self.began, self.waited - before))
        if gap > LONG:
            self.long.append((gap, now - self.began, list(self.where)))
        self.where.clear()
        self.last = now


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--region", choices=("whole", "plane"), default="whole")
    parser.add_argument("--first-run-at-once", action="store_true")
    parser.add_argument("--trace", action="store_true")
    options = parser.parse_args()

    measure(options)


def measure(options: argparse.Namespace) -> None:
    """Run as often as asked for in one window."""
    import napari
    from qtpy.QtCore import QEventLoop, QTimer

    from napari_blind2grad.gui import preload
    from napari_blind2grad.gui.dock import Blind2GradWidget
    from napari_blind2grad.samples import planaria_like

    viewer = napari.Viewer()
    sample = planaria_like()
    viewer.add_image(sample.noisy, name="sample")
    dock = Blind2GradWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Denoise")
    dock.set_config(Config(iterations=options.iterations, device="cpu"))
    dock.input.choose_region(options.region)
    loop = QEventLoop()

    def wait(milliseconds: int) -> None:
        QTimer.singleShot(milliseconds, loop.quit)
        loop.exec()

    if not options.first_run_at_once:
        while preload.start().is_alive():
            wait(50)
        wait(500)
    clock = Clock()
    if options.trace:
        Tracer(clock).start()
    dock.finished.connect(loop.quit)
    dock.failed.connect(loop.quit)
    worst = []
    for number in range(options.runs):
        clock.start()
        dock.run()
        loop.exec()
        clock.timer.stop()
        gap, when, idle = max(clock.gaps)
        worst.append(1000 * gap)
        words = f"run {number}: largest gap {worst[-1]:.0f} ms, {when:.1f} s after Run"
        print(f"{words}, {1000 * idle:.0f} ms of it without a core", flush=True)
        if options.trace:
            for length, moment, where in clock.long:
                print(f"   {1000 * length:.0f} ms at {moment:.2f} s")
                for stack, count in collections.Counter(where).most_common(4):
                    print(f"      {count} x {stack}")
        for layer in list(viewer.layers)[1:]:
            viewer.layers.remove(layer)
        wait(300)
    print(f"median {np.median(worst):.0f} ms, worst {max(worst):.0f} ms of {len(worst)} runs")
    viewer.close()


if __name__ == "__main__":
    main()
