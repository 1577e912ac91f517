"""napari's controls of a live layer, made in turns of their own before the layer is inserted.

napari makes a layer's controls, styles them, and makes its visual and its row in the list in one go, which
holds up the window for longer than one notices: 150 ms on a slow machine. Here that takes some turns. The
container of the controls is not part of napari's public interface; where it is not as known, layers are
inserted in one go.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from napari.layers import Layer
from napari.settings import get_settings
from napari.utils.events import Event
from qtpy.QtWidgets import QMainWindow, QWidget


def main_window(widget: QWidget) -> QMainWindow | None:
    """Return the main window that `widget` is docked in, if it is docked."""
    window: Any = widget
    while window is not None and not isinstance(window, QMainWindow):
        window = window.parent()
    return window


class LayerControls:
    """Makes controls in the window that `widget` is docked in."""

    def __init__(self, widget: QWidget) -> None:
        self._container = _container(widget)
        self._layer: Layer | None = None
        self._turns: Generator[None, None, None] | None = None

    def prepare(self, layer: Layer) -> None:
        """Begin to make the controls of `layer`, which the viewer does not have yet; :meth:`step` follows."""
        self.drop()
        if self._container is not None:
            self._turns = self._make(layer)

    def step(self) -> bool:
        """Do one small thing; return whether there was anything to do."""
        if self._turns is not None:
            try:
                next(self._turns)
            except StopIteration:
                self._turns = None
            else:
                return True
        return False

    @contextmanager
    def keeping(self, layer: Layer) -> Iterator[None]:
        """Within, napari does not make the controls of `layer` a second time."""
        if self._layer is not layer:
            yield
            return
        self._layer = None
        inserted = self._container.viewer.layers.events.inserted
        with inserted.blocker(self._container._add):  # noqa: SLF001
            yield

    def drop(self) -> None:
        """Remove controls whose layer was not inserted after all."""
        if self._turns is not None:
            self._turns.close()
            self._turns = None
        if self._layer is not None:
            self._container._remove(Event("removed", value=self._layer))  # noqa: SLF001
            self._layer = None

    def _make(self, layer: Layer) -> Generator[None, None, None]:
        from napari._qt.layer_controls.qt_layer_controls_container import create_qt_layer_controls

        container = self._container
        controls = create_qt_layer_controls(layer)
        try:
            controls.hide()
            controls.setParent(container)  # whose style it takes
            yield
            for child in controls.findChildren(QWidget):
                child.ensurePolished()
            yield
        except GeneratorExit:
            controls.deleteLater()
            raise
        controls.ndisplay = container.viewer.dims.ndisplay
        container.addWidget(controls)
        container.widgets[layer] = controls
        self._layer = layer
        yield


def _container(widget: QWidget) -> Any:
    """Return the container of all layers' controls, if there is one and it works as known."""
    window = main_window(widget)
    try:
        from napari._qt.layer_controls.qt_layer_controls_container import (
            QtLayerControlsContainer,
            create_qt_layer_controls,  # noqa: F401
        )
    except ImportError:
        return None
    if getattr(get_settings().experimental, "dynamic_layer_controls", False):
        return None  # made when a layer is selected
    found = window.findChild(QtLayerControlsContainer) if window is not None else None
    known = all(hasattr(found, name) for name in ("_add", "_remove", "widgets", "viewer"))
    return found if known else None
