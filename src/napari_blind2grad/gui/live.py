"""The live layers beside the input: made once, then redrawn in place."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from .adapter import Snapshot
from .arrays import LiveArrays
from .controls import LayerControls
from .roles import ROLES, Role
from .stored import StoredImage
from .theme import mask_colormap

#: Key of ``layer.metadata`` that holds what made a layer.
METADATA = "blind2grad"

#: Roles whose contrast limits come from the first preview that shows anything.
_MEASURED = frozenset({"gradient", "gradient_deviation", "residual"})


def is_live(layer: Layer) -> bool:
    """Whether `layer` was made by a run."""
    return METADATA in layer.metadata


def grid(viewer: ViewerModel) -> Any:
    """Return the viewer's grid model, which moved in napari 0.9."""
    canvas = getattr(viewer, "canvas", None)
    return viewer.grid if canvas is None else canvas.grid


def camera(viewer: ViewerModel) -> Any:
    """Return the viewer's camera model, which moved in napari 0.9."""
    return getattr(viewer, "scene", viewer).camera


def _without_drawing_tools(layer: Labels) -> None:
    """Put off making what napari draws polygons and strokes with until a tool is chosen.

    It is half of the time that showing a Labels layer takes, and this one is made to be looked at.
    """
    overlays = [o for o in getattr(layer, "_overlays", {}).values() if o.visible]
    for overlay in overlays:
        overlay.visible = False

    def bring_back() -> None:
        for overlay in overlays:
            overlay.visible = True

    layer.events.mode.connect(bring_back)


@dataclass
class _Entry:
    """One layer, the name we asked for, the name napari gave it, and the array it shows.

    `measure` says that its contrast limits wait for a plane that shows anything.
    """

    layer: weakref.ref[Layer]
    asked: str
    given: str
    array: np.ndarray
    measure: bool

    def let_go(self) -> None:
        """Forget the array: its layer is no more."""
        self.array = np.zeros(0)


class LiveLayers:
    """The layers of the runs on one input.

    Parameters
    ----------
    viewer
        Where they are shown.
    source
        The input layer.
    """

    def __init__(self, viewer: ViewerModel, source: Image) -> None:
        self._viewer = viewer
        self._source = weakref.ref(source)
        self._entries: dict[str, _Entry] = {}
        self._record: dict[str, Any] = {}
        self._snapshot: Snapshot | None = None
        self._arrays: LiveArrays | None = None
        self._made: tuple[Role, Layer, np.ndarray] | None = None
        self._controls: LayerControls | None = None
        self._measured_at: Mapping[str, int] | None = None
        self.wanted: set[str] = set()

    def begin(
        self, snapshot: Snapshot, arrays: LiveArrays, controls: LayerControls | None = None
    ) -> None:
        """Show the arrays of a new run, in the layers of the last one where they are still there.

        With `controls`, making those of a layer is a step of its own.
        """
        self._controls = controls
        self._snapshot = snapshot
        self._arrays = arrays
        self._made = None
        self._measured_at = None
        self._record = {"finished": False}
        # Let go of what the user renamed, and of what the new arrays do not fit into.
        self._entries = {
            role.key: self._entries[role.key]
            for role in ROLES
            if (layer := self.layer(role.key)) is not None
            and self._entries[role.key].asked == self._name(role)
            and layer.ndim == len(snapshot.scale)
        }

    @property
    def arrays(self) -> LiveArrays | None:
        """What the layers show, if there was a run."""
        return self._arrays

    @property
    def snapshot(self) -> Snapshot | None:
        """What that run was on."""
        return self._snapshot

    def want(self, keys: set[str]) -> None:
        """Choose which layers there are. Those that went out of favour are removed at once."""
        for key in self.wanted - keys:
            if (layer := self.layer(key)) is not None:
                self._viewer.layers.remove(layer)
        self.wanted = set(keys)

    def layer(self, key: str) -> Layer | None:
        """Return the layer of the role `key`, if it exists and still bears the name that we gave it."""
        entry = self._entries.get(key)
        layer = entry.layer() if entry is not None else None
        if entry is None or layer not in self._viewer.layers or layer.name != entry.given:
            return None
        return layer

    def ready(self, key: str) -> bool:
        """Whether the layer of the role `key` is there and shows the arrays of this run."""
        made = self._arrays is not None and self.layer(key) is not None
        return made and self._entries[key].array is self._arrays.get(key)  # type: ignore[union-attr]

    def set_limits(self, index: Mapping[str, int]) -> None:
        """Set the contrast limits that are still due from the plane at `index`, if it shows anything.

        Those of layers that are made later come from there too.
        """
        assert self._arrays is not None
        self._measured_at = index
        for role in ROLES:
            layer = self.layer(role.key)
            if layer is None or not self._entries[role.key].measure or not self.ready(role.key):
                continue
            plane = self._entries[role.key].array[self._arrays.map_axes.plane_slices(index)]
            step = max(1, min(plane.shape) // 256)  # plenty, and does not hold up the window
            high = float(np.percentile(np.abs(plane[::step, ::step]), 99.5))
            if high > 0:
                low = -high if role.symmetric else 0.0
                layer.contrast_limits_range = layer.contrast_limits = (low, high)
                self._entries[role.key].measure = False

    def step(self) -> bool:
        """Do one small thing: make a layer or its controls, show it, or give it its new array.

        Return whether there was anything to do.
        """
        if self._arrays is None or self._source() is None:
            return False
        if self._made is not None:
            if self._controls is not None and self._controls.step():
                return True
            self._show(*self._made)
            self._made = None
            return True
        for role in reversed(ROLES):
            array = self._arrays.get(role.key)
            if role.key not in self.wanted or array is None:
                continue
            layer = self.layer(role.key)
            if layer is None:
                self._make(role, array)
                return True
            if layer is not None and self._entries[role.key].array is not array:
                self._exchange(role, layer, array)
                self._set_late_limits()
                return True
        return False

    def refresh(self) -> None:
        """Redraw the visible layers: the displayed plane of their arrays has changed."""
        for key in self.wanted:
            layer = self.layer(key)
            if layer is not None and layer.visible:
                layer.refresh(thumbnail=False, extent=False, highlight=False)

    def show_past(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Show other arrays of the same shapes until :meth:`show_present` or the end of the run."""
        for key, array in arrays.items():
            if (layer := self.layer(key)) is not None:
                layer.data = array

    def show_present(self) -> None:
        """Show the run's own arrays again."""
        for key, entry in self._entries.items():
            if (layer := self.layer(key)) is not None and layer.data is not entry.array:
                layer.data = entry.array

    def _set_late_limits(self) -> None:
        """Set those of a layer that came, or got the run's array, after the preview they are taken from."""
        if self._measured_at is not None:
            self.set_limits(self._measured_at)

    def finish(self, record: Mapping[str, Any]) -> None:
        """Store in every layer what made it; :meth:`step` until nothing is left to do follows."""
        self._record = dict(record)
        if self._arrays is not None:
            axes = self._arrays.map_axes
            self.set_limits({letter: axes.length(letter) // 2 for letter in axes.planes})
        for key in self.wanted:
            if (layer := self.layer(key)) is not None:
                layer.metadata[METADATA] = self._record

    def show_all(self, visible: bool) -> None:
        """Show or hide every live layer but the denoised image, which is always shown."""
        for key in self.wanted:
            if (layer := self.layer(key)) is not None:
                layer.visible = visible or key == "denoised"

    def needs_residual(self) -> bool:
        """Whether there was a run, but one that kept no residual."""
        return self._arrays is not None and self._arrays.residual is None

    def make_residual(self) -> None:
        """Compute the residual of a finished run; meant for a worker thread."""
        if self._arrays is not None:
            self._arrays.make_residual()

    # ------------------------------------------------------------------------- one layer

    def _name(self, role: Role) -> str:
        assert self._snapshot is not None
        return f"{self._snapshot.name} {role.suffix}"

    def _exchange(self, role: Role, layer: Layer, array: np.ndarray) -> None:
        assert self._snapshot is not None
        before, self._entries[role.key].array = self._entries[role.key].array, array
        if isinstance(before, StoredImage):
            before.keep(False)  # it is replaced
        layer.data = array
        layer.metadata[METADATA] = self._record
        # The input may have been given another scale or place since the last run.
        for name, value in self._snapshot.placement().items():
            if not np.array_equal(np.asarray(getattr(layer, name)), np.asarray(value)):
                setattr(layer, name, value)

    def _make(self, role: Role, array: np.ndarray) -> None:
        assert self._snapshot is not None
        options = {
            "name": self._name(role),
            "metadata": {METADATA: self._record},
            "visible": role.key == "denoised" or grid(self._viewer).enabled,
            **self._snapshot.placement(),
        }
        make = self._labels if role.key == "dual_mask" else self._image
        layer = make(role, array, options)
        self._made = role, layer, array
        if self._controls is not None:
            self._controls.prepare(layer)

    def abandon(self) -> None:
        """Forget a layer that was made but is not shown yet: the run has ended."""
        self._made = None
        if self._controls is not None:
            self._controls.drop()

    def _show(self, role: Role, layer: Layer, array: np.ndarray) -> None:
        if role.key not in self.wanted:
            self.abandon()
            return
        layer.metadata[METADATA] = self._record  # the run may have ended since it was made
        asked = layer.name  # napari may have to give it another
        self._insert(role, layer)
        entry = _Entry(weakref.ref(layer), asked, layer.name, array, role.key in _MEASURED)
        self._entries[role.key] = entry
        weakref.finalize(layer, entry.let_go).atexit = False
        self._set_late_limits()

    def _labels(self, _role: Role, array: np.ndarray, options: dict[str, Any]) -> Labels:
        layer = Labels(array, colormap=mask_colormap(), opacity=0.8, **options)
        _without_drawing_tools(layer)
        return layer

    def _image(self, role: Role, array: np.ndarray, options: dict[str, Any]) -> Image:
        source = self._source()
        assert source is not None
        if role.key != "denoised":
            return Image(
                array, rgb=False, colormap=role.colormap, contrast_limits=(0, 1), **options
            )
        if source.rgb:
            return Image(array, rgb=True, **options)
        layer = Image(
            array,
            rgb=False,
            colormap=source.colormap,
            gamma=source.gamma,
            contrast_limits=source.contrast_limits,
            **options,
        )
        layer.contrast_limits_range = source.contrast_limits_range
        return layer

    def _insert(self, role: Role, layer: Layer) -> None:
        """Put `layer` above the input and the roles that lie below it, and leave the selection alone."""
        layers = self._viewer.layers
        below = [self._source(), *(self.layer(r.key) for r in ROLES[: ROLES.index(role)])]
        index = 1 + max(layers.index(other) for other in below if other in layers)
        selected, active = set(layers.selection), layers.selection.active
        # napari selects what is inserted. Nobody need hear of it, since it is undone at once: the
        # layer controls would be built twice.
        keeping = nullcontext() if self._controls is None else self._controls.keeping(layer)
        with layers.selection.events.blocker_all(), keeping:
            layers.insert(index, layer)
            layers.selection.active = active
            layers.selection.update(selected)
            layers.selection.intersection_update(selected)
