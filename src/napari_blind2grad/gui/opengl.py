"""Layers are taken away with napari's own OpenGL context at hand.

napari deletes the shader programs of a removed layer while, as a rule, another context of the window is the
current one: that in which Qt puts the window together. Mesa's software renderer then forgets which program
the canvas draws with, and the next picture of a single layer ends the process.
"""

from __future__ import annotations

from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QWidget

from .controls import main_window


class DrawingContext:
    """The OpenGL context of the canvas in a window.

    Parameters
    ----------
    widget
        A widget docked in the window.
    """

    def __init__(self, widget: QWidget) -> None:
        self._widget = widget

    def make_current(self, _event: object = None) -> None:
        """Let what is deleted now be deleted in this context; without a canvas there is nothing to do."""
        window = main_window(self._widget)
        middle = window.centralWidget() if window is not None else None
        canvas = middle.findChild(QOpenGLWidget) if middle is not None else None
        if canvas is not None and canvas.isValid():
            canvas.makeCurrent()
