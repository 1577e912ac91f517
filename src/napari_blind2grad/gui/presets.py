"""The menu beside the preset: save, load, and back to the preset."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QFileDialog, QMenu, QToolButton, QWidget

from ..config import Config
from ..errors import Blind2GradError
from ..preset_files import load_preset, preset_folder, save_preset

_FILTER = "Preset (*.json)"


class PresetMenu(QToolButton):
    """A button with a menu; what is asked for is asked in a window that holds nothing up.

    Parameters
    ----------
    config
        Returns the settings to save.
    parent
        Qt parent.
    """

    loaded = Signal(object, object)  # Path, Config
    saved = Signal(object, object)  # Path, Config
    failed = Signal(str)  # in words
    reset_chosen = Signal()

    def __init__(self, config: Callable[[], Config], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._config = config
        self.setObjectName("preset_menu")
        self.setText("⋯")
        self.setAccessibleName("Save and load presets")
        self.setToolTip("Save the settings as a preset, load one, or go back to the preset.")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        menu = QMenu(self)
        self.save_action = self._action(menu, "Save as preset…", "preset_save", self._ask_save)
        self.load_action = self._action(menu, "Load preset…", "preset_load", self._ask_load)
        menu.addSeparator()
        self.reset_action = self._action(
            menu, "Reset to preset", "preset_reset", self.reset_chosen.emit
        )
        self.setMenu(menu)

    def save(self, path: str | Path) -> None:
        """Write the present settings to `path`; how it went is told by a signal."""
        try:
            config = self._config()
            written = save_preset(Path(path), config)
        except Blind2GradError as error:
            self.failed.emit(str(error))
        else:
            self.saved.emit(written, config)

    def load(self, path: str | Path) -> None:
        """Read the preset at `path`; how it went is told by a signal."""
        try:
            config = load_preset(Path(path))
        except Blind2GradError as error:
            self.failed.emit(str(error))
        else:
            self.loaded.emit(Path(path), config)

    def _ask_save(self) -> None:
        dialog = self._dialog("Save the settings as a preset")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("json")
        dialog.selectFile("my preset.json")
        dialog.fileSelected.connect(self.save)
        dialog.show()

    def _ask_load(self) -> None:
        dialog = self._dialog("Load a preset")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self.load)
        dialog.show()

    def _dialog(self, title: str) -> QFileDialog:
        folder = preset_folder()
        with suppress(OSError):  # then it opens where it was last
            folder.mkdir(parents=True, exist_ok=True)
        dialog = QFileDialog(self, title, str(folder), _FILTER)
        dialog.setObjectName("preset_dialog")
        dialog.finished.connect(dialog.deleteLater)
        return dialog

    def _action(self, menu: QMenu, text: str, name: str, slot: Callable[[], object]) -> QAction:
        action = menu.addAction(text)
        action.setObjectName(name)
        action.triggered.connect(lambda _: slot())
        return action
