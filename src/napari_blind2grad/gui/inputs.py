"""The top of the dock: input layer, axes and region."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import suppress

from napari.components import ViewerModel
from napari.layers import Image, Layer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QLineEdit, QWidget

from ..axes import Axes, parse_axes
from ..errors import Blind2GradError, InputError
from ..sizes import goes_by_tiles
from .adapter import Snapshot, finest, suggested_axes, suitable, take_snapshot
from .fields import RowLabel, guard_wheel, shrinkable
from .focus import looked_at
from .live import is_live
from .regions import REGIONS, region_slices


class InputBox(QWidget):
    """Choose what to denoise.

    Parameters
    ----------
    viewer
        Its Image layers are on offer, but for those that runs have made.
    parent
        Qt parent.
    """

    changed = Signal()  # another layer, other axes or another region

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layers: list[weakref.ref[Layer]] = []
        self._axes: weakref.WeakKeyDictionary[Layer, str] = weakref.WeakKeyDictionary()
        self.combo = QComboBox(self)
        self.combo.setObjectName("input_layer")
        self.combo.setToolTip("The Image layer to denoise; it is never altered.")
        self.axes = QLineEdit(self)
        self.axes.setObjectName("axes")
        self.axes.setToolTip(
            "One letter for each dimension, in order: T time, C channel, Z depth, Y rows, X columns, "
            "S colour samples. Guessed; empty it to have it guessed again."
        )
        self.region = QComboBox(self)
        self.region.setObjectName("region")
        self.region.setToolTip(
            "What to denoise. Tune on a small region, then press Apply to stack. A rectangle is taken "
            "from the selected shapes of a Shapes layer, or the last one drawn."
        )
        for key, words in REGIONS.items():
            self.region.addItem(words, key)
        for combo in (self.combo, self.region):
            guard_wheel(combo)
            shrinkable(combo)
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        layout.addRow(RowLabel("Image", self), self.combo)
        layout.addRow(RowLabel("Axes", self), self.axes)
        layout.addRow(RowLabel("Region", self), self.region)
        self.combo.currentIndexChanged.connect(self._on_layer)
        self.axes.editingFinished.connect(self._on_axes)
        self.region.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.update_layers()

    # ---------------------------------------------------------------------------- values

    def layer(self) -> Image | None:
        """Return the chosen layer, if there is one."""
        index = self.combo.currentIndex()
        layer = self._layers[index]() if 0 <= index < len(self._layers) else None
        return layer if isinstance(layer, Image) and layer in self._viewer.layers else None

    def choose(self, layer: Image) -> None:
        """Choose `layer`, which must be on offer."""
        for index, reference in enumerate(self._layers):
            if reference() is layer:
                self.combo.setCurrentIndex(index)

    def offer_axes(self, layer: Image, axes: str) -> None:
        """Take `axes` for `layer` if they fit, and neither its labels nor the user have named any."""
        shape = finest(layer).shape
        named = not all(label.startswith("-") for label in layer.axis_labels)  # napari's are -2, -1
        if layer in self._axes or named or len(axes) != len(shape):
            return
        with suppress(InputError):
            self._axes[layer] = parse_axes(axes, shape, rgb=layer.rgb).letters
            if layer is self.layer():
                self.axes.setText(self._axes[layer])

    def offered(self) -> list[Image]:
        """Return the layers that there are to choose from."""
        return list(self._offered())

    def checked(self) -> tuple[Image, str]:
        """Return the chosen layer and its axes.

        Raises
        ------
        InputError
            If there is no layer that can be denoised, or the axes do not fit it.
        """
        layer = self.layer()
        if layer is None:
            active = self._viewer.layers.selection.active
            if active is not None and not is_live(active):
                suitable(active)
            raise InputError(
                "There is no image to denoise: open one, or drop its file on the viewer."
            )
        axes = parse_axes(self.axes.text(), finest(layer).shape, rgb=layer.rgb)
        return layer, axes.letters

    def present(self) -> tuple[Image, Snapshot]:
        """Return the chosen layer and its chosen region.

        Raises
        ------
        Blind2GradError
            If there is none that can be denoised.
        """
        layer, axes = self.checked()
        parsed = Axes(axes, tuple(finest(layer).shape))
        return layer, take_snapshot(layer, axes, self.region_of(layer, parsed))

    def region_of(self, layer: Image, axes: Axes) -> tuple[slice, ...]:
        """Return the chosen region of `layer`, one slice for each dimension; raises as :meth:`present`."""
        plane = looked_at(self._viewer, layer, axes, {})
        return region_slices(self.region_key(), self._viewer, layer, axes, plane)

    def plane(self) -> dict[str, int]:
        """Return the index along T, C and Z that the viewer shows; raises as :meth:`checked`."""
        layer, axes = self.checked()
        return looked_at(self._viewer, layer, Axes(axes, tuple(finest(layer).shape)), {})

    def describe(self) -> tuple[str, bool]:
        """Return what is chosen, in words, and whether that is a complaint."""
        try:
            layer, axes = self.checked()
        except Blind2GradError as error:
            return str(error), True
        data = finest(layer)
        sizes = " × ".join(f"{n} {c}" for c, n in zip(axes, data.shape, strict=True))
        text = f"Ready: {sizes}, {data.dtype}."
        if goes_by_tiles(data) and self.region_key() == "whole":
            text += " Too large for memory: it is denoised tile by tile, without the other layers."
        return text, False

    def region_key(self) -> str:
        """Return the chosen key of :data:`~napari_blind2grad.gui.regions.REGIONS`."""
        return str(self.region.currentData())

    def choose_region(self, key: str) -> None:
        """Choose the region `key`."""
        self.region.setCurrentIndex(self.region.findData(key))

    def set_locked(self, locked: bool) -> None:
        """Lock everything while a run goes on."""
        self.setEnabled(not locked)
        self.setToolTip("Fixed while a run goes on." if locked else "")

    # ----------------------------------------------------------------------------- slots

    def update_layers(self) -> None:
        """Follow the viewer's list of layers: insertion, removal, renaming and order."""
        before = self.layer()
        # Newest first would surprise: keep the order of the layer list, topmost at the end.
        self._layers = [weakref.ref(layer) for layer in self._offered()]
        blocked = self.combo.blockSignals(True)
        self.combo.clear()
        self.combo.addItems([layer.name for layer in self._offered()])
        if not self._layers:
            self.combo.setPlaceholderText("no image open")
        kept = [i for i, reference in enumerate(self._layers) if reference() is before]
        self.combo.setCurrentIndex(
            kept[0] if before is not None and kept else len(self._layers) - 1
        )
        self.combo.blockSignals(blocked)
        if self.layer() is not before or before is None:
            self._on_layer()

    def _offered(self) -> Iterator[Image]:
        for layer in self._viewer.layers:
            if isinstance(layer, Image) and not is_live(layer):
                yield layer

    def _on_layer(self) -> None:
        layer = self.layer()
        text = ""
        if layer is not None:
            text = self._axes.get(layer) or self._suggestion(layer)
        self.axes.setText(text)
        self.changed.emit()

    def _suggestion(self, layer: Image) -> str:
        try:
            return suggested_axes(layer)
        except InputError:
            return ""  # `checked` says what is wrong

    def _on_axes(self) -> None:
        layer = self.layer()
        if layer is not None:
            self._axes[layer] = self.axes.text().strip().upper()
            self.axes.setText(self._axes[layer] or self._suggestion(layer))
        self.changed.emit()
