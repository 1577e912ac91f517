"""Thresholds by eye: histograms with ε_g and ε_s as lines, and the masks that they give, at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QLabel, QWidget
from superqt.utils import create_worker

from ..axes import Axes
from ..config import Config
from ..errors import Blind2GradError
from . import preload
from .adapter import Snapshot
from .arrays import LiveArrays
from .focus import looked_at
from .histograms import ThresholdPlot
from .live import LiveLayers
from .section import Section
from .theme import Palette

if TYPE_CHECKING:
    from ..engine.thresholds import Distances, Sketch

#: Milliseconds between two looks at a denoised image that is still changing.
_CALM = 500
#: The layers that can be drawn without training.
_DRAWN = ("dual_mask", "standout_gate")
#: What the layout of planes and the random draws depend on.
_LAYOUT = (
    "seed", "networks", "architecture", "depth", "fold", "dimensions", "context", "dilation",
    "gain", "read_noise", "counts",
)  # fmt: skip


class SketchArrays(LiveArrays):
    """The arrays of masks that are shown before any training; there is no denoised image."""

    def __init__(self, axes: Axes) -> None:
        self.map_axes = axes.without("S")
        self.dual_mask = np.zeros(self.map_axes.shape, np.uint8)
        self.standout_gate = np.zeros(self.map_axes.shape, np.uint8)
        self.residual = np.zeros(0)  # there will be none

    def get(self, key: str) -> np.ndarray | None:
        """Return the array of a role, or None where there is none."""
        return getattr(self, key) if key in _DRAWN else None


@dataclass(frozen=True)
class _Request:
    """All that the worker needs; nothing of napari's."""

    snapshot: Snapshot
    arrays: LiveArrays
    axes: Axes
    index: Mapping[str, int]
    config: Config
    news: int  # changes with x_m
    draw: bool  # else the histograms alone


@dataclass(frozen=True)
class _Answer:
    arrays: LiveArrays
    config: Config
    distances: Distances
    mask: np.ndarray
    fresh: tuple[np.ndarray, np.ndarray] | None  # new values for the histograms
    drew: bool
    scales: tuple[float, ...]


class _Draughtsman:
    """Draws masks in a worker thread, one at a time; keeps what the next one can use."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Let go of the image."""
        self._key: Any = None
        self._data: Any = None
        self._sketch: Sketch | None = None
        self._image: np.ndarray | None = None
        self._plane: Any = None
        self._distances: Distances | None = None

    def draw(self, request: _Request, *, anew: bool) -> _Answer:
        """Draw the plane that is asked for into the arrays; `anew` asks for the histograms' values too."""
        preload.engine()
        from ..engine.thresholds import Sketch

        snapshot, config, arrays = request.snapshot, request.config, request.arrays
        layout = tuple(getattr(config, name) for name in _LAYOUT)
        place = tuple(snapshot.offset.items())
        key = (place, request.axes, layout)
        if key != self._key or self._data is not snapshot.data:
            self.forget()
            self._image = snapshot.array()
            self._sketch = Sketch(self._image, request.axes.letters, config)
            self._key, self._data = key, snapshot.data
        assert self._sketch is not None
        assert self._image is not None
        plane = (tuple(sorted(request.index.items())), id(arrays), request.news, config.detail)
        plane += (config.even, config.gain, config.offset, config.read_noise)
        if plane != self._plane:
            anew = True
            where = request.axes.plane_slices(request.index)
            denoised = None
            if not isinstance(arrays, SketchArrays):
                denoised = np.array(arrays.denoised[where])
                if np.array_equal(denoised, self._image[where]):
                    denoised = None  # no preview of this plane yet
            self._distances = self._sketch.distances(request.index, denoised, config)
            self._plane = plane
        distances = self._distances
        assert distances is not None
        labels, gate = self._sketch.masks(distances, config)
        if request.draw:
            flat = arrays.map_axes.plane_slices(request.index)
            turned = arrays.map_axes.letters.index("Y") > arrays.map_axes.letters.index("X")
            for name, drawn in zip(_DRAWN, (labels, gate), strict=True):
                getattr(arrays, name)[flat] = drawn.T if turned else drawn
        fresh = distances.in_image_units() if anew else None
        return _Answer(arrays, config, distances, labels, fresh, request.draw, self._sketch.scales)


class Thresholds(Section):
    """The section of the dock; does nothing while it is closed.

    Parameters
    ----------
    viewer
        Where the masks are shown.
    scene
        Returns the input, its live layers and what a run would be, or is, on; raises
        :class:`~napari_blind2grad.errors.Blind2GradError` if there is none.
    config
        Returns the settings.
    parent
        Qt parent.
    """

    moved = Signal(str, float)  # a parameter and its value, by the user
    drawn = Signal(object)  # the dual mask of the plane on view
    measured = Signal(object)  # width of each channel's robust range, in image units
    failed = Signal(str)  # in words

    def __init__(
        self,
        viewer: ViewerModel,
        scene: Callable[[], tuple[Image, LiveLayers, Snapshot]],
        config: Callable[[], Config],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__("Thresholds by eye", parent)
        self.setObjectName("thresholds")
        self.setToolTip("See, before any training, which pixels count as detail and as edge")
        self._viewer, self._scene, self._config = viewer, scene, config
        self._draughtsman = _Draughtsman()
        self._busy = self._again = self._anew = self._draw = False
        self._news = 0
        self._calm = QTimer(self)
        self._calm.setSingleShot(True)
        self._calm.setInterval(_CALM)
        self._calm.timeout.connect(self._update)
        self.plots = {
            "eps_g": ThresholdPlot("eps_g", "ε_g", "|y − x_m|", "detail", self),
            "eps_s": ThresholdPlot("eps_s", "ε_s", "|∇x_m|", "edge", self),
        }
        self._source = QLabel(self)
        self._source.setObjectName("thresholds_source")
        self._source.setWordWrap(True)
        for plot in self.plots.values():
            plot.moved.connect(self.moved)
            self.addWidget(plot)
        self.addWidget(self._source)
        self.toggled.connect(self._on_toggled)

    def update_masks(self) -> None:
        """Draw the masks again: thresholds, plane or region have changed."""
        self._draw = True
        self._update()

    def update_histograms(self) -> None:
        """There is news of ``x_m``: show it soon. The masks on show are the engine's, and stay."""
        self._news += 1
        if self.isExpanded() and not self._calm.isActive():
            self._calm.start()

    def _update(self) -> None:
        if not self.isExpanded():
            return
        config = self._config()
        for name, plot in self.plots.items():
            plot.set_threshold(getattr(config, name))
        if self._busy:
            self._again = True
            return
        try:
            request = self._request()
        except Blind2GradError as error:
            self._tell(str(error))
            return
        self._busy, self._again = True, False
        self._draw = False
        anew, self._anew = self._anew, False
        worker = create_worker(self._draughtsman.draw, request, anew=anew, _ignore_errors=True)
        worker.returned.connect(self._on_drawn)
        worker.errored.connect(self._on_error)
        worker.start()

    def set_palette(self, palette: Palette) -> None:
        """Take on the colours of napari's theme."""
        for plot in self.plots.values():
            plot.set_palette(palette)

    # ------------------------------------------------------------------------- one drawing

    def _request(self) -> _Request:
        layer, live, snapshot = self._scene()
        snapshot.require_held()
        axes = Axes(snapshot.axes.letters, snapshot.shape)
        arrays = live.arrays
        if arrays is None or not _same(live, snapshot):
            arrays = SketchArrays(axes)
            live.want(live.wanted | {"dual_mask"})
            live.begin(snapshot, arrays)
        while live.step():
            pass
        place = looked_at(self._viewer, layer, snapshot.axes, {})
        offset = snapshot.offset
        index = {c: min(max(i - offset[c], 0), axes.length(c) - 1) for c, i in place.items()}
        return _Request(snapshot, arrays, axes, index, self._config(), self._news, self._draw)

    def _on_drawn(self, answer: _Answer) -> None:
        self._busy = False
        if answer.fresh is not None:
            self.measured.emit(answer.scales)
            for plot, values in zip(self.plots.values(), answer.fresh, strict=True):
                plot.show_values(values, answer.distances.scale)
            for name, plot in self.plots.items():
                plot.set_threshold(getattr(self._config(), name))
            self._source.setText(
                "x_m is the denoised image."
                if answer.distances.trained
                else "Before any training, the smoothed image stands for the denoised one, x_m."
            )
        try:
            _, live, _ = self._scene()
        except Blind2GradError:
            return
        if answer.drew and live.arrays is answer.arrays:
            self._raise(live)
            live.refresh()
            self.drawn.emit(answer.mask)
        if self._again:
            self._update()

    def _raise(self, live: LiveLayers) -> None:
        """Bring the mask to light if the denoised image lies over it."""
        mask, denoised, layers = (
            live.layer("dual_mask"),
            live.layer("denoised"),
            self._viewer.layers,
        )
        if mask is None or denoised is None:
            return
        below, above = layers.index(mask), layers.index(denoised)
        if below < above:
            layers.move(below, above + 1)
            mask.visible = True

    def _on_error(self, error: Exception) -> None:
        self._busy = False
        if isinstance(error, Blind2GradError):
            self._tell(str(error))
            return
        self._tell(f"An unexpected error kept the masks from being drawn: {error!r}.")
        notification_manager.receive_error(type(error), error, error.__traceback__)

    def _tell(self, text: str) -> None:
        for plot in self.plots.values():
            plot.clear()
        self._source.setText(text)
        self.failed.emit(text)

    def _on_toggled(self, on: bool) -> None:
        try:
            _, live, _ = self._scene()
        except Blind2GradError:
            live = None
        if not on:
            self._draughtsman = _Draughtsman()  # lets go of the image
            if live is not None and live.layer("denoised") is not None:
                mask = live.layer("dual_mask")
                if mask is not None:
                    mask.visible = False  # so that the denoised image is seen again
            return
        self._anew = True
        if live is not None and live.arrays is not None:
            live.want(live.wanted | {"dual_mask"})
        self.update_masks()
        layer = live.layer("dual_mask") if live is not None else None
        if layer is not None:
            layer.visible = True


def _same(live: LiveLayers, snapshot: Snapshot) -> bool:
    """Whether the masks on show are of this very region."""
    shown = live.snapshot
    return (
        shown is not None
        and shown.data is snapshot.data
        and shown.axes == snapshot.axes
        and shown.shape == snapshot.shape
        and shown.offset == snapshot.offset
    )
