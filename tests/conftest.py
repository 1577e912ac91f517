"""What holds for all tests."""

import gc
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

# Before napari is imported: settings of the user at the keyboard stay out of the tests, and theirs stay
# as they are.
_settings = tempfile.TemporaryDirectory(prefix="napari-settings-")
os.environ["NAPARI_CONFIG"] = str(Path(_settings.name) / "settings.yaml")
# Widgets that outlive their test are errors.
os.environ["NAPARI_STRICT_QT"] = "raise"

# The same examples on every machine, and no complaint about a slow one.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


def pytest_addoption(parser):
    group = parser.getgroup("monkey", "random walk over the window")
    group.addoption("--monkey-minutes", type=float, default=1.0, help="how long it goes on")
    group.addoption("--monkey-seed", type=int, default=0, help="start of its random choices")
    group.addoption("--pictures", help="folder for pictures of the scripted session")


def pytest_collection_finish():
    """Spare later garbage collections, of which runs and windows make many, the modules imported by now."""
    gc.collect()
    gc.freeze()


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "quiet: it measures time, so that no other test process may be at work meanwhile"
    )
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        locks = tempfile.TemporaryDirectory(prefix="test-locks-")
        config.add_cleanup(locks.cleanup)
        os.environ["TEST_LOCKS"] = locks.name  # the test processes inherit it


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Begin with what takes minutes, so that no process is left alone with it while the others are done."""
    items.sort(key=lambda item: item.path.parent.name != "volume")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    """Let a quiet test wait until those of the other processes are done, and hold the next ones back."""
    locks = os.environ.get("TEST_LOCKS")
    if locks is None or fcntl is None:
        return (yield)
    quiet = item.get_closest_marker("quiet") is not None
    with Path(locks, "door").open("wb") as door, Path(locks, "room").open("wb") as room:
        # Whoever waits for the room keeps the door: else the others could go in and out for ever.
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if quiet else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        return (yield)
