"""The run's bar in napari's activity dock."""

from __future__ import annotations

import io

from napari.utils.progress import progress
from qtpy.QtGui import QMovie
from qtpy.QtWidgets import QLabel, QWidget

#: Speed of napari's spinner during a run, in percent.
_SPEED = 10


class ActivityBar:
    """A progress bar in napari's activity dock.

    The bar makes napari turn a spinner at 33 frames a second, and Qt composes the whole window anew for
    each. Without a graphics card that takes more than half of two cores away from the training, so the
    spinner is slowed down meanwhile.

    Parameters
    ----------
    text
        What goes on.
    window
        A widget in napari's window.
    """

    def __init__(self, text: str, window: QWidget) -> None:
        self._bar = progress(total=100, desc=text, file=_Silence())
        self._spinners = _spinners(window.window())
        self._set_speed(_SPEED)

    def move(self, fraction: float) -> None:
        """Show how much is done, 0 to 1."""
        percent = int(100 * fraction)
        if percent > self._bar.n:
            self._bar.update(percent - self._bar.n)

    def close(self) -> None:
        """Take the bar away."""
        self._set_speed(100)
        self._bar.close()

    def _set_speed(self, percent: int) -> None:
        for spinner in self._spinners:
            spinner.setSpeed(percent)


def _spinners(window: QWidget) -> list[QMovie]:
    movies = (label.movie() for label in window.findChildren(QLabel))
    return [movie for movie in movies if movie is not None]


class _Silence(io.TextIOBase):
    """Swallow what napari's progress bars print to a terminal beside the window."""

    def write(self, text: str) -> int:
        return len(text)
