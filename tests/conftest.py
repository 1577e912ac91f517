"""What holds for all tests."""

import gc
import os
import tempfile
from pathlib import Path

from hypothesis import settings

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
