"""Real viewers with the dock in them, on a fake engine unless a test asks for the real one."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_engine import FakeEngine

from napari_blind2grad.config import Config
from napari_blind2grad.gui import preload
from napari_blind2grad.gui.dock import Blind2GradWidget


def pytest_collection_modifyitems(config, items):
    """Give the random walk the time that it was asked to take."""
    minutes = config.getoption("--monkey-minutes")
    for item in items:
        if item.path.name == "test_monkey.py":
            item.add_marker(pytest.mark.timeout(60 * minutes + 240))


@pytest.fixture
def engine(monkeypatch):
    fake = FakeEngine()
    monkeypatch.setattr(preload, "load_engine", lambda: fake)
    monkeypatch.setattr(preload, "load_applier", lambda: fake.apply)
    monkeypatch.setattr(preload, "exercise", lambda _: None)
    return fake


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def dock(viewer, engine):
    """The widget in its dock, with settings for short runs."""
    widget = Blind2GradWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Denoise")
    widget.set_config(Config(iterations=20))
    preload.start().join()
    return widget


@pytest.fixture
def stack():
    return np.random.default_rng(0).integers(100, 200, (4, 24, 32)).astype(np.uint16)


@pytest.fixture
def finish(dock, qtbot):
    """Run to the end and return the Result."""

    def run():
        with qtbot.waitSignal(dock.finished, timeout=10_000) as blocker:
            dock.run()
        return blocker.args[0]

    return run


@pytest.fixture
def begin(dock, qtbot):
    """Start a run that would take a long time, and wait until it has begun to show something."""

    def start(iterations=100_000):
        dock.set_config(dock.config().replace(iterations=iterations))
        with qtbot.waitSignal(dock.previewed, timeout=10_000):
            dock.run()
        return dock.conductor.run.worker

    return start
