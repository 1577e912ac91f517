"""Photograph the guided first run of docs/first-run.md in the real window.

``python scripts/pictures.py`` needs a screen or ``xvfb-run``; the pictures go to docs/images.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import napari
from qtpy.QtCore import QEventLoop, QPoint, QRect, Qt, QTimer
from qtpy.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QFileDialog,
    QLineEdit,
    QScrollArea,
    QSpinBox,
    QWidget,
)

from napari_blind2grad.gui import preload

PLUGIN = "napari-blind2grad"
SIZE = (1280, 960)
#: Seconds after which something counts as hung.
PATIENCE = 600
#: Share of the training after which Stop is pressed.
ENOUGH = 0.5


class Tour:
    """The window, and where its pictures go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.viewer = napari.Viewer(title="napari")
        self.window = self.viewer.window._qt_window
        self.window.resize(*SIZE)
        self.viewer.open_sample(PLUGIN, "planaria_like")
        area, self.dock = self.viewer.window.add_plugin_dock_widget(PLUGIN, "Denoise")
        self.window.resizeDocks([area], [380], Qt.Orientation.Horizontal)
        self.viewer.layers.selection.active = self.viewer.layers[-1]
        loading = preload.start()
        until(lambda: not loading.is_alive())

    def child(self, name: str, kind: type[QWidget] = QWidget) -> QWidget:
        """Return the dock's widget `name`, scrolled into view."""
        found = self.dock.findChild(kind, name)
        if found is None:
            raise SystemExit(f"the window has no {name!r}")
        self.dock.findChild(QScrollArea).ensureWidgetVisible(found)
        return found

    def click(self, name: str) -> None:
        """Click a button."""
        self.child(name, QAbstractButton).click()

    def choose(self, name: str, text: str) -> None:
        """Choose `text` in a list."""
        self.child(name, QComboBox).setCurrentText(text)

    def photograph(self, name: str, top: str | None = None) -> None:
        """Save the whole window; `top` is the widget that the dock begins with."""
        bar = self.dock.findChild(QScrollArea).verticalScrollBar()
        start = self.dock.findChild(QWidget, top) if top else None
        settle(600)
        bar.setValue(start.mapTo(self.dock.content, QPoint()).y() - 8 if start else 0)
        settle(300)
        picture = self.window.grab(QRect(QPoint(), self.window.size()))
        picture.save(str(self.folder / f"first-run-{name}.png"))


def first_run(tour: Tour, iterations: int, file: Path) -> None:
    """Sample data, Run, Stop, Compare, Apply to stack, Quality, Save."""
    dock = tour.dock
    tour.photograph("1-sample")
    tour.choose("region", "Current plane")
    tour.child("iterations", QSpinBox).setValue(iterations)
    enough: list[float] = []
    tour.click("run")
    dock.previewed.connect(lambda _: enough.append(dock.panel.progress.value() / 1000))
    until(lambda: bool(enough) and enough[-1] >= ENOUGH)
    tour.photograph("2-run")
    tour.click("stop")
    until(lambda: not dock.running)
    tour.photograph("3-stop")
    dock.compare.expand()
    tour.child("compare_first_values", QLineEdit).setText("0, 0.4, 0.8, 1.2")
    tour.child("compare_iterations", QSpinBox).setValue(max(1, iterations // 4))
    tour.click("compare_run")
    until(lambda: not dock.compare.running)
    tour.photograph("4-compare", "compare")
    tour.click("compare_use_1")
    dock.compare.collapse()
    tour.click("apply")
    until(lambda: not dock.running)
    tour.photograph("5-apply", "show_denoised")
    dock.quality.expand()
    until(lambda: dock.quality.quality is not None and dock.quality.quality.leftover is not None)
    tour.photograph("6-quality", "quality")
    tour.click("save")
    dialog = dock.findChild(QFileDialog, "save_dialog")
    dialog.reject()
    dock.save(file)
    until(lambda: "Saved" in dock.panel.status.text())
    dock.panel.show_status(f"Saved {file.name}.")  # wherever it was written for the picture
    tour.photograph("7-save", "run")


def until(check: Callable[[], bool]) -> None:
    """Let Qt work until `check` holds."""
    for _ in range(20 * PATIENCE):
        settle(50)
        if check():
            return
    raise SystemExit(f"nothing happened for {PATIENCE} seconds")


def settle(milliseconds: int) -> None:
    """Let Qt draw what is still to be drawn."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def main() -> int:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs/images"))
    parser.add_argument("--iterations", type=int, default=350, help="training steps of a run")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    if sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ):
        screen = ["xvfb-run", "--auto-servernum", "--server-args", "-screen 0 1600x1000x24"]
        environment = {**os.environ, "QT_QPA_PLATFORM": "xcb"}
        command = [*screen, sys.executable, *sys.argv]
        return subprocess.run(command, env=environment, check=False).returncode
    tour = Tour(options.output)
    file = options.output / "planaria_denoised.ome.tif"
    try:
        first_run(tour, options.iterations, file)
    finally:
        file.unlink(missing_ok=True)
        tour.viewer.close()
        QApplication.processEvents()
    return 0


if __name__ == "__main__":
    sys.exit(main())
