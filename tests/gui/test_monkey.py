"""A random walk over all controls of the real window, on the real engine.

About a minute in the ordinary suite; ``--monkey-minutes 30`` goes on for longer, ``--monkey-seed`` elsewhere.
"""

import ctypes
import gc
import statistics
import sys
import threading
import time
import traceback

import napari.utils.notifications as notifications
import numpy as np
import psutil
import pytest
from monkey import Monkey
from qtpy.QtCore import QCoreApplication, QEvent, QObject, QThreadPool
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLabel, QMenu, QWidget
from vispy.scene.widgets import Grid

from napari_blind2grad import preset_files
from napari_blind2grad.config import Config
from napari_blind2grad.gui import preload
from napari_blind2grad.gui import presets as preset_menu
from napari_blind2grad.gui.dock import Blind2GradWidget
from napari_blind2grad.gui.live import grid

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="under Xvfb no other program takes the focus away"
)

#: Things done between two returns to the start.
EPISODE = 60
#: Returns to the start after which caches are taken to be full.
WARM_UP = 2
#: Bytes that may be allocated more at the end of the walk than in its middle.
GROWTH = 32 * 2**20
#: Bytes that the process may grow by, too, once the allocator's arenas have their size.
ARENAS = 48 * 2**20
#: Returns to the start until they have: earlier, the process grows by 50 MB without anything being kept.
GROWN_UP = 30
START = Config(
    iterations=20, cycles=2, passes=1, width=8, depth=2, patch=32, batch=1, threads=1, device="cpu"
)


@pytest.fixture
def complaints(monkeypatch):
    """What napari would tell the user as an error, and what ends a thread."""
    found = []

    def take(kind, value, trace, *_):
        found.append("".join(traceback.format_exception(kind, value, trace)))

    monkeypatch.setattr(notifications.notification_manager, "receive_error", take)
    monkeypatch.setattr(
        threading,
        "excepthook",
        lambda args: take(args.exc_type, args.exc_value, args.exc_traceback),
    )
    return found


@pytest.fixture
def monkey(make_napari_viewer, request, tmp_path, monkeypatch):
    for where in (preset_files, preset_menu):
        monkeypatch.setattr(where, "preset_folder", lambda: tmp_path)
    viewer = make_napari_viewer(show=True)
    dock = Blind2GradWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Denoise")
    dock.window().resize(1200, 900)
    preload.start().join()
    return Monkey(viewer, dock, request.config.getoption("--monkey-seed"), tmp_path)


def forget_grids(viewer):
    """Undo that napari keeps all grids it ever drew, 2 MB for each layer in them: ours would not show."""
    canvas = viewer.window._qt_viewer.canvas
    for widget in list(canvas.central_widget._widgets):
        if isinstance(widget, Grid) and widget is not canvas.grid:
            canvas.central_widget.remove_widget(widget)


def go_home(monkey, qtbot):
    """Stop all that goes on and take everything away, as a user would who begins anew."""
    viewer, dock = monkey.viewer, monkey.dock
    dock.tuner.setChecked(False)
    dock.compare.cancel()
    dock.batch.cancel()
    dock.cancel()
    qtbot.waitUntil(lambda: not dock.compare.running and not dock.running, timeout=30_000)
    dock.compare._clear()
    for section in (dock.thresholds, dock.quality, dock.compare, dock.batch, dock.form.advanced):
        section.collapse()
    dock.swipe.box.setChecked(False)
    dock.choice.grid.setChecked(False)
    viewer.dims.ndisplay = 2
    grid(viewer).enabled = False
    viewer.layers.clear()
    forget_grids(viewer)
    dock.batch.table.setRowCount(0)
    dock.set_config(START)
    # Workers that are done tell so through the event loop, which is to be emptied too.
    assert QThreadPool.globalInstance().waitForDone(30_000)
    for _ in range(3):
        QTest.qWait(100)
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()


class MallocInfo(ctypes.Structure):
    """glibc's ``struct mallinfo2``: what all arenas hold, in bytes."""

    _names = ("arena", "ordblks", "smblks", "hblks", "hblkhd")
    _names += ("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    _fields_ = tuple((name, ctypes.c_size_t) for name in _names)


def allocated():
    """Return the bytes of images, tensors and Qt's objects, without what the allocator keeps free."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):  # another C library, or glibc before 2.33
        return psutil.Process().memory_info().rss
    libc.mallinfo2.restype = MallocInfo
    info = libc.mallinfo2()
    return info.uordblks + info.hblkhd


def growth(values):
    """Return what the last third of the second half has more than its first third, in the median."""
    half = values[len(values) // 2 :]
    third = max(1, len(half) // 3)
    return statistics.median(half[-third:]) - statistics.median(half[:third])


def census(monkey):
    """Count what may not become more."""
    verdicts = monkey.dock.quality._list  # keeps a label for each line that it ever needed
    # A menu's entries stay until it opens again, and a label keeps the document that its first rich text
    # was laid out in.
    entries = [a for menu in monkey.dock.findChildren(QMenu) for a in menu.actions()]
    labels = monkey.dock.findChildren(QLabel)
    kept = [
        o for label in labels for o in label.findChildren(QObject)
    ]  # alive, so that ids are theirs
    inner = {id(o) for o in kept}
    objects = [o for o in monkey.dock.findChildren(QObject) if id(o) not in inner]
    own = monkey.dock.findChildren(QWidget)
    threads = [t for t in threading.enumerate() if not isinstance(t, threading._DummyThread)]
    return {
        "objects in the dock": len(objects)
        - len([o for o in verdicts.findChildren(QObject) if id(o) not in inner])
        - len(entries),
        "widgets in the dock": len(own) - len(verdicts.findChildren(QWidget)),
        "other widgets": len(QApplication.allWidgets()) - len(own),
        "top-level widgets": len(QApplication.topLevelWidgets()),
        "threads": len(threads),
    }


def test_nothing_breaks_and_nothing_grows(monkey, complaints, qtbot, request):
    minutes = request.config.getoption("--monkey-minutes")
    told = []
    monkey.dock.failed.connect(told.append)
    counts, memory, alive = [], [], []
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end or len(counts) < WARM_UP + 2:
        monkey.dock.set_config(START)
        monkey.viewer.add_image(np.random.default_rng(0).poisson(40, (3, 40, 48)), name="X")
        first = len(monkey.done)
        with qtbot.captureExceptions() as exceptions:
            for _ in range(EPISODE):
                monkey.step()
                QApplication.processEvents()
                unexpected = [text for text in told if "unexpected" in text]
                trail = " · ".join(monkey.done[first:])
                assert not exceptions, f"{exceptions} after {trail}"
                assert not complaints, f"{complaints[0]} after {trail}"
                assert not unexpected, f"{unexpected} after {trail}"
                assert QApplication.activeModalWidget() is None, f"modal after {trail}"
            go_home(monkey, qtbot)
        assert not exceptions, f"{exceptions} on the way home after {trail}"
        assert not complaints, f"{complaints[0]} on the way home after {trail}"
        counts.append(census(monkey))
        memory.append(psutil.Process().memory_info().rss)
        alive.append(allocated())
    in_all = f"{[m >> 20 for m in alive]} of {[m >> 20 for m in memory]} MB"
    sys.stdout.write(f"{len(monkey.done)} steps; {counts}; {in_all}\n")
    usual, last = counts[WARM_UP - 1], counts[-1]
    assert not {name: (usual[name], last[name]) for name in last if last[name] > usual[name]}
    assert not [t.name for t in threading.enumerate() if t.name.startswith("blind2grad")]
    assert growth(alive) < GROWTH, in_all
    assert len(memory) < GROWN_UP or growth(memory) < ARENAS, in_all
