"""The section Batch: real files, the real engine, a table that follows."""

import threading

import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QFileDialog, QLineEdit

import napari_blind2grad.engine.run
from napari_blind2grad.batch import patterns_in
from napari_blind2grad.config import Config
from napari_blind2grad.gui import preload
from napari_blind2grad.gui.dock import Blind2GradWidget
from napari_blind2grad.io import read_image, read_parameters, write_image

TINY = Config(
    iterations=3, cycles=2, passes=1, width=4, depth=1, patch=32, batch=1, threads=1, device="cpu"
)


@pytest.fixture
def dock(viewer):
    widget = Blind2GradWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Denoise")
    widget.set_config(TINY)
    preload.start().join()
    widget.batch.expand()
    return widget


@pytest.fixture
def folder(tmp_path):
    """Three good files, one below, and two broken ones."""
    where = tmp_path / "in"
    for number, name in enumerate(("a.tif", "b.tif", "deep/c.tif")):
        path = where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.random.default_rng(number).poisson(60, (32, 32)).astype(np.uint16)
        write_image(path, image, axes="YX", scale=dict(Y=0.1, X=0.1), units=dict(Y="µm", X="µm"))
    (where / "text.tif").write_text("not an image")
    tifffile.imwrite(where / "flat.tif", np.full((8, 8), 7, np.uint8))
    return where


def type_in(dock, name, text):
    line = dock.findChild(QLineEdit, name)
    line.setText(str(text))
    line.editingFinished.emit()


def rows(dock):
    """Return the table as it is read: name → (status, tool tip of it)."""
    table = dock.batch.table
    cells = [[table.item(row, column) for column in range(3)] for row in range(table.rowCount())]
    return {name.text(): (status.text(), status.toolTip()) for name, status, _ in cells}


def summary(dock):
    return dock.findChild(object, "batch_summary").text()


def ran(dock, qtbot):
    with qtbot.waitSignal(dock.batch.over, timeout=60_000):
        dock.findChild(object, "batch_start").click()


def below(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_files_are_listed_before_the_start(dock, folder, tmp_path, qtbot):
    type_in(dock, "batch_files", folder)
    qtbot.waitUntil(lambda: len(rows(dock)) == 5, timeout=10_000)
    assert {status for status, _ in rows(dock).values()} == {"waiting"}
    assert summary(dock) == "5 files."
    type_in(dock, "batch_files", f"{folder}/?.tif; {folder}/deep/c.tif")
    qtbot.waitUntil(lambda: set(rows(dock)) == {"a.tif", "b.tif", "c.tif"}, timeout=10_000)
    type_in(dock, "batch_files", tmp_path / "nowhere" / "*.tif")
    qtbot.waitUntil(lambda: not rows(dock), timeout=10_000)
    assert "No TIFF or OME-Zarr image is found" in summary(dock)


def test_broken_files_do_not_stop_the_rest(dock, folder, tmp_path, qtbot):
    before = {p: p.read_bytes() for p in folder.rglob("*.tif")}
    out = tmp_path / "out"
    type_in(dock, "batch_files", folder)
    type_in(dock, "batch_output", out)
    told = []
    dock.failed.connect(told.append)
    ran(dock, qtbot)
    found = rows(dock)
    assert {name: status for name, (status, _) in found.items()} == {
        "a.tif": "done",
        "b.tif": "done",
        "c.tif": "done",
        "text.tif": "failed",
        "flat.tif": "failed",
    }
    assert "not a TIFF file" in found["text.tif"][1]
    assert "is constant" in found["flat.tif"][1]
    assert summary(dock).startswith("3 of 5 files denoised; 2 failed: flat.tif, text.tif (")
    assert told == []
    assert below(out) == {f"{name}_denoised.ome.tif" for name in ("a", "b", "deep/c")}
    assert {p: p.read_bytes() for p in folder.rglob("*.tif")} == before
    # With the settings of the form, and with what the file said.
    assert Config.from_dict(read_parameters(out / "a_denoised.ome.tif")["config"]) == TINY
    assert read_image(out / "a_denoised.ome.tif").units == dict(Y="µm", X="µm")
    # Its words can be read without the mouse.
    table = dock.batch.table
    table.setCurrentCell(list(found).index("text.tif"), 0)
    assert "not a TIFF file" in dock.findChild(object, "batch_detail").text()


def test_finished_ones_are_skipped_or_done_again(dock, folder, tmp_path, qtbot):
    out = tmp_path / "out"
    type_in(dock, "batch_files", folder / "?.tif")
    type_in(dock, "batch_output", out)
    out.mkdir()
    old = out / "a_denoised.ome.tif"
    old.write_bytes(b"kept")
    qtbot.waitUntil(
        lambda: "1 with a result already" in summary(dock) or (type_in(dock, "batch_output", out)),
        timeout=10_000,
    )
    ran(dock, qtbot)
    assert rows(dock)["a.tif"][0] == "skipped"
    assert old.read_bytes() == b"kept"
    dock.findChild(object, "batch_overwrite").click()
    ran(dock, qtbot)
    assert rows(dock)["a.tif"][0] == "done"
    assert read_image(old).shape == (32, 32)


def test_one_network_for_all(dock, folder, tmp_path, qtbot):
    out = tmp_path / "out"
    type_in(dock, "batch_files", folder / "?.tif")
    type_in(dock, "batch_output", out)
    dock.findChild(object, "batch_networks").setCurrentIndex(1)
    ran(dock, qtbot)
    assert read_parameters(out / "b_denoised.ome.tif")["network"] == "a.tif"
    assert "trained on" in rows(dock)["a.tif"][1]


@pytest.fixture
def held(monkeypatch):
    """Every run holds before its first event until it is let go or asked to stop."""
    real, let_go, begun = napari_blind2grad.engine.run.denoise_iter, threading.Event(), []

    def waiting(*args, should_stop, **options):
        begun.append(args)
        while not (let_go.wait(0.01) or should_stop()):
            pass
        return real(*args, should_stop=should_stop, **options)

    monkeypatch.setattr(napari_blind2grad.engine.run, "denoise_iter", waiting)
    yield begun
    let_go.set()


def begin(dock, folder, tmp_path, qtbot, held):
    type_in(dock, "batch_files", folder / "?.tif")
    type_in(dock, "batch_output", tmp_path / "out")
    dock.findChild(object, "batch_start").click()
    qtbot.waitUntil(lambda: bool(held), timeout=20_000)
    qtbot.waitUntil(lambda: rows(dock).get("a.tif", ("",))[0] == "running", timeout=10_000)


def test_stop(dock, folder, tmp_path, qtbot, held):
    begin(dock, folder, tmp_path, qtbot, held)
    stop = dock.findChild(object, "batch_stop")
    assert stop.isEnabled()
    assert not dock.findChild(object, "batch_start").isEnabled()
    assert not dock.findChild(object, "batch_files").isEnabled()
    with qtbot.waitSignal(dock.batch.over, timeout=30_000):
        stop.click()
    assert {name: status for name, (status, _) in rows(dock).items()} == {
        "a.tif": "stopped",
        "b.tif": "waiting",
    }
    assert summary(dock).startswith("0 of 2 files denoised; 2 not done (")
    assert below(tmp_path / "out") == set()
    assert len(held) == 1
    assert dock.findChild(object, "batch_start").isEnabled()
    assert not stop.isEnabled()


def test_one_training_at_a_time(viewer, dock, folder, tmp_path, qtbot, held):
    viewer.add_image(np.random.default_rng(0).poisson(50, (32, 32)).astype(np.uint16), name="X")
    begin(dock, folder, tmp_path, qtbot, held)
    with qtbot.waitSignal(dock.failed, timeout=1000) as failed:
        dock.run()
    assert "A batch goes on" in failed.args[0]
    assert not dock.running
    with qtbot.waitSignal(dock.failed, timeout=1000) as failed:
        dock.compare.start()
    assert "a batch goes on" in failed.args[0]
    with qtbot.waitSignal(dock.batch.over, timeout=30_000):
        dock.batch.stop()


def test_a_batch_waits_for_a_run(viewer, dock, folder, tmp_path, qtbot):
    viewer.add_image(np.random.default_rng(0).poisson(50, (32, 32)).astype(np.uint16), name="X")
    dock.set_config(TINY.replace(iterations=100_000))
    with qtbot.waitSignal(dock.started, timeout=20_000):
        dock.run()
    type_in(dock, "batch_files", folder)
    type_in(dock, "batch_output", tmp_path / "out")
    with qtbot.waitSignal(dock.failed, timeout=1000) as failed:
        dock.batch.start()
    assert "A run goes on" in failed.args[0]
    assert not dock.batch.running
    dock.cancel()


def test_closing_the_dock_ends_it(viewer, dock, folder, tmp_path, qtbot, held):
    begin(dock, folder, tmp_path, qtbot, held)
    worker = dock.batch._run.worker
    with qtbot.waitSignal(worker.finished, timeout=30_000):
        dock.on_dock_closed()
    assert not dock.batch.running
    assert below(tmp_path / "out") == set()


@pytest.mark.parametrize(
    ("files", "output", "words"),
    [
        ("", "out", "Choose a folder or files"),
        ("in", "", "Choose a folder for the results"),
        ("nowhere/*.tif", "out", "No TIFF or OME-Zarr"),
        ("in", "in/a.tif", "cannot be created"),
    ],
)
def test_what_stands_in_the_way_is_told(dock, folder, tmp_path, qtbot, files, output, words):
    dock.findChild(QLineEdit, "batch_files").setText(str(tmp_path / files) if files else "")
    dock.findChild(QLineEdit, "batch_output").setText(str(tmp_path / output) if output else "")
    with qtbot.waitSignal(dock.failed, timeout=20_000) as failed:
        dock.findChild(object, "batch_start").click()
    assert words in failed.args[0]
    assert words in summary(dock)
    qtbot.waitUntil(lambda: not dock.batch.running, timeout=5000)


def test_a_device_that_is_not_there_is_told_once(dock, folder, tmp_path, qtbot):
    dock.set_config(TINY.replace(device="cuda:99"))
    type_in(dock, "batch_files", folder)
    type_in(dock, "batch_output", tmp_path / "out")
    with qtbot.waitSignal(dock.failed, timeout=20_000) as failed:
        dock.findChild(object, "batch_start").click()
    assert "no device" in failed.args[0]
    assert not (tmp_path / "out").exists()


def test_the_dialogs_hold_nothing_up(dock, folder, qtbot):
    (folder_action, files_action) = dock.findChild(object, "batch_browse").menu().actions()
    folder_action.trigger()
    dialog = dock.findChild(QFileDialog, "batch_dialog")
    assert not dialog.isModal()
    dialog.fileSelected.emit(str(folder))
    dialog.reject()
    qtbot.waitUntil(lambda: len(rows(dock)) == 5, timeout=10_000)
    assert dock.findChild(QLineEdit, "batch_output").text() == str(folder / "denoised")
    files_action.trigger()
    dialog = dock.findChildren(QFileDialog, "batch_dialog")[-1]
    dialog.filesSelected.emit([str(folder / "a.tif"), str(folder / "b.tif")])
    dialog.reject()
    qtbot.waitUntil(lambda: len(rows(dock)) == 2, timeout=10_000)


def test_what_is_typed_for_files(tmp_path, monkeypatch):
    (tmp_path / "[x]").mkdir()
    (tmp_path / "a;b.tif").touch()
    (tmp_path / "z.zarr").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert patterns_in("") == patterns_in(" ; ") == []
    assert patterns_in(f"{tmp_path}/a;b.tif") == [f"{tmp_path}/a;b.tif"]
    assert patterns_in("x/*.tif;y.tif ") == ["x/*.tif", "y.tif"]
    assert patterns_in("~/z.zarr") == [f"{tmp_path}/z.zarr"]
    found = patterns_in(f"{tmp_path}/[x]")
    assert len(found) == 3
    assert all("[[]x]" in pattern for pattern in found)
