"""A run on an image that does not fit into memory, as the window sees it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal

from .run import Run
from .stored import StoredArrays, StoredImage
from .volume_worker import VolumeWorker

if TYPE_CHECKING:
    from ..volume import Finished, Tile

#: Least time between two drawings of the layer as it fills, in seconds.
_CALM = 0.25


class VolumeRun(Run):
    """Draw the denoised layer anew as tiles come in; there are no other layers."""

    filled = Signal(object)  # the tiles and parts of tiles that came in since the last time
    _kind = VolumeWorker
    _stale = False
    _drawn = 0.0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.ended.connect(self._let_go)

    def image(self, result: Finished) -> StoredImage | None:
        """Return the whole denoised image, unless the run was stopped."""
        arrays = self._stored()
        return None if result.stopped or arrays is None else arrays.get("denoised")

    def _stored(self) -> StoredArrays | None:
        return self.worker.arrays

    def _keep_record(self, record: Mapping[str, Any]) -> None:
        arrays = self._stored()
        # Without a tile the layers are still those of the run before.
        if arrays is not None and not arrays.empty:
            super()._keep_record(record)

    def _flush(self) -> None:
        super()._flush()
        arrays = self._stored()
        news = arrays.news() if arrays is not None else []
        self._stale = self._stale or any(self._in_view(tile) for tile in news)
        if self._stale and time.monotonic() >= self._drawn + _CALM:
            self._stale, self._drawn = False, time.monotonic()
            self.live.refresh()
        if news:
            self.filled.emit(news)

    def _in_view(self, tile: Tile) -> bool:
        # In 3D all of the image would be read for each drawing.
        return (
            self._viewer.dims.ndisplay == 2
            and self.plane.get("T", tile.t) == tile.t
            and self.plane.get("C", tile.c) == tile.c
            and self.plane.get("Z", tile.z[0]) in range(*tile.z)
        )

    def _let_go(self) -> None:
        """Leave the file to the layer alone: others that were told of the arrays hold on to them."""
        arrays, self.worker.arrays = self._stored(), None
        if arrays is not None:
            arrays.let_go()

    def _close(self, reason: str = "") -> None:
        layer = self.live.layer("denoised") if self.running and self._began else None
        if layer is not None and self._viewer.dims.ndisplay == 2:
            layer.refresh(extent=False, highlight=False)  # with its thumbnail
        super()._close(reason)
