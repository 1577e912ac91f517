"""The form: all parameters of a run as widgets, derived from their declarations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ..config import PRESET_HELP, PRESETS, Config, parameters
from ..preset_files import find_presets
from .fields import Field, RowLabel, guard_wheel, shrinkable
from .presets import PresetMenu
from .section import Section

#: The sections under Advanced, by parameter group.
_SECTIONS: Mapping[str, str] = {
    "noise": "Camera noise",
    "network": "Network",
    "sampling": "Masks and loss",
    "training": "Training and prediction",
    "run": "Machine and output",
}
#: Thresholds on the 0-255 scale, shown in the image's own units too.
_THRESHOLDS = ("eps_g", "eps_s")


class ParameterForm(QWidget):
    """Show and edit one :class:`~napari_blind2grad.config.Config`.

    Parameters
    ----------
    parent
        Qt parent.
    """

    changed = Signal(object)  # Config, after every change by the user
    told = Signal(str)  # what was done with a preset
    failed = Signal(str)  # why it could not be, in words

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._start = Config()  # what the preset on show stands for
        self._locked = False
        self._scale: tuple[float, ...] = ()
        self._scale_exact = False
        self._fields: dict[str, Field] = {}
        self._own_units: dict[str, QLabel] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._preset_row())
        layout.addWidget(self._section("method"))
        self.advanced = Section("Advanced", self)
        self.advanced.setObjectName("advanced")
        self.advanced.setToolTip("Network, masks, training, machine and output")
        for group, title in _SECTIONS.items():
            heading = QLabel(f"<b>{title}</b>", self)
            self.advanced.addWidget(heading)
            self.advanced.addWidget(self._section(group))
        layout.addWidget(self.advanced)
        self.set_config(Config())

    # ---------------------------------------------------------------------------- values

    def config(self) -> Config:
        """Return what the form shows.

        Raises
        ------
        ConfigError
            If a text is not acceptable; numbers and choices cannot leave their bounds.
        """
        values: dict[str, Any] = {name: field.value() for name, field in self._fields.items()}
        return Config(base=self._start.base, **values)

    def set_config(self, config: Config) -> None:
        """Show `config` without telling of a change."""
        self._show(config, Config.preset(config.base), config.base)

    def update_presets(self) -> None:
        """Offer the presets that are there now, the user's own after the built-in ones."""
        blocked = self.preset.blockSignals(True)
        chosen = self.preset.currentData()
        self.preset.clear()
        for name in PRESETS:
            self._offer(name.capitalize(), name, PRESET_HELP[name])
        for name, path in find_presets().items():
            self._offer(name, str(path), f"Your own preset, in {path}")
        self._at = max(0, self.preset.findData(chosen))
        self.preset.setCurrentIndex(self._at)
        self.preset.blockSignals(blocked)

    def set_value(self, name: str, value: Any) -> None:
        """Change one parameter as the user would: the change is told."""
        widget: Any = self._fields[name].widget
        widget.setValue(value)

    def apply(self, changes: Mapping[str, Any]) -> None:
        """Change several parameters at once, and tell of it."""
        config = self.config().replace(**changes)
        self._show(config, self._start, self.preset.currentData())
        self._tell()

    def set_locked(self, locked: bool) -> None:
        """Lock all that cannot change while a run goes on."""
        for field in self._fields.values():
            if not field.parameter.live:
                field.set_locked(locked)
        self._locked = locked
        why = "\nFixed while a run goes on." if locked else ""
        self.preset.setEnabled(not locked)
        self.preset.setToolTip("Where the settings start from." + why)
        self._mark()

    def set_scale(self, scale: Sequence[float], *, exact: bool = False) -> None:
        """Show the thresholds in the image's own units.

        Parameters
        ----------
        scale
            Width of the robust range of each channel in the image's own units; empty shows nothing.
        exact
            Whether the engine measured it, rather than the contrast limits suggesting it.
        """
        self._scale, self._scale_exact = tuple(scale), exact
        sign = "=" if exact else "≈"
        source = "" if exact else ", as its contrast limits suggest; exact once a run has started"
        for name, label in self._own_units.items():
            share = self._fields[name].value() / 255
            values = sorted({_short(share * width) for width in self._scale}, key=float)
            ends = "–".join(values[:: max(1, len(values) - 1)])
            label.setText(f"/255 {sign}\u00a0{ends}" if values else "/255")
            label.setToolTip(f"The threshold in the image's own units{source}.")

    # --------------------------------------------------------------------------- widgets

    def _preset_row(self) -> QWidget:
        row = QWidget(self)
        layout = QFormLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.preset = QComboBox(row)
        self.preset.setObjectName("preset")
        self.preset.setAccessibleName("Preset")
        self.update_presets()
        self.preset.currentIndexChanged.connect(self._on_preset)
        guard_wheel(self.preset)
        shrinkable(self.preset)
        self.reset = QToolButton(row)
        self.reset.setText("↺")
        self.reset.setAccessibleName("Reset to the preset")
        self.reset.setObjectName("reset")
        self.reset.clicked.connect(self._on_reset)
        self.menu = PresetMenu(self.config, row)
        self.menu.reset_chosen.connect(self._on_reset)
        self.menu.saved.connect(self._on_saved)
        self.menu.loaded.connect(self._on_loaded)
        self.menu.failed.connect(self.failed)
        self.preset.setMinimumContentsLength(4)
        field = QHBoxLayout()
        field.setSpacing(2)
        for button in (self.reset, self.menu):
            button.setFixedWidth(24)
        field.addWidget(self.preset, 1)
        field.addWidget(self.reset)
        field.addWidget(self.menu)
        layout.addRow(RowLabel("Preset", row), field)
        self._preset_help = QLabel(row)
        self._preset_help.setObjectName("preset_help")
        self._preset_help.setWordWrap(True)
        layout.addRow(self._preset_help)
        return row

    def _section(self, group: str) -> QWidget:
        section = QWidget(self)
        layout = QFormLayout(section)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for parameter in parameters():
            if parameter.group != group or parameter.name == "base":
                continue
            field = Field(parameter, self._on_edit, section)
            self._fields[parameter.name] = field
            label = RowLabel(parameter.label, section)
            label.setToolTip(field.tooltip())
            label.setBuddy(field.widget)
            if parameter.name not in _THRESHOLDS:
                layout.addRow(label, field.widget)
                continue
            own = QLabel(parameter.unit, section)
            own.setObjectName(f"{parameter.name}_own")
            own.setWordWrap(True)  # in a narrow dock, before the sign
            own.setMinimumWidth(own.fontMetrics().horizontalAdvance("≈ 12345") + 6)
            row = QHBoxLayout()
            row.addWidget(field.widget, 3)
            row.addWidget(own, 2)
            layout.addRow(label, row)
            self._own_units[parameter.name] = own
        return section

    # ----------------------------------------------------------------------------- slots

    def _show(self, config: Config, start: Config, preset: str) -> None:
        """Show `config` under `preset`, which stands for the settings `start`."""
        self._start = start
        for name, field in self._fields.items():
            field.set_value(getattr(config, name))
        blocked = self.preset.blockSignals(True)
        self._at = self.preset.findData(preset)
        self.preset.setCurrentIndex(self._at)
        self.preset.blockSignals(blocked)
        self._mark()

    def _offer(self, text: str, preset: str, tip: str) -> None:
        self.preset.addItem(text, preset)
        self.preset.setItemData(self.preset.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)

    def _on_preset(self) -> None:
        chosen = self.preset.currentData()
        if chosen not in PRESETS:
            self.preset.blockSignals(True)
            self.preset.setCurrentIndex(self._at)  # until it has been read
            self.preset.blockSignals(False)
            self.menu.load(Path(chosen))
            return
        self.set_config(Config.preset(chosen))
        self._tell()

    def _on_reset(self) -> None:
        self._show(self._start, self._start, self.preset.currentData())
        self._tell()

    def _on_saved(self, path: Path, config: Config) -> None:
        self._show_file(path, config)
        self.told.emit(f"Saved the preset {path}.")

    def _on_loaded(self, path: Path, config: Config) -> None:
        self._show_file(path, config)
        self._tell()
        self.told.emit(f"Loaded the preset “{path.stem}”.")

    def _show_file(self, path: Path, config: Config) -> None:
        """Show the preset at `path`; one from elsewhere is offered until the list is made anew."""
        self.update_presets()
        if self.preset.findData(str(path)) < 0:
            blocked = self.preset.blockSignals(True)
            self._offer(path.stem, str(path), f"A preset in {path}")
            self.preset.blockSignals(blocked)
        self._show(config, config, str(path))

    def _on_edit(self) -> None:
        self._mark()
        self._tell()

    def _tell(self) -> None:
        self.set_scale(self._scale, exact=self._scale_exact)
        self.changed.emit(self.config())

    def _mark(self) -> None:
        """Say whether the settings still are the preset's."""
        now, start = self.config().to_dict(), self._start.to_dict()
        changed = [p.label for p in parameters() if now[p.name] != start[p.name]]
        note = f" Changed: {', '.join(changed)}." if changed else ""
        own = self.preset.currentData() not in PRESETS
        about = "Your own preset." if own else PRESET_HELP[self._start.base]
        self._preset_help.setText(about + note)
        for reset in (self.reset, self.menu.reset_action):
            reset.setEnabled(bool(changed) and not self._locked)
        self.menu.load_action.setEnabled(not self._locked)
        self.reset.setToolTip(f"Back to the settings of the preset “{self.preset.currentText()}”.")


def _short(value: float) -> str:
    """Return a number in at most five characters, where that is possible."""
    return f"{value:.0f}" if 100 <= value < 1e5 else f"{value:.3g}"
