"""Run, pause and stop, and how far the run is."""

from __future__ import annotations

import math
from enum import Enum

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from ..events import Progress
from .theme import Palette


class State(Enum):
    """What the window is doing."""

    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    ENDING = "ending"


class RunPanel(QWidget):
    """Buttons, progress bar and status line.

    Parameters
    ----------
    parent
        Qt parent.
    """

    run_clicked = Signal()
    pause_clicked = Signal()
    stop_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._palette: Palette | None = None
        self._error = False
        self.run = self._button("run", "Run", "Denoise the image (the input is never altered).")
        self.run.clicked.connect(self.run_clicked)
        self.pause = self._button("pause", "Pause", "Hold the run; Resume goes on where it was.")
        # Wide enough for both of its words, so that the row does not jump.
        width = max(self._width(self.pause, "Pause"), self._width(self.pause, "Resume"))
        self.pause.setMinimumWidth(width)
        self.pause.clicked.connect(self.pause_clicked)
        self.stop = self._button(
            "stop", "Stop and keep", "End the training now and keep what has been learnt."
        )
        self.stop.clicked.connect(self.stop_clicked)
        buttons = QHBoxLayout()
        for button in (self.run, self.pause, self.stop):
            buttons.addWidget(button, 1)
        self.progress = QProgressBar(self)
        self.progress.setObjectName("progress")
        self.progress.setRange(0, 1000)
        self.progress.setValue(0)
        self.progress.setFormat("")
        self.progress.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.status = QLabel(self)
        self.status.setObjectName("status")
        self.status.setWordWrap(True)
        self.status.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        # Room for two lines, so that the dock does not jump while a run goes on.
        self.status.setMinimumHeight(2 * self.status.fontMetrics().lineSpacing() + 10)
        self.status.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.status.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self.progress)
        layout.addWidget(self.status)
        self.set_state(State.IDLE)

    def set_state(self, state: State) -> None:
        """Enable what makes sense in `state`."""
        self.run.setEnabled(state is State.IDLE)
        self.pause.setEnabled(state in (State.RUNNING, State.PAUSED))
        self.pause.setText("Resume" if state is State.PAUSED else "Pause")
        self.stop.setEnabled(state in (State.RUNNING, State.PAUSED))

    def show_progress(self, event: Progress) -> None:
        """Move the bar and show the time left."""
        self.progress.setValue(round(1000 * event.fraction))
        self.progress.setFormat(f"{100 * event.fraction:.0f} % · {duration(event.remaining)} left")

    def clear_progress(self) -> None:
        """Set the bar back."""
        self.progress.setValue(0)
        self.progress.setFormat("")

    def show_status(self, text: str, *, error: bool = False) -> None:
        """Show a line of text; an error stands out, calmly."""
        self._error = error
        self.status.setText(text)
        self._colour()

    def set_palette(self, palette: Palette) -> None:
        """Take on the colours of napari's theme."""
        self._palette = palette
        words = "black" if QColor(palette.accent).lightness() > 160 else "white"
        self.run.setStyleSheet(
            f"QPushButton:enabled {{ background-color: {palette.accent}; color: {words}; }}"
        )
        self._colour()

    def _colour(self) -> None:
        if self._palette is None:
            return
        edge = self._palette.warning if self._error else "transparent"
        back = self._palette.raised if self._error else "transparent"
        self.status.setStyleSheet(
            f"QLabel {{ border-left: 3px solid {edge}; background: {back}; padding: 4px; }}"
        )

    def _button(self, name: str, text: str, tip: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setObjectName(name)
        button.setToolTip(tip)
        return button

    @staticmethod
    def _width(button: QPushButton, text: str) -> int:
        return button.fontMetrics().horizontalAdvance(text) + 16


def duration(seconds: float) -> str:
    """Return a duration for people: ``12 s``, ``3:05 min``, ``2:10 h``."""
    if not math.isfinite(seconds):
        return "…"
    total = max(0, round(seconds))
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60}:{total % 60:02d} min"
    return f"{total // 3600}:{total % 3600 // 60:02d} h"
