"""Every parameter has a widget that shows it, sets it and keeps its bounds."""

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QLineEdit, QSpinBox

from napari_blind2grad.config import PRESETS, Config, parameters
from napari_blind2grad.gui.form import ParameterForm

PARAMETERS = [p for p in parameters() if p.name != "base"]


@pytest.fixture
def form(qtbot):
    form = ParameterForm()
    qtbot.addWidget(form)
    return form


def other_value(parameter):
    """A valid value that is not the default."""
    if parameter.kind is bool:
        return not parameter.default
    if parameter.kind is str:
        return next((c for c in parameter.choices if c != parameter.default), "cuda:1")
    return parameter.kind(
        parameter.low if parameter.low != parameter.default else parameter.low + parameter.step
    )


def set_by_user(widget, value):
    if isinstance(widget, QCheckBox):
        widget.click()
    elif isinstance(widget, QComboBox):
        widget.setCurrentText(value)
    elif isinstance(widget, QLineEdit):
        widget.setText(value)
        widget.editingFinished.emit()
    else:
        widget.setValue(value)


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda p: p.name)
def test_every_field_acts(form, qtbot, parameter):
    widget = form.findChild(object, parameter.name)
    value = other_value(parameter)
    with qtbot.waitSignal(form.changed, timeout=1000) as changed:
        set_by_user(widget, value)
    assert getattr(changed.args[0], parameter.name) == value
    assert form.config() == Config().replace(**{parameter.name: value})
    assert parameter.help in widget.toolTip()
    form.set_config(Config())
    assert form.config() == Config()


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda p: p.name)
def test_bounds_and_choices(form, parameter):
    widget = form.findChild(object, parameter.name)
    if isinstance(widget, QSpinBox | QDoubleSpinBox):
        assert (widget.minimum(), widget.maximum()) == (parameter.low, parameter.high)
    elif isinstance(widget, QComboBox):
        assert tuple(widget.itemText(i) for i in range(widget.count())) == parameter.choices


@pytest.mark.parametrize("name", PRESETS)
def test_presets_round_trip(form, name):
    form.set_config(Config.preset(name))
    assert form.config() == Config.preset(name)
    assert form.preset.currentData() == name


def test_choosing_a_preset_sets_everything(form, qtbot):
    with qtbot.waitSignal(form.changed, timeout=1000):
        form.preset.setCurrentIndex(form.preset.findText("Paper"))
    assert form.config() == Config.preset("paper")
    assert form.findChild(object, "lr").text() == "2e-05"


def test_edits_are_marked_and_can_be_reset(form):
    assert not form.reset.isEnabled()
    form.findChild(object, "omega").setValue(1.5)
    assert "Edge weight ω" in form.findChild(object, "preset_help").text()
    assert form.config().changes() == {"omega": 1.5}
    form.reset.click()
    assert form.config() == Config()
    assert not form.reset.isEnabled()


def test_thresholds_in_own_units(form):
    own = form.findChild(object, "eps_g_own")
    assert own.text() == "/255"
    form.set_scale([255])
    assert own.text() == "/255 ≈\u00a040"
    form.set_scale([510, 255], exact=True)
    assert own.text() == "/255 =\u00a040–80"
    form.findChild(object, "eps_g").setValue(20)
    assert own.text() == "/255 =\u00a020–40"
    form.set_scale([])
    assert own.text() == "/255"


def test_dock_fits_into_320_pixels(viewer, dock, stack):
    viewer.add_image(stack * 100, name="a layer with quite a long name indeed")
    content = dock.panel.parentWidget()
    scroll_bar = 20
    assert content.minimumSizeHint().width() <= 320 - scroll_bar


def test_a_camera_that_is_not_told_says_so_and_can_be_typed(form, qtbot):
    gain = form.findChild(QDoubleSpinBox, "gain")
    assert gain.text() == "not told"
    form.show()
    qtbot.waitExposed(form)
    form.activateWindow()
    form.advanced.expand(animate=False)
    edit = gain.lineEdit()
    for click in (qtbot.mouseClick, qtbot.mouseDClick):
        click(edit, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: edit.selectedText() == "not told")
    qtbot.keyClicks(edit, "0.35")
    qtbot.keyClick(edit, Qt.Key.Key_Return)
    assert gain.text() == "0.35"
    assert form.config().knows_noise
    assert form.config().gain == 0.35
    gain.setValue(0)
    assert gain.text() == "not told"
    assert not form.config().knows_noise
