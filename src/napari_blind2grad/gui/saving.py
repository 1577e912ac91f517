"""Write a denoised layer to a file, off the GUI thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from napari.layers import Image
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QWidget
from superqt.utils import create_worker

from .. import sizes
from ..errors import Blind2GradError, OutputError
from .adapter import pixel_sizes
from .live import METADATA
from .record import description

#: What the file dialogue offers; the first for results that are not in memory.
FILTERS = ("OME-Zarr (*.ome.zarr)", "OME-TIFF (*.ome.tif)", "TIFF, ImageJ hyperstack (*.tif)")


def ask_where(
    parent: QWidget, layer: Image, source: Image | None, answer: Callable[[str], object]
) -> None:
    """Ask for the file to write `layer` to, in a window that holds nothing up.

    Parameters
    ----------
    parent
        Qt parent.
    layer
        What is to be written.
    source
        Its input: its file's folder is where the window opens.
    answer
        Called with the path, unless the user declines.
    """
    folder = Path(source.source.path).parent if source and source.source.path else Path.home()
    name = layer.name.replace("/", "_").replace("\\", "_")
    first = 1 if sizes.is_held(layer.data) else 0
    offered = ";;".join((*FILTERS[first:], *FILTERS[:first]))
    dialog = QFileDialog(parent, "Save the denoised image", str(folder), offered)
    dialog.setObjectName("save_dialog")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.selectFile(f"{name}.ome.tif" if first else f"{name}.ome.zarr")
    dialog.fileSelected.connect(answer)
    dialog.finished.connect(dialog.deleteLater)
    dialog.show()


class Saver(QObject):
    """Writes denoised layers in the background and tells how it went."""

    saved = Signal(object)  # where, a Path
    failed = Signal(str)  # why not, in words

    def save(self, path: Path, layer: Image, source: Image | None, axes: str) -> None:
        """Start to write `layer`.

        Parameters
        ----------
        path
            Where to.
        layer
            A denoised layer with the record of its run.
        source
            Its input, whose file is never overwritten; None if it is gone.
        axes
            Axes, for a layer whose record does not name them.
        """
        record = layer.metadata[METADATA]
        axes = record.get("axes", axes)
        measures = pixel_sizes(layer, axes)
        origin = source.source.path if source is not None else None

        def check() -> None:
            if worker.abort_requested:
                raise OutputError(f"{path} was not written: napari is closing.")

        work = (path, layer.data, axes, measures, record, origin, check)
        worker = create_worker(save, *work, _ignore_errors=True)
        worker.returned.connect(self.saved)
        worker.errored.connect(self._on_error)
        worker.start()

    def _on_error(self, error: Exception) -> None:
        if isinstance(error, Blind2GradError):
            self.failed.emit(str(error))
            return
        self.failed.emit(f"An unexpected error kept the image from being saved: {error!r}.")
        notification_manager.receive_error(type(error), error, error.__traceback__)


def save(
    path: Path,
    array: Any,
    axes: str,
    measures: tuple[Mapping[str, float], Mapping[str, str]],
    record: Mapping[str, Any],
    source: str | None,
    check: Callable[[], object] = lambda: None,
) -> Path:
    """Write `array` with its axes, sizes and how it was made; meant for a worker thread.

    Parameters
    ----------
    path, array, axes
        Where and what; an array that is not in memory is copied part by part.
    measures
        From :func:`pixel_sizes`.
    record
        What the layer's metadata say about how it was made.
    source
        The input's file, which is never overwritten.
    check
        Called for each part of an array that is not in memory; what it raises ends the writing.

    Raises
    ------
    Blind2GradError
        If it cannot be written; the message says why.
    """
    from ..io import LazyArray, copy_image, write_image

    scale, units = measures
    facts: dict[str, Any] = dict(
        scale=scale,
        units=units,
        description=description(record),
        parameters={name: value for name, value in record.items() if name != "losses"},
        source=source,
    )
    if sizes.is_held(array):
        return write_image(path, array, axes=axes, **facts)
    return copy_image(path, LazyArray(array), axes, check=check, **facts)
