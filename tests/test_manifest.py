"""The plugin's manifest, as napari reads it."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest
from qtpy.QtWidgets import QWidget

import napari_blind2grad
from napari_blind2grad.config import PRESETS, Config
from napari_blind2grad.gui.roles import ROLES
from napari_blind2grad.samples import planaria_like

NAME = "napari-blind2grad"
PATH = Path(napari_blind2grad.__file__).with_name("napari.yaml")


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_file(PATH)


def test_napari_finds_it(manifest):
    assert PluginManifest.from_distribution(NAME).name == manifest.name == NAME
    assert manifest.display_name == "Blind2Grad"
    assert manifest.categories == ["Image Processing"]


def test_the_link_at_the_top_leads_to_it():
    link = Path(__file__).resolve().parent.parent / "napari.yaml"
    # Git on Windows may write a link as a file that holds its target.
    target = link.readlink() if link.is_symlink() else Path(link.read_text(encoding="utf-8"))
    assert target == Path("src/napari_blind2grad/napari.yaml")
    assert (link.parent / target).is_file()


def test_every_command_exists(manifest):
    for command in manifest.contributions.commands:
        module, _, name = command.python_name.partition(":")
        assert callable(getattr(import_module(module), name))


def test_everything_refers_to_a_command(manifest):
    points = manifest.contributions
    used = {item.command for items in points.menus.values() for item in items}
    used |= {item.command for item in [*points.widgets, *points.sample_data]}
    assert used == {command.id for command in points.commands}


def test_preferences_agree_with_the_package(manifest):
    if not hasattr(manifest.contributions, "configurations"):
        pytest.skip("this npe2 knows no configurations")
    properties = manifest.contributions.configurations["window"].properties
    assert properties["preset"].enum == list(PRESETS)
    assert properties["preset"].default == Config().base
    assert properties["device"].default == Config().device
    shown = {name: p.default for name, p in properties.items() if name.startswith("show_")}
    assert shown == {f"show_{role.key}": role.default for role in ROLES}


def test_sample_opens_from_the_menu(make_napari_viewer):
    viewer = make_napari_viewer()
    clean, noisy = viewer.open_sample(NAME, "planaria_like")
    sample = planaria_like()
    assert (noisy.name, clean.name) == ("planaria-like nuclei", "planaria-like nuclei (clean)")
    np.testing.assert_array_equal(noisy.data, sample.noisy)
    np.testing.assert_array_equal(clean.data, sample.clean)
    assert noisy.visible
    assert not clean.visible
    for layer in (noisy, clean):
        assert tuple(layer.scale) == sample.scale
        assert {str(unit) for unit in layer.units} == {"micrometer"}
        assert layer.axis_labels == ("z", "y", "x")
    assert noisy.contrast_limits == clean.contrast_limits


def test_window_opens_from_the_layers_menu(make_napari_viewer):
    from napari._app_model import get_app_model

    viewer = make_napari_viewer()
    app = get_app_model()
    entries = [
        getattr(item, "command", None) for item in app.menus.get_menu("napari/layers/filter")
    ]
    (entry,) = [entry for entry in entries if entry and entry.title == "Denoise (Blind2Grad)"]
    app.commands.execute_command(entry.id).result()
    (dock,) = viewer.window._qt_window.findChildren(dock_class())
    assert dock.isVisibleTo(viewer.window._qt_window)


def test_window_opens_by_name(make_napari_viewer):
    viewer = make_napari_viewer()
    _, dock = viewer.window.add_plugin_dock_widget(NAME, "Denoise")
    assert type(dock) is dock_class()
    assert dock.findChild(QWidget, "run") is not None


def dock_class():
    return import_module("napari_blind2grad.gui.dock").Blind2GradWidget
