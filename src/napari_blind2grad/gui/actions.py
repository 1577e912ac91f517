"""The buttons at the bottom of the dock: apply, save and copy."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QPushButton, QWidget

from .shortcuts import with_keys


class ActionBar(QWidget):
    """What to do with the settings and the result.

    Parameters
    ----------
    parent
        Qt parent.
    """

    apply_clicked = Signal()
    save_clicked = Signal()
    copy_python_clicked = Signal()
    copy_command_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._apply = QPushButton("Apply to stack", self)
        self._apply.setObjectName("apply")
        self._apply.clicked.connect(lambda _: self.apply_clicked.emit())
        self._save = QPushButton("Save…", self)
        self._save.setObjectName("save")
        self._save.clicked.connect(lambda _: self.save_clicked.emit())
        python = QPushButton("Copy as Python", self)
        python.setObjectName("copy_python")
        python.setToolTip("Copy Python code that does the same without the window.")
        python.clicked.connect(lambda _: self.copy_python_clicked.emit())
        command = QPushButton("Copy as command", self)
        command.setObjectName("copy_command")
        command.setToolTip("Copy a command line that does the same without napari.")
        command.clicked.connect(lambda _: self.copy_command_clicked.emit())
        for place, button in enumerate((self._apply, self._save, python, command)):
            layout.addWidget(button, *divmod(place, 2))

    def enable(self, *, apply: bool, save: bool) -> None:
        """Enable what makes sense now, and say in tool tips why the rest does not."""
        self._apply.setEnabled(apply)
        tip = (
            "Run the present settings on the whole image, from the start."
            if apply
            else "After a run on a region: run the same settings on the whole image."
        )
        self._apply.setToolTip(with_keys("apply", tip))
        self._save.setEnabled(save)
        self._save.setToolTip(
            "Write the denoised image with its axes, pixel sizes, units and type."
            if save
            else "There is nothing to save yet: run first."
        )
