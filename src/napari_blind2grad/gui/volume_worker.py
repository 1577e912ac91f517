"""One run on an image that does not fit into memory, in a thread of napari's pool."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..config import Config
from ..errors import InputError
from ..events import Event, Started
from ..io import LazyArray
from . import preload, words
from .adapter import pixel_sizes
from .record import description, unfinished
from .scratch import new_place
from .stored import StoredArrays
from .worker import DenoiseWorker

if TYPE_CHECKING:
    from ..volume import Source


class _Guarded:
    """An array that refuses to be read once `ended` says so."""

    def __init__(self, array: Any, ended: Callable[[], bool]) -> None:
        self._array, self._ended = array, ended
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, region: Any) -> Any:
        if self._ended():
            raise InterruptedError
        return self._array[region]


class VolumeWorker(DenoiseWorker):
    """Train on parts of an image and denoise it tile by tile into a file.

    The parameters are those of :class:`~napari_blind2grad.gui.worker.DenoiseWorker`. All reading of the
    image happens in the worker's thread.
    """

    arrays: StoredArrays | None
    _started = False

    def _engine(self) -> preload.Engine:
        preload.engine()  # PyTorch's first import is its business
        denoise, apply = preload.load_volumes()
        return denoise if self.application is None else apply

    def _drive(self, engine: preload.Engine) -> None:
        try:
            super()._drive(engine)
        except InputError:
            if not self._unread():
                raise
        finally:
            self._close()

    def _image(self) -> Source:
        """Return the image; nothing of it is read yet."""
        from ..volume import Source

        array = LazyArray(
            _Guarded(self.snapshot.data, self._unread),
            f"“{self.snapshot.name}”",
            self.snapshot.region,
        )
        return Source.of(array, self.snapshot.axes.letters)

    def _unread(self) -> bool:
        """Whether reading is of no use any more: until the start, there is nothing to keep."""
        return self.abort_requested or (self._stop and not self._started)

    def _events(self, engine: preload.Engine, image: Source) -> Generator[Event, Any, None]:
        from ..engine.output import output_dtype
        from ..volume import Planned

        dtype = output_dtype(image.dtype, self.config)
        nbytes = image.array.size * dtype.itemsize
        place = new_place(self.snapshot.name, nbytes, self.snapshot.path)
        self.arrays = StoredArrays(place, image.axes, dtype)
        what: tuple[Any, ...] = (image, self.arrays, None, self.config)
        options: dict[str, Any] = {"should_stop": self._should_stop}
        if self.application is not None:
            options["intensity"] = self.application.intensity
            what = (self.application.network.state, *what)
        elif self.warm is not None:
            options["warm"] = self.warm
        events = engine(*what, **options)
        answer: Config | None = None
        while True:
            try:
                event = events.send(answer)
            except StopIteration:
                return
            answer = None
            if isinstance(event, Planned):
                self.arrays.total = len(event.plan.tiles())
                continue
            if isinstance(event, Started):
                self._started = True
                notes = words.by_tiles(place, trains=self.application is None)
                event = replace(event, notes=(*event.notes, *notes))
            answer = yield event

    def _take(self, event: Event, image: Source) -> None:
        """Nothing is to be copied: tiles are in the file already."""

    def _close(self) -> None:
        """Say in the file what it is, however the run ended."""
        if self.arrays is not None and not self.arrays.empty:
            self.arrays.describe(self._facts())

    def _facts(self) -> dict[str, Any]:
        record = unfinished(self.config, self.snapshot, self.changes, application=self.application)
        assert self.arrays is not None
        record["finished"] = self.arrays.done == self.arrays.total
        scale, units = pixel_sizes(self.snapshot, self.snapshot.axes.letters)
        return {
            "scale": scale,
            "units": units,
            "description": description(record),
            "parameters": record,
        }
