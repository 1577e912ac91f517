"""Presets in the window: kept, offered, loaded and gone back to."""

import pytest

from napari_blind2grad import preset_files as store
from napari_blind2grad.config import Config
from napari_blind2grad.gui import presets as module
from napari_blind2grad.gui.form import ParameterForm


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for where in (store, module):
        monkeypatch.setattr(where, "preset_folder", lambda: tmp_path / "presets")
    return tmp_path / "presets"


@pytest.fixture
def form(folder, qtbot):
    form = ParameterForm()
    qtbot.addWidget(form)
    return form


def test_saving_offers_the_preset(form, folder):
    form.findChild(object, "omega").setValue(1.5)
    form.menu.save(folder / "sharp")
    assert form.preset.currentText() == "sharp"
    assert not form.reset.isEnabled()  # the settings are the preset's now
    assert form.config() == Config(omega=1.5)


def test_a_preset_saved_elsewhere_is_shown_too(form, tmp_path):
    form.findChild(object, "omega").setValue(1.5)
    form.menu.save(tmp_path / "elsewhere")
    assert form.preset.currentText() == "elsewhere"
    form.findChild(object, "omega").setValue(2)
    form.reset.click()
    assert form.config() == Config(omega=1.5)


def test_choosing_and_resetting(form, folder, qtbot):
    store.save_preset(folder / "mine", Config.preset("balanced", gamma=2.0))
    form.update_presets()
    with qtbot.waitSignal(form.changed, timeout=1000):
        form.preset.setCurrentIndex(form.preset.findText("mine"))
    assert form.config() == Config.preset("balanced", gamma=2.0)
    form.findChild(object, "gamma").setValue(3.0)
    assert "Content weight γ" in form.findChild(object, "preset_help").text()
    form.menu.reset_action.trigger()
    assert form.config() == Config.preset("balanced", gamma=2.0)
    assert form.preset.currentText() == "mine"
    form.preset.setCurrentIndex(form.preset.findText("Fast"))
    assert form.config() == Config()


def test_a_file_from_elsewhere(form, tmp_path, qtbot):
    path = store.save_preset(tmp_path / "from a friend", Config(seed=9))
    with qtbot.waitSignal(form.told, timeout=1000):
        form.menu.load(path)
    assert form.config().seed == 9
    assert form.preset.currentText() == "from a friend"


def test_a_bad_file_changes_nothing(form, tmp_path, qtbot):
    path = tmp_path / "bad.json"
    path.write_text("{}")
    with qtbot.waitSignal(form.failed, timeout=1000) as failed:
        form.menu.load(path)
    assert "no preset" in failed.args[0]
    assert form.config() == Config()


def test_a_bad_file_in_the_list_leaves_the_choice(form, folder, qtbot):
    folder.mkdir()
    (folder / "bad.json").write_text("{}")
    form.update_presets()
    with qtbot.waitSignal(form.failed, timeout=1000):
        form.preset.setCurrentIndex(form.preset.findText("bad"))
    assert form.preset.currentText() == "Fast"


def test_asking_holds_nothing_up(form, folder, qtbot):
    form.show()
    form.menu.save_action.trigger()
    dialog = form.findChild(object, "preset_dialog")
    assert dialog.isVisible()
    assert not dialog.isModal()
    with qtbot.waitSignal(form.menu.saved, timeout=1000) as saved:
        dialog.fileSelected.emit(str(folder / "asked.json"))
    assert saved.args[0].exists()
    with qtbot.waitSignal(dialog.destroyed, timeout=1000):
        dialog.reject()
