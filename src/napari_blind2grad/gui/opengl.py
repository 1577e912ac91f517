"""Layers are taken away with napari's own OpenGL context at hand.

napari deletes the shader programs of a removed layer while, as a rule, another context of the window is the
current one: that in which Qt puts the window together. Mesa's software renderer then forgets which program
the canvas draws with, and the next picture of a single layer ends the process.
"""

from __future__ import annotations

from typing import Any

from napari.viewer import Viewer


class DrawingContext:
    """The OpenGL context of a viewer's canvas.

    Parameters
    ----------
    viewer
        The viewer; one without a window has no such context. The way to its canvas is not part of napari's
        public interface; where it is not as known, nothing happens.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer

    def make_current(self, _event: object = None) -> None:
        """Let what is deleted now be deleted in this context."""
        window: Any = getattr(self._viewer, "window", None)
        canvas = getattr(getattr(window, "_qt_viewer", None), "canvas", None)
        scene = getattr(canvas, "_scene_canvas", None)
        if scene is not None:
            scene.set_current()
