"""The live layers of all inputs, and which of them the window is about."""

from __future__ import annotations

import weakref
from collections.abc import Callable

from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtCore import QObject, Slot
from superqt.utils import create_worker

from .adapter import Snapshot
from .inputs import InputBox
from .live import LiveLayers, camera, grid
from .run import Run


class Stage(QObject):
    """Hold the live layers of every input, and make and remove them as the user chooses.

    Parameters
    ----------
    viewer
        Where they are shown.
    chosen
        The input that is chosen.
    run
        Returns the run that goes on, or None.
    parent
        Qt parent.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        chosen: InputBox,
        run: Callable[[], Run | None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._chosen, self._run = viewer, chosen, run
        self._live: weakref.WeakKeyDictionary[Image, LiveLayers] = weakref.WeakKeyDictionary()
        self._fitted: tuple[int, float, tuple[float, ...]] | None = None  # what fit() last saw

    def live(self, layer: Image) -> LiveLayers:
        """Return the live layers of the input `layer`; there may be none of them yet."""
        return self._live.setdefault(layer, LiveLayers(self._viewer, layer))

    def denoised(self) -> Image | None:
        """Return the denoised layer of the chosen input, if there is one."""
        source = self._chosen.layer()
        live = self._live.get(source) if source is not None else None
        layer = live.layer("denoised") if live is not None else None
        return layer if isinstance(layer, Image) else None

    def scene(self) -> tuple[Image, LiveLayers, Snapshot]:
        """Return the input, its live layers and what they show, or what a run would be on.

        Raises
        ------
        Blind2GradError
            If there is nothing that can be denoised.
        """
        run = self._run()
        if run is not None:
            return run.source, run.live, run.snapshot
        layer, snapshot = self._chosen.present()
        live = self.live(layer)
        shown = live.snapshot
        if shown is not None and shown.data is snapshot.data and live.layer("denoised") is not None:
            snapshot = shown
        return layer, live, snapshot

    def choose(self, keys: set[str]) -> None:
        """Show exactly the layers `keys` of the input that the window is about."""
        run = self._run()
        source = run.source if run is not None else self._chosen.layer()
        live = self._live.get(source) if source is not None else None
        if live is None:
            return
        live.want(keys)
        if run is not None:
            run.worker.want_residual = "residual" in keys
        else:
            self._catch_up(live)

    def show_side_by_side(self, on: bool) -> None:
        """Show all layers beside one another, or on one another again."""
        grid(self._viewer).enabled = on
        for live in self._live.values():
            live.show_all(on)
        self._viewer.fit_to_view()
        self._fitted = self._view() if on else None

    def fit(self) -> None:
        """Side by side, let whole images be seen again where layers have come, unless the user has zoomed."""
        if self._fitted is None or not grid(self._viewer).enabled:
            return
        layers, seen = self._fitted[0], self._fitted[1:]
        now = self._view()
        if now[0] != layers and now[1:] == seen:
            self._viewer.fit_to_view()
            self._fitted = self._view()

    def _view(self) -> tuple[int, float, tuple[float, ...]]:
        """Return the number of layers, and the camera's zoom and centre."""
        eye = camera(self._viewer)
        return len(self._viewer.layers), eye.zoom, tuple(eye.center)

    def _catch_up(self, live: LiveLayers) -> None:
        """Make the layers that were ticked after the run."""
        if "residual" in live.wanted and live.needs_residual():
            worker = create_worker(live.make_residual, _ignore_errors=True)
            worker.returned.connect(self._on_residual)
            worker.start()
        while live.step():
            pass
        self.fit()

    @Slot(object)
    def _on_residual(self, _: object) -> None:
        source = self._chosen.layer()
        if source in self._live:
            self._catch_up(self._live[source])
