"""What a run that goes tile by tile shows: its result on disk, which fills while it goes."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..axes import Axes
from ..io import not_written
from . import scratch
from .parts import Part

if TYPE_CHECKING:
    from ..events import Array
    from ..volume import Tile


class StoredImage(Part):
    """A result on disk, as data of a layer.

    It goes with the last layer that shows it, unless it is to be kept.

    Parameters
    ----------
    array
        The pixels in their file.
    order
        Which dimension of the file each dimension is.
    path
        The folder of the file.
    """

    def __init__(self, array: Any, order: list[int], path: Path) -> None:
        super().__init__(array, order=order)
        self.path = path
        self._kept = {"kept": False}
        weakref.finalize(self, _let_go, path, self._kept)

    def keep(self, keep: bool = True) -> None:
        """Say whether the file stays when no layer shows it any more."""
        self._kept["kept"] = keep


def _let_go(path: Path, kept: Mapping[str, bool]) -> None:
    if not kept["kept"]:
        scratch.remove(path)


class StoredArrays:
    """Stands for :class:`~napari_blind2grad.gui.arrays.LiveArrays`: one array only, the denoised image.

    The worker's thread writes tiles, and the GUI thread reads what is there.

    Parameters
    ----------
    path
        A folder that is not there yet.
    axes, dtype
        Of the result.

    Attributes
    ----------
    map_axes
        Axes without colours.
    done, total
        Tiles made, and planned.
    empty
        Whether there is nothing in it yet.
    """

    #: There will be none.
    residual = np.zeros(0)

    def __init__(self, path: Path, axes: Axes, dtype: np.dtype) -> None:
        import zarr

        from ..io.ngff_stream import open_ngff
        from ..volume import File

        self.path = path
        self.map_axes = axes.without("S")
        self.done = self.total = 0
        self.empty = True
        try:
            self._writer, self._form = open_ngff(path, axes, dtype)
        except OSError as error:
            raise not_written(path, error) from error
        self._file = File(self._writer, axes)
        order = [self._writer.order.index(i) for i in range(len(axes.letters))]
        stored = zarr.open_array(path / "0", mode="r")
        image = StoredImage(stored, order, path)
        self._image: StoredImage | None = image
        self._shown = weakref.ref(image)
        self._news: deque[Tile] = deque()

    def write(self, tile: Tile, values: Array) -> None:
        """Take the pixels of a tile; this makes it a sink of :mod:`~napari_blind2grad.volume`."""
        self.show(tile, values)
        self.done += 1

    def show(self, tile: Tile, values: Array) -> None:
        """Take finished planes of a tile whose others are still to come."""
        try:
            self._file.write(tile, values)
        except OSError as error:
            raise not_written(self.path, error) from error
        self.empty = False
        self._news.append(tile)

    def describe(self, facts: Mapping[str, Any]) -> None:
        """Add the metadata, by the arguments of :meth:`~..io.ngff_stream.NgffWriter.finish`.

        The file is kept from now on, if it is whole.
        """
        if self._image is not None:
            self._image.keep(self.done == self.total)
        try:
            self._writer.finish(self.path.name, form=self._form, pyramid=False, **facts)
        except OSError as error:
            raise not_written(self.path, error) from error

    def news(self) -> list[Tile]:
        """Return the tiles, and parts of tiles, that were made since the last call."""
        return [self._news.popleft() for _ in range(len(self._news))]

    def get(self, key: str) -> StoredImage | None:
        """Return the array of a role; None where there is none, or nothing in it yet."""
        return self._shown() if key == "denoised" and not self.empty else None

    def let_go(self) -> None:
        """Leave the image to the layers that show it."""
        self._image = None
