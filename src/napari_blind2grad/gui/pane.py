"""A scrolling column of widgets that notices when its dock is closed."""

from __future__ import annotations

from collections.abc import Iterable

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QDockWidget, QFrame, QScrollArea, QVBoxLayout, QWidget


class Pane(QWidget):
    """Content of a dock widget.

    Parameters
    ----------
    parent
        Qt parent.

    Attributes
    ----------
    content
        Parent of what :meth:`fill` lays out.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        self._dock: QDockWidget | None = None
        super().__init__(parent)
        self.content = QWidget(self)

    def fill(self, parts: Iterable[QWidget | None]) -> None:
        """Lay out `parts` from top to bottom; None draws a line."""
        layout = QVBoxLayout(self.content)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(6)
        for part in parts:
            layout.addWidget(_line(self.content) if part is None else part)
        layout.addStretch(1)
        area = QScrollArea(self)
        area.setWidget(self.content)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)

    def on_dock_closed(self) -> None:
        """Called when the dock is closed, hidden by its title bar, or gone; does nothing here."""

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Return a size at which nothing is cut off."""
        return QSize(360, 800)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Notice being put into a dock, and taken out of it."""
        super().changeEvent(event)
        if event.type() != QEvent.Type.ParentChange:
            return
        ancestor = self.parentWidget()
        while ancestor is not None and not isinstance(ancestor, QDockWidget):
            ancestor = ancestor.parentWidget()
        if ancestor is not None and ancestor is not self._dock:
            ancestor.installEventFilter(self)
        elif ancestor is None and self._dock is not None:
            self.on_dock_closed()  # napari takes the widget out when the dock is closed
        self._dock = ancestor

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 (Qt's name)
        """Notice the dock's being closed or hidden by its title bar."""
        if event.type() == QEvent.Type.Close and watched is self._dock:
            self.on_dock_closed()
        return super().eventFilter(watched, event)


def _line(parent: QWidget) -> QFrame:
    line = QFrame(parent)
    line.setFrameShape(QFrame.Shape.HLine)
    line.setFrameShadow(QFrame.Shadow.Plain)
    return line
