"""A/B swipe: the noisy image on the left of a line, the denoised one on its right."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QSlider, QWidget

from ..errors import Blind2GradError
from .adapter import Snapshot
from .fields import guard_wheel
from .live import METADATA, LiveLayers

_STEPS = 1000


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
        self._looks: tuple[Any, Any] = (None, None)
        self.box = QCheckBox("Swipe", self)
        self.box.setObjectName("swipe")
        self.box.setToolTip(
            "Lay the noisy image over the left part of the denoised one; the slider moves the border."
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
        return snapshot.data[tuple(region)]

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
            visible=self.slider.value() > 0,
            **look,
            **snapshot.placement(),
        )
        layers = self._viewer.layers
        selected, active = set(layers.selection), layers.selection.active
        layers.append(layer)  # above all others
        layers.selection.active = active
        layers.selection.update(selected)
        layers.selection.intersection_update(selected)
        self._layer, self._snapshot = weakref.ref(layer), snapshot
        if not source.rgb:
            denoised.events.contrast_limits.connect(self._on_limits)

    def _on_limits(self, event: Any) -> None:
        layer = self._layer()
        if layer is not None:
            layer.contrast_limits = event.source.contrast_limits

    def _remove(self) -> None:
        layer, self._layer = self._layer(), lambda: None
        self._snapshot = None
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
