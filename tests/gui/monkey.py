"""A monkey at the window: seeded, with real mouse and keyboard events, and without a plan."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyqtgraph as pg
from hands import click, drag, reach, type_over
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFileDialog,
    QLineEdit,
    QMenu,
    QSlider,
    QTabBar,
    QWidget,
)

from napari_blind2grad.gui.live import grid, is_live
from napari_blind2grad.gui.shortcuts import KEYS
from napari_blind2grad.io import write_image

#: Bounds that keep runs short; numbers beyond them are typed over before anything else is done.
LIMITS: dict[str, tuple[float, float]] = {
    "iterations": (1, 60),
    "cycles": (1, 4),
    "passes": (1, 3),
    "width": (4, 16),
    "depth": (1, 2),
    "patch": (0, 32),
    "batch": (0, 2),
    "context": (1, 2),
    "threads": (1, 1),
    "lr": (1e-4, 3e-3),
    "compare_iterations": (1, 8),
}
TEXTS: dict[str, tuple[str, ...]] = {
    "axes": ("ZYX", "TYX", "CYX", "YX", "xyz", "", "QQ"),
    "device": ("cpu", "cpu", "auto", "abacus"),
    "compare_first_values": ("0, 1", "0.2, 0.4, 0.6", "10", "", "a, b", "-1", "yes, no"),
    "compare_second_values": ("0, 1", "10, 40", "", "nan", "dual, uniform"),
    "batch_axes": ("", "YX", "ZYX", "xy"),
}
#: What a session turns on, chosen more often than the rest.
OFTEN = ("run", "run", "stop", "pause", "tune", "swipe", "swipe_position", "history", "compare_run")
OFTEN += ("apply_to", "batch_start", "batch_stop")
#: Images of one viewer, at most.
IMAGES = 3
_MODIFIERS = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier


class Monkey:
    """Do one thing after another.

    Parameters
    ----------
    viewer, dock
        The window and our widget in it.
    seed
        Of all choices.
    folder
        Where files may be written.
    """

    def __init__(self, viewer, dock, seed: int, folder: Path) -> None:
        self.viewer, self.dock = viewer, dock
        self.random = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.folder = folder
        (folder / "in").mkdir()
        for number in range(3):
            image = self.numbers.poisson(40, (24, 32)).astype(np.uint16)
            write_image(folder / "in" / f"{number}.tif", image, axes="YX")
        (folder / "in" / "broken.tif").write_text("no image")
        self.texts = {
            **TEXTS,
            "batch_files": (
                str(folder / "in"),
                f"{folder}/in/*.tif",
                f"{folder}/no/*.tif",
                "",
                ";",
            ),
            "batch_output": (str(folder / "out"), str(folder / "in" / "0.tif"), ""),
        }
        self.done: list[str] = []
        self.used: set[str] = set()
        self._in_viewer: tuple[Callable[[], None], ...] = (
            self.add_image,
            self.remove_image,
            self.remove_live,
            self.rename,
            self.replace_data,
            self.draw_rectangle,
            self.change_plane,
            self.change_plane,
            self.change_plane,
            self.zoom,
            self.switch_3d,
            self.switch_theme,
            self.switch_grid,
            self.select_layer,
            self.reorder,
            self.hide_layer,
            self.resize,
        )

    def step(self) -> None:
        """Do one thing; it is written down in `done`."""
        self._tame()
        chance = self.random.random()
        if chance < 0.25:
            self._note(self.random.choice(self._in_viewer))
        elif chance < 0.45:
            self._use_one(self.random.choice(OFTEN))
        elif chance < 0.52:
            self._press_shortcut()
        elif chance < 0.9:
            controls = self.controls()
            # First what kind, or the many numbers under Advanced would crowd out all else.
            kind = self.random.choice(sorted({type(c).__name__ for c in controls}))
            self._use(self.random.choice([c for c in controls if type(c).__name__ == kind]))
        else:
            self._note(self.wait)
        self._answer_dialogs()

    def controls(self) -> list[QWidget]:
        """Return all that can be used now, in the order of the dock."""
        kinds = (QAbstractButton, QAbstractSpinBox, QComboBox, QSlider, QLineEdit, QTabBar)
        found = []
        for widget in self.dock.findChildren(QWidget):
            inner = isinstance(widget.parent(), QAbstractSpinBox | QComboBox | QTabBar)
            if not isinstance(widget, (*kinds, pg.GraphicsView)) or inner:
                continue
            if widget.isVisible() and widget.isEnabled() and widget.window() is self.dock.window():
                found.append(widget)
        return found

    # ------------------------------------------------------------------------- the dock

    def _use_one(self, name: str) -> None:
        widget = self.dock.findChild(QWidget, name)
        if widget is not None and widget.isVisible() and widget.isEnabled():
            self._use(widget)

    def _use(self, widget: QWidget) -> None:
        name = widget.objectName() or getattr(widget, "text", str)() or type(widget).__name__
        self.used.add(name)
        self.done.append(name)
        reach(self.dock, widget)
        if isinstance(widget, pg.GraphicsView):
            self._drag(widget)
        elif isinstance(widget, QAbstractSpinBox):
            self._type_number(widget)
        elif isinstance(widget, QComboBox):
            self._pick(widget)
        elif isinstance(widget, QSlider):
            widget.setFocus()
            key = self.random.choice([Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_PageUp])
            keys = (Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_PageDown, key, key)
            QTest.keyClick(widget, self.random.choice(keys))
        elif isinstance(widget, QLineEdit):
            type_over(widget, self.random.choice(self.texts.get(name, ("", "cpu", "1"))))
        elif isinstance(widget, QTabBar):
            rect = widget.tabRect(self.random.randrange(widget.count()))
            QTest.mouseClick(widget, Qt.MouseButton.LeftButton, pos=rect.center())
        else:
            if getattr(widget, "menu", lambda: None)() is not None:
                QTimer.singleShot(20, self._choose_in_menu)  # the menu waits for an answer
            click(widget)

    def _type_number(self, box: QAbstractSpinBox) -> None:
        low, high = LIMITS.get(box.objectName(), (box.minimum(), box.maximum()))
        if self.random.random() < 0.4:
            box.setFocus()
            QTest.keyClick(box, self.random.choice([Qt.Key.Key_Up, Qt.Key.Key_Down]))
            return
        value = self.random.choice([low, high, self.random.uniform(low, high)])
        whole = isinstance(box.value(), int)
        type_over(box, str(round(value)) if whole else f"{value:.4g}")

    def _pick(self, combo: QComboBox) -> None:
        combo.setFocus()
        key = self.random.choice([Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home, Qt.Key.Key_End])
        QTest.keyClick(combo, key)

    def _drag(self, view: pg.GraphicsView) -> None:
        lines = [i for i in view.scene().items() if isinstance(i, pg.InfiniteLine) and i.movable]
        port = view.viewport()
        start = QPoint(port.width() // 2, port.height() // 3)
        if lines and lines[0].isVisible():
            start = QPoint(view.mapFromScene(lines[0].mapToScene(0.0, 0.0)).x(), start.y())
        drag(port, start, QPoint(self.random.randrange(port.width()), start.y()))

    def _press_shortcut(self) -> None:
        key = self.random.choice(KEYS)
        self.done.append(key.keys)
        self.used.add(key.keys)
        QTest.keyClick(self.dock.window(), key.keys[-1].lower(), _MODIFIERS)

    def _choose_in_menu(self) -> None:
        menu = QApplication.activePopupWidget()
        if not isinstance(menu, QMenu):
            return
        for _ in range(self.random.randrange(4)):
            QTest.keyClick(menu, Qt.Key.Key_Down)
        QTest.keyClick(menu, self.random.choice([Qt.Key.Key_Return, Qt.Key.Key_Escape]))
        menu.close()

    def _answer_dialogs(self) -> None:
        for dialog in QApplication.topLevelWidgets():
            if not isinstance(dialog, QFileDialog) or not dialog.isVisible():
                continue
            assert not dialog.isModal(), "a dialog holds the window up"
            if self.random.random() < 0.3:
                self.done.append("decline")
                dialog.reject()
                continue
            if dialog.objectName() == "batch_dialog":
                self.done.append("choose files")
                dialog.fileSelected.emit(str(self.folder / self.random.choice(("in", "out"))))
                dialog.reject()
                continue
            files = sorted(self.folder.glob("*.json"))
            if dialog.fileMode() == QFileDialog.FileMode.ExistingFile and not files:
                dialog.reject()
                continue
            chosen = self.folder / f"{self.random.randrange(3)}"
            if dialog.fileMode() == QFileDialog.FileMode.ExistingFile:
                chosen = self.random.choice(files)
            self.done.append(f"accept {chosen.name}")
            dialog.fileSelected.emit(str(chosen))
            dialog.reject()

    def _tame(self) -> None:
        """Type over the numbers that would make runs long, as a preset of ours may bring them."""
        for name, (low, high) in LIMITS.items():
            box = self.dock.findChild(QAbstractSpinBox, name)
            if box.isEnabled() and not low <= box.value() <= high:
                box.setValue(type(box.value())(min(max(box.value(), low), high)))

    # ---------------------------------------------------------------------------- napari

    def add_image(self) -> None:
        if len(self._images()) >= IMAGES:
            return
        shape = self.random.choice([(3, 40, 48), (24, 32), (2, 3, 24, 32), (5, 7), (32, 32, 3)])
        kind = self.random.choice([np.uint16, np.float32, np.uint8])
        data = self.numbers.poisson(40, shape).astype(kind)
        scale = None if self.random.random() < 0.5 else (0.5,) * (len(shape) - (shape[-1] == 3))
        self.viewer.add_image(data, scale=scale, rgb=shape[-1] == 3)

    def remove_image(self) -> None:
        if len(self._images()) > 1:
            self.viewer.layers.remove(self.random.choice(self._images()))

    def remove_live(self) -> None:
        live = [layer for layer in self.viewer.layers if is_live(layer)]
        if live:
            self.viewer.layers.remove(self.random.choice(live))

    def rename(self) -> None:
        if len(self.viewer.layers):
            self.random.choice(list(self.viewer.layers)).name = self.random.choice("ABCDEF")

    def replace_data(self) -> None:
        images = self._images()
        if images and self.random.random() < 0.3:
            layer = self.random.choice(images)
            layer.data = np.array(layer.data)

    def draw_rectangle(self) -> None:
        shapes = [layer for layer in self.viewer.layers if layer._type_string == "shapes"]
        low, high = sorted(self.random.uniform(-4, 24) for _ in range(2))
        corners = [[low, low], [low, high + 4], [high + 4, high + 4], [high + 4, low]]
        if shapes:
            self.viewer.layers.remove(shapes[0])
        self.viewer.add_shapes([corners], shape_type="rectangle")

    def change_plane(self) -> None:
        for axis in range(self.viewer.dims.ndim - 2):
            last = int(self.viewer.dims.nsteps[axis])
            self.viewer.dims.set_current_step(axis, self.random.randrange(last))

    def zoom(self) -> None:
        scene = getattr(self.viewer, "scene", self.viewer)  # napari 0.9 moved the camera
        scene.camera.zoom = min(max(scene.camera.zoom * self.random.choice([0.5, 2]), 1), 100)

    def switch_3d(self) -> None:
        self.viewer.dims.ndisplay = 5 - self.viewer.dims.ndisplay

    def switch_theme(self) -> None:
        self.viewer.theme = "light" if self.viewer.theme == "dark" else "dark"

    def switch_grid(self) -> None:
        grid(self.viewer).enabled = not grid(self.viewer).enabled

    def select_layer(self) -> None:
        if len(self.viewer.layers):
            self.viewer.layers.selection.active = self.random.choice(list(self.viewer.layers))

    def reorder(self) -> None:
        if len(self.viewer.layers) > 1:
            self.viewer.layers.move(0, len(self.viewer.layers))

    def hide_layer(self) -> None:
        if len(self.viewer.layers):
            layer = self.random.choice(list(self.viewer.layers))
            layer.visible = not layer.visible

    def resize(self) -> None:
        self.dock.window().resize(self.random.randrange(900, 1300), self.random.randrange(500, 900))

    def wait(self) -> None:
        QTest.qWait(self.random.choice([50, 200, 600]))

    def _images(self) -> list:
        return [
            layer
            for layer in self.viewer.layers
            if layer._type_string == "image" and not is_live(layer)
        ]

    def _note(self, action: Callable[[], None]) -> None:
        self.done.append(action.__name__)
        action()
