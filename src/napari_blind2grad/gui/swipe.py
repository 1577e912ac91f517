"""A/B swipe: the noisy image on the left of a line, the denoised one on its right."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QSlider, QWidget

from ..errors import Blind2GradError
from .adapter import Snapshot, unit_factors, world_to_data
from .fields import guard_wheel
from .live import METADATA, LiveLayers, camera

_STEPS = 1000
#: So many pixels of the canvas from the border a press still takes hold of it.
_REACH = 12


def _dragging(swipe: Callable[[], Swipe | None]) -> Callable[[Any, Any], Iterator[None]]:
    """Return what napari is to call when a mouse button is pressed on the canvas."""

    def drag(viewer: Any, event: Any) -> Iterator[None]:
        box = swipe()
        try:
            _, away = box.border_at(event.position) if box is not None else (0.0, np.inf)
        except LookupError:
            return
        if box is None or away > _REACH or event.button != 1 or event.modifiers:
            return
        view = camera(viewer)
        before, view.mouse_pan = view.mouse_pan, False  # the border moves, and not the image
        try:
            yield
            while event.type == "mouse_move":
                with suppress(LookupError):
                    where, _ = box.border_at(event.position)
                    box.slider.setValue(round(_STEPS * min(max(where, 0.0), 1.0)))
                yield
        finally:
            view.mouse_pan = before

    return drag


class Swipe(QWidget):
    """The switch and the slider.

    What lies over the denoised image is a layer that shows the left columns of the input, by reference:
    moving the line copies nothing, and planes, scale and colours are the input's own.

    Parameters
    ----------
    viewer
        Where it is shown.
    scene
        Returns the input, its live layers and the region that they show; raises
        :class:`~napari_blind2grad.errors.Blind2GradError` if there is none.
    parent
        Qt parent.
    """

    failed = Signal(str)  # in words

    def __init__(
        self,
        viewer: ViewerModel,
        scene: Callable[[], tuple[Image, LiveLayers, Snapshot]],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._scene = viewer, scene
        self._layer: Callable[[], Image | None] = lambda: None
        self._snapshot: Snapshot | None = None
        # One and the same object for adding and removing; it holds no widget, which Qt may delete first.
        self._drag = drag = _dragging(weakref.ref(self))

        def let_go(_: object = None) -> None:
            with suppress(ValueError):  # it is not there
                viewer.mouse_drag_callbacks.remove(drag)

        self._let_go = let_go
        self.destroyed.connect(let_go)
        self.box = QCheckBox("Swipe", self)
        self.box.setObjectName("swipe")
        self.box.setToolTip(
            "Lay the noisy image over the left part of the denoised one. Drag the border on the image, or "
            "the slider."
        )
        self.box.toggled.connect(self._on_toggled)
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setObjectName("swipe_position")
        self.slider.setAccessibleName("Border between noisy and denoised")
        self.slider.setToolTip("How much of the noisy image is shown, from the left.")
        self.slider.setRange(0, _STEPS)
        self.slider.setValue(_STEPS // 2)
        self.slider.setPageStep(_STEPS // 10)
        self.slider.setEnabled(False)
        self.slider.setMinimumWidth(60)
        self.slider.valueChanged.connect(lambda _: self.update_layer())
        guard_wheel(self.slider)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.box)
        row.addWidget(self.slider, 1)

    def toggle(self) -> None:
        """Switch it on or off."""
        self.box.toggle()

    def on_removed(self, layer: object) -> None:
        """Switch it off if `layer`, which the viewer no longer has, was what it shows."""
        if layer is not None and layer is self._layer():
            self._layer = lambda: None
            self._let_go()
            self._set_on(on=False)

    def update_layer(self) -> None:
        """Show what the line and the present run ask for."""
        if not self.box.isChecked():
            return
        try:
            source, live, snapshot = self._scene()
            denoised = live.layer("denoised")
        except Blind2GradError:
            denoised = None
        if denoised is None:
            self.close_layer()
            return
        part = self._part(snapshot)
        layer = self._layer()
        if layer is None or layer not in self._viewer.layers or snapshot is not self._snapshot:
            self._remove()
            self._add(source, denoised, snapshot, part)
        else:
            layer.data = part
            layer.visible = self.slider.value() > 0

    def close_layer(self) -> None:
        """Switch it off."""
        self._remove()
        self._set_on(on=False)

    def _part(self, snapshot: Snapshot) -> Any:
        """Return the columns on the left of the line, of the region; at least one."""
        axis = snapshot.axes.letters.index("X")
        start, stop, _ = snapshot.region[axis].indices(snapshot.data.shape[axis])
        end = start + max(1, round((stop - start) * self.slider.value() / _STEPS))
        region = list(snapshot.region)
        region[axis] = slice(start, end)
        return replace(snapshot, region=tuple(region)).lazy()

    def _add(self, source: Image, denoised: Image, snapshot: Snapshot, part: Any) -> None:
        look: dict[str, Any] = {}
        if not source.rgb:
            look = {
                "colormap": source.colormap,
                "gamma": source.gamma,
                "contrast_limits": denoised.contrast_limits,
            }
        layer = Image(
            part,
            name=f"{snapshot.name} swipe",
            rgb=source.rgb,
            metadata={METADATA: {"swipe": True}},
            **look,
            **snapshot.placement(),
        )
        layers = self._viewer.layers
        selected, active = set(layers.selection), layers.selection.active
        layers.append(layer)  # above all others
        # Not before: napari cannot add a colour layer that is hidden while it shows three dimensions.
        layer.visible = self.slider.value() > 0
        layers.selection.active = active
        layers.selection.update(selected)
        layers.selection.intersection_update(selected)
        self._layer, self._snapshot = weakref.ref(layer), snapshot
        self._let_go()
        self._viewer.mouse_drag_callbacks.append(self._drag)
        if not source.rgb:
            denoised.events.contrast_limits.connect(self._on_limits)

    def border_at(self, point: Sequence[float]) -> tuple[float, float]:
        """Return where the world coordinates `point` lie from the image's left (0) to its right (1).

        The second number is how many pixels of the canvas they are away from the border.

        Raises
        ------
        LookupError
            If no border is to be seen, as in 3D.
        """
        layer, snapshot = self._layer(), self._snapshot
        if layer is None or snapshot is None or not self._viewer.dims.ndisplay == 2:
            raise LookupError
        axis = snapshot.axes.letters.index("X")
        width = snapshot.shape[axis]
        if self._viewer.dims.ndim < layer.ndim or not (
            {axis, snapshot.axes.letters.index("Y")}
            == {d - self._viewer.dims.ndim + layer.ndim for d in self._viewer.dims.displayed}
        ):
            raise LookupError
        units = getattr(self._viewer.dims, "units", None)
        x = float(world_to_data(layer, point, units)[axis]) + 0.5  # pixel 0 begins at -0.5
        # How long a step of one pixel along X is in the world, and so on the canvas.
        start, step = np.zeros(layer.ndim), np.zeros(layer.ndim)
        step[axis] = 1
        world = np.asarray(layer.data_to_world(step)) - np.asarray(layer.data_to_world(start))
        if units is not None and len(units) >= layer.ndim:
            world = world / unit_factors(units[-layer.ndim :], layer.units)
        away = abs(x - layer.data.shape[axis]) * np.linalg.norm(world) * camera(self._viewer).zoom
        return x / width, float(away)

    def _on_limits(self, event: Any) -> None:
        layer = self._layer()
        if layer is not None:
            layer.contrast_limits = event.source.contrast_limits

    def _remove(self) -> None:
        layer, self._layer = self._layer(), lambda: None
        self._snapshot = None
        self._let_go()
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _set_on(self, *, on: bool) -> None:
        with QSignalBlocker(self.box):
            self.box.setChecked(on)
        self.slider.setEnabled(on)

    def _on_toggled(self, on: bool) -> None:
        self.slider.setEnabled(on)
        if not on:
            self._remove()
            return
        self.update_layer()
        if not self.box.isChecked():
            self.failed.emit("There is nothing to compare with the noisy image yet: run first.")
