"""Layers that do not fit into memory: denoised tile by tile, and never read in the GUI thread."""

from __future__ import annotations

import gc
import shutil
import threading
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
import zarr
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QFileDialog, QMenu

from napari_blind2grad import Config, denoise_volume, sizes
from napari_blind2grad.errors import InputError
from napari_blind2grad.gui import preload, scratch
from napari_blind2grad.gui.adapter import take_snapshot
from napari_blind2grad.gui.dock import Blind2GradWidget
from napari_blind2grad.gui.parts import Part
from napari_blind2grad.io import read_image
from napari_blind2grad.volume import sample
from napari_blind2grad.volume import stream as stream_module

TINY = Config(
    iterations=6, cycles=2, width=4, depth=1, fold=1, patch=32, passes=1, threads=1, device="cpu"
)
ENDLESS = 100_000


class Lazy:
    """An array that notes who reads how much of it, and can be told to do something first."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.ndim = array, array.shape, array.dtype, array.ndim
        self.reads = []
        self.then = lambda: None

    def __getitem__(self, region):
        part = self.array[region]
        self.reads.append((threading.current_thread(), part.size))
        self.then()
        return part

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("read as a whole")

    def by_window(self):
        """Sizes of what the GUI thread has read."""
        return [size for thread, size in self.reads if thread is threading.main_thread()]


@pytest.fixture
def lazy():
    rng = np.random.default_rng(0)
    clean = 60 + 40 * np.sin(np.arange(6 * 64 * 48).reshape(6, 64, 48) / 7)
    return Lazy(rng.poisson(clean).astype(np.uint16))


@pytest.fixture
def dock(viewer, monkeypatch, tmp_path):
    """The real engine, for which large images begin early, in tiles of a part of a plane."""
    monkeypatch.setattr(sizes, "WHOLE", 10_000)
    monkeypatch.setattr(sample, "SIZE", 20_000)
    monkeypatch.setattr(sample, "SIDE", 32)
    monkeypatch.setattr(stream_module, "choose_tile", lambda *_: (2, 32, 48))
    monkeypatch.setattr(scratch, "cache", lambda: tmp_path / "cache")
    widget = Blind2GradWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Denoise")
    widget.set_config(TINY)
    preload.start().join()
    return widget


def add(viewer, lazy):
    layer = viewer.add_image(
        lazy,
        name="X",
        scale=(2, 0.5, 0.25),
        translate=(1, 2, 3),
        units=("um",) * 3,
        axis_labels=("z", "y", "x"),
        contrast_limits=(0, 200),
    )
    lazy.reads.clear()
    return layer


def run(dock, qtbot):
    with qtbot.waitSignal(dock.finished, timeout=60_000) as finished:
        dock.run()
    return finished.args[0]


def test_a_lazy_layer_is_denoised_tile_by_tile_and_saved(viewer, dock, lazy, qtbot, tmp_path):
    layer = add(viewer, lazy)
    assert "tile by tile" in dock.panel.status.text()
    made = []
    with qtbot.waitSignal(dock.finished, timeout=60_000) as finished:
        dock.run()
        dock.conductor.run.filled.connect(made.extend)
    result = finished.args[0]
    # Whole, as the command line makes it, and laid out as the input.
    assert [other.name for other in viewer.layers] == ["X", "X denoised"]
    shown = viewer.layers["X denoised"]
    expected = tmp_path / "expected.ome.zarr"
    denoise_volume(lazy.array, expected, "ZYX", result.config)
    np.testing.assert_array_equal(np.asarray(shown.data), read_image(expected).data)
    for name in ("scale", "translate", "units", "axis_labels"):
        np.testing.assert_array_equal(getattr(shown, name), getattr(layer, name))
    assert isinstance(shown.data, Part)
    assert result.tiles == 6
    assert len(set(made)) == 6
    record = shown.metadata["blind2grad"]
    assert record["finished"]
    assert record["config"] == result.config.to_dict()
    # The window itself has read what it showed of the input, a plane at a time, and nothing else.
    assert set(lazy.by_window()) <= {64 * 48}
    assert max(size for _, size in lazy.reads) <= lazy.array.size / 2
    assert "Done" in dock.panel.status.text()
    assert "cache" in dock.noise.text()
    assert read_image(shown.data.path).units["Z"] == "µm"
    # Saved part by part, in both formats.
    for name in ("a.ome.zarr", "a.ome.tif"):
        with qtbot.waitSignal(dock.saver.saved, timeout=20_000):
            dock.save(tmp_path / name)
        written = read_image(tmp_path / name)
        np.testing.assert_array_equal(written.data, read_image(expected).data)
        assert written.scale == {"Z": 2.0, "Y": 0.5, "X": 0.25}
    dock.findChild(object, "save").click()
    dialog = dock.findChild(QFileDialog, "save_dialog")
    assert dialog.selectedNameFilter().startswith("OME-Zarr")
    dialog.reject()
    # What repeats it goes tile by tile, too.
    assert "denoise_volume(image, 'X_denoised.ome.zarr', axes='ZYX'" in dock.python()
    # What would have to hold it all says so.
    dock.compare.start()
    assert "too large" in dock.compare._status.text()
    with pytest.raises(InputError, match="smaller region"):
        take_snapshot(layer).array()
    dock.run(warm=result.state)
    assert not dock.running
    assert "Tuning needs" in dock.panel.status.text()
    # A region of it that fits goes the usual way, with all layers.
    viewer.dims.set_point(0, 5)
    dock.input.choose_region("plane")
    small = run(dock, qtbot)
    assert small.image.shape == (1, 64, 48)
    assert "X dual mask" in viewer.layers


def test_stop_keeps_what_there_is(viewer, dock, lazy, qtbot):
    add(viewer, lazy)
    # During the training: the network.
    dock.set_config(TINY.replace(iterations=ENDLESS))
    stop = dock.conductor.progressed.connect(lambda event: event.iteration and dock.stop())
    assert run(dock, qtbot).stopped
    dock.conductor.progressed.disconnect(stop)
    assert not dock.running
    assert "there is no image" in dock.panel.status.text()
    assert "X denoised" not in viewer.layers
    assert dock.reuse.network is not None
    # During the tiles: those that are made.
    dock.set_config(TINY)
    hold, made = threading.Event(), set()

    def reading():
        # The worker may read before its arrays are there, and the judge after the run.
        run = dock.conductor.run
        arrays = run and run.worker.arrays
        aside = threading.current_thread() is not threading.main_thread()
        if aside and arrays and arrays.done == 2:
            hold.wait(20)  # until Stop was pressed

    lazy.then = reading
    with qtbot.waitSignal(dock.finished, timeout=60_000) as finished:
        dock.run()
        dock.conductor.run.filled.connect(
            lambda tiles: (made.update(tiles), len(made) == 2 and (dock.stop(), hold.set()))
        )
    assert finished.args[0].stopped
    assert not dock.running
    assert not set(lazy.by_window()) - {64 * 48}
    assert "2 of 6 tiles" in dock.panel.status.text()
    data = np.asarray(viewer.layers["X denoised"].data)
    assert data[:2].all()
    assert not data[2:].any()
    assert viewer.layers["X denoised"].metadata["blind2grad"]["stopped"]
    # What was broken off goes with its layer.
    path = viewer.layers["X denoised"].data.path
    assert path.exists()
    viewer.layers.remove("X denoised")
    qtbot.waitUntil(lambda: gc.collect() >= 0 and not path.exists(), timeout=5000)


def test_the_worker_ends_soon(viewer, dock, lazy, qtbot):
    layer = add(viewer, lazy)
    dock.set_config(TINY.replace(iterations=ENDLESS))
    # Before there is anything to train on.
    blocked, go_on, count = threading.Event(), threading.Event(), []

    def reading():
        if threading.current_thread() is not threading.main_thread():
            count.append(1)
            blocked.set()
            go_on.wait(20)

    lazy.then = reading
    dock.run()
    worker = dock.conductor.run.worker
    qtbot.waitUntil(blocked.is_set, timeout=20_000)
    with qtbot.waitSignal(worker.finished, timeout=5000):
        dock.stop()
        go_on.set()
    assert len(count) == 1  # nothing more is read
    qtbot.waitUntil(lambda: not dock.running, timeout=1000)
    assert "Ended" in dock.panel.status.text()
    # While it trains.
    lazy.then = lambda: None
    for end in (dock.cancel, lambda: viewer.layers.remove(layer), dock.parent().close):
        if layer not in viewer.layers:
            add(viewer, lazy)
        with qtbot.waitSignal(dock.conductor.progressed, timeout=30_000):
            dock.run()
        worker = dock.conductor.run.worker
        with qtbot.waitSignal(worker.finished, timeout=5000):
            end()
        assert not dock.running


def test_a_network_is_applied_and_a_file_goes_with_its_layer(viewer, dock, qtbot):
    data = np.random.default_rng(0).poisson(60, (2, 2, 64, 48)).astype(np.uint16)
    viewer.add_image(
        da.from_array(data, chunks=(1, 1, 64, 32)),
        name="X",
        axis_labels=("z", "t", "y", "x"),
        contrast_limits=(0, 200),
    )
    dock.set_config(TINY.replace(dtype="input"))
    run(dock, qtbot)
    first = viewer.layers["X denoised"].data.path
    menu = dock.reuse.findChild(QMenu)
    menu.aboutToShow.emit()
    (action,) = [a for a in menu.actions() if a.text() == "X"]
    with qtbot.waitSignal(dock.finished, timeout=60_000) as finished:
        action.trigger()
    assert finished.args[0].iterations == 0
    shown = viewer.layers["X denoised"]
    assert shown.data.shape == data.shape
    stored = read_image(shown.data.path)
    assert stored.axes == "TZYX"
    np.testing.assert_array_equal(np.asarray(shown.data), stored.data.transpose(1, 0, 2, 3))
    assert abs(float(stored.data.mean()) - data.mean()) < 2
    # A whole result stays; one that another run replaces goes.
    assert shown.data.path != first
    # The quality panel may still be looking at it, in a thread that collecting holds up.
    assert QThreadPool.globalInstance().waitForDone(60_000)
    qtbot.waitUntil(lambda: gc.collect() >= 0 and not first.exists(), timeout=5000)
    assert shown.data.path.exists()


def test_no_room_is_told(viewer, dock, lazy, qtbot, monkeypatch, tmp_path):
    add(viewer, lazy)
    full = SimpleNamespace(total=10, free=1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with qtbot.waitSignal(dock.failed, timeout=20_000) as failed:
        dock.run()
    assert "disk" in failed.args[0]
    assert not any((tmp_path / "cache").iterdir())
    assert "X denoised" not in viewer.layers
    monkeypatch.undo()
    monkeypatch.setattr(scratch, "cache", lambda: tmp_path / "cache")
    inside = tmp_path / "in.ome.zarr" / "0"
    inside.mkdir(parents=True)
    (inside.parent / "zarr.json").write_text("{}")
    assert scratch._outside_of_zarr(inside) == inside.parent


def test_parts_read_what_is_asked():
    array = np.arange(2 * 3 * 5 * 7).reshape(2, 3, 5, 7)
    stored = zarr.array(array.transpose(2, 0, 3, 1))
    part = Part(stored, [slice(1, 4), slice(None), slice(2, 7), slice(None)], order=[1, 3, 0, 2])
    same = array[:, :, 1:4, 2:7]
    assert part.shape == same.shape
    assert (part.ndim, part.size, part.nbytes) == (4, same.size, same.nbytes)
    for index in (
        (0, slice(None), 1),
        (slice(None), np.int64(2), Ellipsis, slice(1, 4, 2)),
        (1, -1, 2, 3),
        -1,
        Ellipsis,
    ):
        np.testing.assert_array_equal(part[index], same[index])
