"""Imports point one way, and nothing heavy loads before it is needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import napari_blind2grad

PACKAGE = "napari_blind2grad"
ROOT = Path(napari_blind2grad.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

#: What each part of the package may import of it; whatever is not listed is the base and knows only itself.
#: How options are spelled is the one thing of the command line that the window knows, to copy commands.
ALLOWED = {
    "base": {"base"},
    "io": {"base", "io"},
    "engine": {"base", "engine"},
    "quality": {"base", "quality"},
    "checkpoint": {"base", "io", "engine", "checkpoint"},
    "cluster": {"base", "cluster"},
    "volume": {"base", "io", "engine", "checkpoint", "cluster", "model", "volume"},
    "api": {"base", "engine", "checkpoint", "api"},
    "model": {"base", "io", "engine", "model"},
    "batch": {"base", "io", "engine", "checkpoint", "cluster", "model", "batch"},
    "cli.options": {"base", "io"},
    "cli": {
        "base",
        "io",
        "engine",
        "checkpoint",
        "api",
        "cluster",
        "model",
        "batch",
        "volume",
        "cli",
        "cli.options",
    },
    "gui": {
        "base",
        "io",
        "engine",
        "quality",
        "api",
        "model",
        "volume",
        "batch",
        "cli.options",
        "gui",
    },
}
GUI_LIBRARIES = {"magicgui", "napari", "pyqtgraph", "PyQt6", "PySide6", "qtpy", "superqt", "vispy"}


def _part(module: str) -> str:
    """Return the part that the dotted `module` of the package belongs to."""
    names = module.removeprefix(f"{PACKAGE}.").split(".")
    return next((p for p in (".".join(names[:2]), names[0]) if p in ALLOWED), "base")


def _imports(path: Path) -> set[str]:
    """Return the absolute names of all modules that the file imports, at any depth of its code."""
    relative = path.relative_to(ROOT.parent).with_suffix("")
    package = list(relative.parts[:-1])
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            target = ".".join([*base, *([node.module] if node.module else [])])
            if target == PACKAGE:  # from .. import config, __version__
                found.update(f"{PACKAGE}.{alias.name}" for alias in node.names)
            else:
                found.add(target)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    own = _part(".".join(path.relative_to(ROOT.parent).with_suffix("").parts))
    if path in (ROOT / "__init__.py", ROOT / "__main__.py"):
        own = "cli"  # the package's two faces may name all but the window
    for name in _imports(path):
        if name.split(".")[0] == PACKAGE:
            assert _part(name) in ALLOWED[own], f"{own} must not import {name}"
        elif own != "gui":
            assert name.split(".")[0] not in GUI_LIBRARIES, f"{own} must not import {name}"


def test_the_engine_needs_torch_and_numpy_alone():
    outside = set()
    for path in (ROOT / "engine").rglob("*.py"):
        outside |= {name.split(".")[0] for name in _imports(path)}
    assert outside - set(sys.stdlib_module_names) - {PACKAGE} <= {"numpy", "torch"}


def test_quality_needs_numpy_and_scipy_alone():
    outside = set()
    for path in (ROOT / "quality").rglob("*.py"):
        outside |= {name.split(".")[0] for name in _imports(path)}
    assert outside - set(sys.stdlib_module_names) - {PACKAGE} == {"numpy", "scipy"}


def _loaded_after(code: str) -> set[str]:
    """Return the top-level modules that a fresh Python has loaded after `code`."""
    script = f"{code}\nimport sys\nprint(*{{m.split('.')[0] for m in sys.modules}}, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import napari_blind2grad",
        "from napari_blind2grad import Config, denoise, presets, Result",
        "import napari_blind2grad.cli, napari_blind2grad.io, napari_blind2grad.samples",
    ],
)
def test_importing_loads_neither_torch_nor_a_window(code):
    assert not _loaded_after(code) & (GUI_LIBRARIES | {"scipy", "torch"})


def test_the_api_at_work_loads_no_window():
    code = """
import numpy as np
from napari_blind2grad import Config, denoise
config = Config.preset(iterations=1, cycles=1, threads=1)
denoise(np.random.default_rng(0).normal(size=(16, 16)), config=config)
"""
    loaded = _loaded_after(code)
    assert "torch" in loaded
    assert not loaded & GUI_LIBRARIES


def test_dir_and_unknown_names():
    assert {"denoise", "denoise_iter", "Config"} <= set(dir(napari_blind2grad))
    for name in napari_blind2grad.__all__:
        assert getattr(napari_blind2grad, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        napari_blind2grad.nonsense  # noqa: B018
