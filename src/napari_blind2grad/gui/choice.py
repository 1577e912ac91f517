"""Which live layers to show."""

from __future__ import annotations

from collections.abc import Set

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QWidget

from .roles import ROLES


class LayerChoice(QWidget):
    """A check box for each live layer, and one for the side-by-side view.

    Parameters
    ----------
    parent
        Qt parent.
    """

    changed = Signal(object)  # set of role keys
    side_by_side = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setVerticalSpacing(2)
        self._boxes: dict[str, QCheckBox] = {}
        for place, role in enumerate(reversed(ROLES)):
            box = QCheckBox(role.suffix, self)
            box.setObjectName(f"show_{role.key}")
            box.setToolTip(f"{role.help}\nUnticking it removes the layer.")
            box.setChecked(role.default)
            box.toggled.connect(lambda _: self.changed.emit(self.keys()))
            layout.addWidget(box, *divmod(place, 2))
            self._boxes[role.key] = box
        self.grid = QCheckBox("Side by side", self)
        self.grid.setObjectName("side_by_side")
        self.grid.setToolTip(
            "Show the input and all live layers beside each other, in napari's grid. Otherwise they "
            "lie on one another; switch them with the eyes in the layer list."
        )
        self.grid.toggled.connect(self.side_by_side)
        layout.addWidget(self.grid, (len(ROLES) + 1) // 2, 0, 1, 2)

    def keys(self) -> set[str]:
        """Return the keys of the ticked layers."""
        return {key for key, box in self._boxes.items() if box.isChecked()}

    def set_keys(self, keys: Set[str]) -> None:
        """Tick exactly `keys`, without telling of a change."""
        for key, box in self._boxes.items():
            blocked = box.blockSignals(True)
            box.setChecked(key in keys)
            box.blockSignals(blocked)
