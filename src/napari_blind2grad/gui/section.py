"""A part of the dock that opens and closes."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget
from superqt import QCollapsible


class Section(QCollapsible):
    """A collapsible section at once open or closed; Tab passes over what is closed.

    Parameters
    ----------
    title
        What its button says.
    parent
        Qt parent.
    """

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(title, parent, collapsedIcon="▶")
        self.setDuration(0)
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.content().layout().setContentsMargins(0, 0, 0, 0)
        # superqt makes the content 0 high, where the keyboard still finds it.
        self.content().hide()
        self.toggled.connect(self.content().setVisible)
