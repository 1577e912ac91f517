"""The form: all parameters of a run as widgets, derived from their declarations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from superqt import QCollapsible

from ..config import PRESET_HELP, PRESETS, Config, parameters
from .fields import Field, RowLabel, guard_wheel, shrinkable

#: The sections under Advanced, by parameter group.
_SECTIONS: Mapping[str, str] = {
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

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._base = "fast"
        self._locked = False
        self._scale: tuple[float, ...] = ()
        self._scale_exact = False
        self._fields: dict[str, Field] = {}
        self._own_units: dict[str, QLabel] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._preset_row())
        layout.addWidget(self._section("method"))
        self.advanced = QCollapsible("Advanced", self)
        self.advanced.setObjectName("advanced")
        self.advanced.setToolTip("Network, masks, training, machine and output")
        self.advanced.setDuration(0)
        self.advanced.layout().setContentsMargins(0, 0, 0, 0)
        self.advanced.content().layout().setContentsMargins(0, 0, 0, 0)
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
        return Config(base=self._base, **values)

    def set_config(self, config: Config) -> None:
        """Show `config` without telling of a change."""
        self._base = config.base
        for name, field in self._fields.items():
            field.set_value(getattr(config, name))
        blocked = self.preset.blockSignals(True)
        self.preset.setCurrentIndex(self.preset.findData(config.base))
        self.preset.blockSignals(blocked)
        self._mark()

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
        for name in PRESETS:
            self.preset.addItem(name.capitalize(), name)
            self.preset.setItemData(
                self.preset.count() - 1, PRESET_HELP[name], Qt.ItemDataRole.ToolTipRole
            )
        self.preset.currentIndexChanged.connect(self._on_preset)
        guard_wheel(self.preset)
        shrinkable(self.preset)
        self.reset = QToolButton(row)
        self.reset.setText("↺")
        self.reset.setAccessibleName("Reset to the preset")
        self.reset.setObjectName("reset")
        self.reset.clicked.connect(self._on_preset)
        field = QHBoxLayout()
        field.addWidget(self.preset, 1)
        field.addWidget(self.reset)
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

    def _on_preset(self) -> None:
        self.set_config(Config.preset(self.preset.currentData()))
        self._tell()

    def _on_edit(self) -> None:
        self._mark()
        self._tell()

    def _tell(self) -> None:
        self.set_scale(self._scale, exact=self._scale_exact)
        self.changed.emit(self.config())

    def _mark(self) -> None:
        """Say whether the settings still are the preset's."""
        changed = sorted(self.config().changes())
        note = f" Changed: {', '.join(changed)}." if changed else ""
        self._preset_help.setText(PRESET_HELP[self._base] + note)
        self.reset.setEnabled(bool(changed) and not self._locked)
        self.reset.setToolTip(f"Back to the {self._base} preset's own settings.")


def _short(value: float) -> str:
    """Return a number in at most five characters, where that is possible."""
    return f"{value:.0f}" if 100 <= value < 1e5 else f"{value:.3g}"
