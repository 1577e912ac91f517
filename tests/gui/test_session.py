"""One session in the real window, from the first image to the saved file, with mouse and keys.

``--pictures FOLDER`` writes a picture of the window, and one of the whole dock, after each step.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from hands import click, drag, pick, reach, type_over
from qtpy.QtCore import QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QGuiApplication
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog, QLabel, QTabWidget, QToolButton, QWidget

from napari_blind2grad import preset_files
from napari_blind2grad.config import Config
from napari_blind2grad.gui import preload
from napari_blind2grad.gui import presets as preset_menu
from napari_blind2grad.gui.dock import Blind2GradWidget
from napari_blind2grad.gui.live import grid
from napari_blind2grad.gui.shortcuts import KEYS
from napari_blind2grad.io import read_image, write_image
from napari_blind2grad.samples import planaria_like

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="under Xvfb no other program takes the focus away"
)

SMALL = Config(
    iterations=24, cycles=3, passes=1, width=8, depth=2, patch=32, batch=1, threads=1, device="cpu"
)
#: More than anything here takes, in milliseconds.
LONG = 60_000


class Session:
    """The window, a hand and a camera."""

    def __init__(self, viewer, dock, qtbot, camera):
        self.viewer, self.dock, self.qtbot, self._camera = viewer, dock, qtbot, camera
        self._shots = 0

    def find(self, name, kind=QWidget):
        widget = self.dock.findChild(kind, name)
        assert widget is not None, f"there is no {name}"
        reach(self.dock, widget)
        assert widget.isVisible(), f"{name} is not to be seen"
        return widget

    def click(self, name):
        widget = self.find(name)
        assert widget.isEnabled(), f"{name} is not to be clicked"
        click(widget)

    def fold(self, name):
        """Open or close a section by its title."""
        section = self.find(name)
        click(section.toggleButton())
        return section

    def type(self, name, text):
        type_over(self.find(name), text)

    def pick(self, name, text):
        pick(self.find(name), text)

    def text(self, name):
        return self.find(name, QLabel).text()

    def status(self):
        return self.dock.panel.status.text()

    def until(self, check, timeout=LONG):
        self.qtbot.waitUntil(check, timeout=timeout)

    def run(self):
        """Press Run and wait for the result."""
        with self.qtbot.waitSignal(self.dock.finished, timeout=LONG) as finished:
            self.click("run")
        return finished.args[0]

    def layer(self, suffix):
        name = f"{self.dock.input.layer().name} {suffix}"
        return next((layer for layer in self.viewer.layers if layer.name == name), None)

    def shows(self, suffix, array):
        return np.array_equal(self.layer(suffix).data, array)

    def press(self, keys):
        modifiers = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier
        QTest.keyClick(self.viewer.window._qt_window, getattr(Qt.Key, f"Key_{keys[-1]}"), modifiers)

    def photograph(self, name):
        self._shots += 1
        if self._camera is None:
            return
        QTest.qWait(400)
        stem = f"{self._camera.name}-{self._shots:02d}-{name}"
        window = self.viewer.window._qt_window
        window.grab().save(str(self._camera.parent / f"{stem}-window.png"))
        self.dock.content.grab().save(str(self._camera.parent / f"{stem}-dock.png"))


@pytest.fixture
def session(make_napari_viewer, qtbot, request, tmp_path, monkeypatch):
    theme, width = request.param
    for where in (preset_files, preset_menu):
        monkeypatch.setattr(where, "preset_folder", lambda: tmp_path / "presets")
    viewer = make_napari_viewer(show=True)
    viewer.theme = theme
    dock = Blind2GradWidget(viewer)
    area = viewer.window.add_dock_widget(dock, name="Denoise (Blind2Grad)", tabify=False)
    window = viewer.window._qt_window
    window.resize(1300, 950)
    window.resizeDocks([area], [width], Qt.Orientation.Horizontal)
    window.activateWindow()
    preload.start().join()
    folder = request.config.getoption("--pictures")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
    qtbot.waitUntil(dock.isVisible, timeout=5000)
    yield Session(viewer, dock, qtbot, Path(folder) / f"{theme}-{width}" if folder else None)
    dock.compare.cancel()
    dock.batch.cancel()
    dock.cancel()


def choose_input(session):
    sample = planaria_like((3, 64, 64))
    session.photograph("empty")
    assert "no image" in session.status()
    for name in ("nuclei", "other"):
        session.viewer.add_image(
            sample.noisy, name=name, scale=sample.scale, units=("um",) * 3, axis_labels=tuple("zyx")
        )
    session.pick("input_layer", "other")
    session.viewer.layers.remove("other")
    assert session.dock.input.layer().name == "nuclei"
    assert session.status() == "Ready: 3 Z × 64 Y × 64 X, uint16."
    session.type("axes", "QQ")
    assert "QQ" in session.status()
    session.photograph("bad-axes")
    session.type("axes", "")
    assert session.find("axes").text() == "ZYX"
    assert not session.find("apply").isEnabled()
    session.pick("region", "Current plane")
    assert session.find("apply").isEnabled()
    session.photograph("ready")


def set_parameters(session):
    dock = session.dock
    session.pick("preset", "Balanced")
    assert dock.config() == Config.preset("balanced")
    session.pick("preset", "Fast")
    wanted = {"omega": 0.5, "gamma": 0.6, "eps_g": 30, "eps_s": 20, "mask_rate": 0.2}
    for name, value in wanted.items():
        own = session.text(f"{name}_own") if name.startswith("eps") else ""
        session.type(name, f"{value:g}")
        assert getattr(dock.config(), name) == value
        assert session.find(name).accessibleName() in session.text("preset_help")
        assert not own or session.text(f"{name}_own") != own  # the image's own units follow
    session.photograph("changed")
    session.click("reset")
    assert dock.config() == Config()
    session.type("omega", "0.3")
    choose_from_menu(session, "preset_save")
    dialog = dock.findChild(QFileDialog, "preset_dialog")
    assert not dialog.isModal()
    dialog.selectFile("mine.json")
    dialog.accept()
    session.until(lambda: session.find("preset").currentText() == "mine")
    session.type("omega", "0.4")
    choose_from_menu(session, "preset_reset")
    assert dock.config() == Config(omega=0.3)
    session.pick("preset", "Fast")
    assert dock.config() == Config()
    session.pick("preset", "mine")
    assert dock.config() == Config(omega=0.3)
    session.pick("preset", "Fast")


def choose_from_menu(session, name):
    """Open the menu with the mouse and choose with the keys."""
    button = session.find("preset_menu")
    actions = [a for a in button.menu().actions() if not a.isSeparator() and a.isEnabled()]
    names = [action.objectName() for action in actions]

    def choose():
        menu = QApplication.activePopupWidget()
        for _ in range(1 + names.index(name)):
            QTest.keyClick(menu, Qt.Key.Key_Down)
        QTest.keyClick(menu, Qt.Key.Key_Return)

    QTimer.singleShot(100, choose)  # the menu waits for an answer
    click(button)


def make_it_small(session):
    session.fold("advanced")
    session.photograph("advanced")
    for name in ("width", "depth", "patch", "batch", "passes", "threads"):
        session.type(name, str(getattr(SMALL, name)))
    session.type("device", "cpu")
    session.fold("advanced")
    assert not session.dock.findChild(QWidget, "width").isVisible()
    session.type("iterations", str(SMALL.iterations))
    session.type("cycles", str(SMALL.cycles))
    assert session.dock.config() == SMALL


def set_thresholds_by_eye(session):
    dock = session.dock
    with session.qtbot.waitSignal(dock.thresholds.drawn, timeout=LONG):
        session.fold("thresholds")
    assert session.layer("dual mask").visible
    before = session.layer("dual mask").data.copy()
    plot = dock.thresholds.plots["eps_g"]
    reach(dock, plot)

    def across(value):
        scene = plot._view.mapViewToScene(QPointF(value, 0))
        return QPoint(plot._canvas.mapFromScene(scene).x(), 30)

    line = plot.line.value()
    with session.qtbot.waitSignal(dock.thresholds.drawn, timeout=LONG):
        drag(plot._canvas.viewport(), across(line), across(line / 2))
    assert dock.config().eps_g == pytest.approx(20, abs=3)
    session.until(lambda: not session.shows("dual mask", before))
    assert "%" in session.text("share_1")
    assert "%" in session.text("eps_g_share")
    session.photograph("thresholds")
    session.fold("thresholds")
    session.type("eps_g", "40")


def run_pause_steer_stop(session):
    dock = session.dock
    session.type("iterations", "100000")
    with session.qtbot.waitSignal(dock.previewed, timeout=LONG):
        session.click("run")
    assert not session.find("run").isEnabled()
    assert not session.find("cycles").isEnabled()
    session.until(lambda: session.layer("gradient deviation") is not None)
    session.until(lambda: "Training on" in session.status())
    session.photograph("running")
    session.click("pause")
    assert session.find("pause").text() == "Resume"
    assert "Paused" in session.status()
    session.photograph("paused")
    session.click("pause")
    session.type("omega", "0.9")
    session.until(lambda: bool(dock.conductor.run.worker.changes))
    assert dock.conductor.run.worker.changes[-1]["omega"] == 0.9
    with session.qtbot.waitSignal(dock.finished, timeout=LONG) as finished:
        session.click("stop")
    assert finished.args[0].stopped
    assert "Stopped after" in session.status()
    assert "Noise σ" in session.text("noise")
    session.photograph("stopped")
    session.type("iterations", str(SMALL.iterations))
    session.type("omega", str(SMALL.omega))


def go_back_in_history(session):
    result = session.run()
    assert "Done in" in session.status()
    layer = session.layer("denoised")
    np.testing.assert_array_equal(layer.data, result.image)
    slider = session.find("history")
    slider.setFocus()
    QTest.keyClick(slider, Qt.Key.Key_Home)
    assert session.text("history_label") == "cycle 1"
    session.until(lambda: not session.shows("denoised", result.image))
    session.photograph("history")
    QTest.keyClick(slider, Qt.Key.Key_End)
    assert session.text("history_label") == "now"
    session.until(lambda: session.shows("denoised", result.image))


def choose_layers(session):
    session.click("show_gradient")
    assert session.layer("gradient") is None
    session.click("show_gradient")
    session.click("show_standout_gate")
    session.click("show_residual")
    session.until(lambda: session.layer("residual") is not None)
    assert session.layer("gradient") is not None
    assert session.layer("standout gate") is not None
    session.click("side_by_side")
    assert grid(session.viewer).enabled
    assert session.layer("residual").visible
    session.photograph("side-by-side")
    session.click("side_by_side")
    assert not grid(session.viewer).enabled
    session.click("show_residual")
    session.click("show_standout_gate")


def swipe(session):
    session.click("swipe")
    layer = session.layer("swipe")
    assert layer.data.shape[-1] == 32
    slider = session.find("swipe_position")
    slider.setFocus()
    QTest.keyClick(slider, Qt.Key.Key_PageUp)
    assert layer.data.shape[-1] > 32
    session.photograph("swipe")
    session.click("swipe")
    assert session.layer("swipe") is None


def keep_tuning(session):
    session.click("tune")
    with session.qtbot.waitSignal(session.dock.finished, timeout=LONG) as finished:
        session.type("omega", "1.1")
    assert finished.args[0].config.omega == 1.1
    assert session.layer("denoised").metadata["blind2grad"]["continued"]
    session.click("tune")
    session.type("omega", str(SMALL.omega))


def look_at_the_quality(session):
    dock = session.dock
    section = session.fold("quality")
    session.until(lambda: dock.quality.quality is not None)
    said = [w for w in section.findChildren(QLabel) if w.objectName().startswith("verdict_")]
    assert any(len(label.text()) > 20 for label in said)
    tabs = session.find("quality_plots", QTabWidget)
    for index in range(tabs.count()):
        place = tabs.tabBar().tabRect(index).center()
        QTest.mouseClick(tabs.tabBar(), Qt.MouseButton.LeftButton, pos=place)
        assert tabs.currentIndex() == index
        session.photograph(f"quality-{tabs.tabText(index)}")
    session.fold("quality")
    assert not tabs.isVisible()


def compare(session):
    dock = session.dock
    session.fold("compare")
    session.pick("compare_second", "Detail threshold ε_g")
    session.type("compare_first_values", "0, 0.8")
    session.type("compare_second_values", "10, 40")
    session.type("compare_iterations", "5")
    with session.qtbot.waitSignal(dock.compare.over, timeout=LONG):
        session.click("compare_run")
    assert session.text("compare_status").startswith("Done")
    session.photograph("compare")
    assert "sharpness" in session.text("compare_figures_2")
    count = len(session.viewer.layers)
    click(session.find("compare_open_2", QToolButton))
    assert len(session.viewer.layers) == count + 1
    opened = session.viewer.layers["nuclei ω = 0.8, ε_g = 10"]
    assert opened.data.shape == (1, 64, 64)
    session.viewer.layers.remove(opened)
    session.click("compare_use_2")
    assert (dock.config().omega, dock.config().eps_g) == (0.8, 10)
    session.fold("compare")


def apply_to_the_stack(session):
    with session.qtbot.waitSignal(session.dock.finished, timeout=LONG) as finished:
        session.click("apply")
    assert session.find("region").currentText() == "Whole image"
    assert finished.args[0].image.shape == (3, 64, 64)
    assert finished.args[0].config.omega == 0.8
    assert session.layer("denoised").data.shape == (3, 64, 64)
    session.photograph("applied")
    return finished.args[0]


def save_and_copy(session, result, folder):
    session.click("save")
    dialog = session.dock.findChild(QFileDialog, "save_dialog")
    dialog.selectFile(str(folder / "out.ome.tif"))
    dialog.accept()
    session.until(lambda: "Saved" in session.status())
    file = read_image(folder / "out.ome.tif")
    np.testing.assert_array_equal(file.data, result.image)
    assert (file.axes, file.dtype) == ("ZYX", np.uint16)
    assert file.scale["X"] == pytest.approx(0.5)
    for name, word in (("copy_python", "denoise(image"), ("copy_command", "blind2grad denoise")):
        session.click(name)
        assert word in QGuiApplication.clipboard().text()
        assert "omega" in QGuiApplication.clipboard().text()
        assert "Copied" in session.status()
    session.photograph("copied")


def apply_the_network(session, result, folder):
    """To the image that it was trained on, by way of a folder; the pixels must be those of the run."""
    files = session.dock.reuse.files
    for name, done in (("save_network", files.saved), ("load_network", files.loaded)):
        session.click(name)
        dialog = session.dock.findChild(QFileDialog, f"{name}_dialog")
        with session.qtbot.waitSignal(done, timeout=LONG):
            dialog.fileSelected.emit(str(folder / "network"))
            dialog.reject()
    assert "Loaded the network “network”" in session.status()
    assert session.text("network") == "Network: network"
    button = session.find("apply_to")

    def choose() -> None:
        menu = QApplication.activePopupWidget()
        QTest.keyClick(menu, Qt.Key.Key_Down)
        session.photograph("apply-to")
        QTest.keyClick(menu, Qt.Key.Key_Return)

    QTimer.singleShot(100, choose)  # the menu waits for an answer
    with session.qtbot.waitSignal(session.dock.finished, timeout=LONG) as finished:
        click(button)
    np.testing.assert_array_equal(finished.args[0].image, result.image)
    assert session.shows("denoised", result.image)
    session.click("copy_command")
    assert "blind2grad apply" in QGuiApplication.clipboard().text()
    session.photograph("network")


def denoise_a_folder(session, folder):
    dock = session.dock
    (folder / "in").mkdir()
    for number in range(2):
        image = np.random.default_rng(number).poisson(50, (32, 32)).astype(np.uint16)
        write_image(folder / "in" / f"{number}.tif", image, axes="YX")
    (folder / "in" / "broken.tif").write_text("no image")
    session.fold("batch_section")
    session.type("batch_files", str(folder / "in"))
    session.type("batch_output", str(folder / "batch"))
    session.until(lambda: session.text("batch_summary") == "3 files.")
    session.photograph("batch-listed")
    session.pick("batch_networks", "one for all files")
    with session.qtbot.waitSignal(dock.batch.over, timeout=LONG):
        session.click("batch_start")
    assert session.text("batch_summary").startswith("2 of 3 files denoised; 1 failed: broken.tif")
    assert "not a TIFF file" in session.text("batch_detail")
    assert {p.name for p in (folder / "batch").iterdir()} == {
        "0_denoised.ome.tif",
        "1_denoised.ome.tif",
    }
    session.photograph("batch")
    session.fold("batch_section")


def use_the_keys(session):
    dock = session.dock
    keys = {key.target: key.keys for key in KEYS}
    session.pick("region", "Current plane")
    session.type("iterations", "100000")
    with session.qtbot.waitSignal(dock.started, timeout=LONG):
        session.press(keys["run"])
    session.press(keys["pause"])
    assert dock.conductor.run.worker.paused
    with session.qtbot.waitSignal(dock.finished, timeout=LONG):
        session.press(keys["stop"])
    for name in ("tune", "swipe"):
        session.press(keys[name])
        assert session.find(name).isChecked()
        session.press(keys[name])
        assert not session.find(name).isChecked()
    for name in ("thresholds", "compare"):
        session.press(keys[name])
        assert session.find(name).isExpanded()
        session.press(keys[name])
        assert not session.find(name).isExpanded()
    with session.qtbot.waitSignal(dock.started, timeout=LONG):
        session.press(keys["apply"])
    with session.qtbot.waitSignal(dock.finished, timeout=LONG) as finished:
        session.press(keys["stop"])
    assert finished.args[0].image.shape == (3, 64, 64)


@pytest.mark.parametrize(
    "session", [("dark", 320), ("light", 400)], indirect=True, ids=["dark", "light"]
)
def test_a_session(session, tmp_path):
    choose_input(session)
    set_parameters(session)
    make_it_small(session)
    set_thresholds_by_eye(session)
    run_pause_steer_stop(session)
    go_back_in_history(session)
    choose_layers(session)
    swipe(session)
    keep_tuning(session)
    look_at_the_quality(session)
    compare(session)
    result = apply_to_the_stack(session)
    save_and_copy(session, result, tmp_path)
    apply_the_network(session, result, tmp_path)
    denoise_a_folder(session, tmp_path)
    use_the_keys(session)
