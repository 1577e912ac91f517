"""OME-Zarr folders that are written region by region."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..axes import Axes
from ..dtypes import to_dtype
from ..events import Array
from .lasting import array_again, group_again, sync
from .metadata import NAMESPACE
from .ngff_write import (
    SAMPLES,
    SMALL,
    axes_units,
    check_ngff,
    colours,
    halved,
    place_levels,
    usual_axes,
)
from .whole import ZARR_MARKS, whole_folder

#: Sides of the blocks that are stored: one plane, cut where it is large.
BLOCK = 512
#: Values of a level that are halved at once.
_BAND = 4 * 2**20


class NgffWriter:
    """An OME-Zarr image that takes its pixels region by region; made by :func:`stream_ngff`.

    Parameters
    ----------
    group
        The zarr group to fill.
    axes
        Axes of what is given to :meth:`write`; colour samples become channels.
    dtype
        Type of the pixels.
    check
        Called before each part that is read or written; what it raises ends the writing.
    lasting
        Whether pixels are on the disk, come what may, when :meth:`write` returns.
    again
        Go on with the pixels that the group holds, if it does.

    Attributes
    ----------
    again
        Whether it did.
    """

    def __init__(
        self,
        group: Any,
        axes: Axes,
        dtype: np.dtype[Any],
        check: Callable[[], object] = lambda: None,
        *,
        lasting: bool = False,
        again: bool = False,
    ) -> None:
        self.axes, self.dtype = axes, dtype
        self.check, self.lasting = check, lasting
        self.named, self.letters = usual_axes(axes)
        self._group = group
        shape = tuple(axes.shape[self.named.index(c)] for c in self.letters)
        self._channel = self.letters.find("C")
        count = shape[self._channel] if self._channel >= 0 else 1
        self._low, self._high = np.full(count, np.inf), np.full(count, -np.inf)
        found = array_again(group, shape, dtype, _blocks(shape)) if again else None
        self.again = found is not None
        self.levels = [self._level(0, shape) if found is None else found]
        self._factors = [
            (1,) * len(shape)
        ]  # pixels of the image along each side of a level's pixel

    def _level(self, number: int, shape: tuple[int, ...]) -> Any:
        return self._group.create_array(
            str(number),
            shape=shape,
            chunks=_blocks(shape),
            dtype=self.dtype,
            overwrite=self.lasting,
            # Blocks of zeros are stored too, so that a reader can tell them from lost ones.
            config={"write_empty_chunks": True},
            **_version_3(self._group, self.letters),
        )

    @property
    def order(self) -> list[int]:
        """Which dimension of what is given to :meth:`write` each dimension of the file is."""
        return [self.named.index(c) for c in self.letters]

    def write(self, region: Sequence[slice], values: Array) -> None:
        """Store `values` in `region`, both with the axes given; converted by :func:`~..dtypes.to_dtype`."""
        self.check()
        order = self.order
        ordered = to_dtype(values, self.dtype).transpose(order)
        place = tuple(region[i] for i in order)
        self.levels[0][place] = np.ascontiguousarray(ordered)
        if self.lasting:
            sync(self.levels[0], place)
        first = 0 if self._channel < 0 else place[self._channel].indices(len(self._low))[0]
        parts = [ordered] if self._channel < 0 else np.moveaxis(ordered, self._channel, 0)
        for i, part in enumerate(parts, first):
            finite = part[np.isfinite(part)] if part.dtype.kind == "f" else part
            if finite.size:
                self._low[i] = min(self._low[i], float(finite.min()))
                self._high[i] = max(self._high[i], float(finite.max()))

    def state(self) -> dict[str, Any]:
        """Return what is known of the pixels written so far, as JSON can hold it."""
        ends = {"low": self._low, "high": self._high}
        return {k: [v if np.isfinite(v) else None for v in e.tolist()] for k, e in ends.items()}

    def take(self, state: Mapping[str, Any]) -> None:
        """Take back what :meth:`state` returned before the process was killed."""
        for known, name, nothing in ((self._low, "low", np.inf), (self._high, "high", -np.inf)):
            known[:] = [nothing if v is None else float(v) for v in state[name]]

    def finish(
        self,
        name: str,
        *,
        scale: Mapping[str, float],
        units: Mapping[str, str],
        channel_names: Sequence[str] = (),
        description: str = "",
        parameters: Mapping[str, Any] | None = None,
        form: Any,
        pyramid: bool = True,
    ) -> None:
        """Add the metadata and, if asked, the smaller levels; see :func:`~.write.write_image`."""
        from ome_zarr import writer

        while pyramid and max(self.levels[-1].shape[-2:]) > SMALL:
            self._add_level()
        datasets = []
        for number in range(len(self.levels)):
            sizes = [
                scale.get(c, 1.0) * f
                for c, f in zip(self.letters, self._factors[number], strict=True)
            ]
            steps = [
                {"type": "scale", "scale": sizes},
                {"type": "translation", "translation": [0.0] * len(sizes)},  # set below
            ]
            datasets.append({"path": str(number), "coordinateTransformations": steps})
        metadata: dict[str, Any] = {}
        if self._channel >= 0:
            samples = list(SAMPLES)[: self.axes.length("S")] if "S" in self.axes.letters else []
            ranges = [
                (low, high) if low <= high else (0.0, 1.0)
                for low, high in zip(self._low.tolist(), self._high.tolist(), strict=True)
            ]
            metadata["omero"] = colours(self.dtype, ranges, channel_names, samples)
        writer.write_multiscales_metadata(
            self._group,
            datasets,
            fmt=form,
            axes=list(self.letters.lower()),
            axes_units=axes_units(units),
            name=name,
            **({"metadata": metadata} if metadata else {}),
        )
        place_levels(self._group)
        ours = {"description": description, "parameters": dict(parameters or {})}
        self._group.attrs[NAMESPACE] = ours

    def _add_level(self) -> None:
        """Halve the last level, a band of rows at a time."""
        last = self.levels[-1]
        shape, cut = list(last.shape), [a for a in (-2, -1) if last.shape[a] > SMALL]
        factors = list(self._factors[-1])
        for axis in cut:
            shape[axis] //= 2
            factors[axis] *= 2
        level = self._level(len(self.levels), tuple(shape))
        rows = max(1, _BAND // (2 * BLOCK * last.shape[-1])) * BLOCK  # of the new level
        factor = 2 if -2 in cut else 1
        for outer in itertools.product(*(range(n) for n in shape[:-2])):
            for start in range(0, shape[-2], rows):
                self.check()
                stop = min(start + rows, shape[-2])
                band = last[(*outer, slice(start * factor, stop * factor))]
                for axis in cut:
                    band = halved(band, axis)
                level[(*outer, slice(start, stop))] = band
        self.levels.append(level)
        self._factors.append(tuple(factors))


def _blocks(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*[1] * (len(shape) - 2), *(min(n, BLOCK) for n in shape[-2:]))


def _version_3(group: Any, letters: str) -> dict[str, Any]:
    if group.metadata.zarr_format == 3:
        return {"dimension_names": list(letters.lower())}
    return {"chunk_key_encoding": {"name": "v2", "separator": "/"}}


@contextmanager
def stream_ngff(
    path: Path,
    axes: Axes,
    dtype: np.dtype[Any],
    version: str,
    check: Callable[[], object] = lambda: None,
    *,
    lasting: str = "",
    again: bool = False,
) -> Iterator[tuple[NgffWriter, Any]]:
    """Give a writer of an OME-Zarr folder, and its format; the folder appears when the block ends well.

    Parameters
    ----------
    path, axes, dtype, version
        The folder, and what is in it.
    check
        As in :class:`NgffWriter`.
    lasting
        As in :func:`~napari_blind2grad.io.whole_folder`.
    again
        Go on with the pixels that lasted, if they are there.

    Raises
    ------
    OutputError
        If it cannot be written; nothing is left behind under its name.
    """
    check_ngff(axes, version)  # while there is no folder yet
    with whole_folder(path, replaces=ZARR_MARKS, lasting=lasting) as temporary:
        how: dict[str, Any] = dict(lasting=bool(lasting), again=again)
        yield open_ngff(temporary, axes, dtype, version, check, **how)


def open_ngff(
    path: Path,
    axes: Axes,
    dtype: np.dtype[Any],
    version: str = "0.5",
    check: Callable[[], object] = lambda: None,
    *,
    lasting: bool = False,
    again: bool = False,
) -> tuple[NgffWriter, Any]:
    """Make an OME-Zarr folder that can be read while it fills; return its writer and its format.

    Parameters
    ----------
    path
        The folder.
    axes, dtype, check, lasting, again
        As in :class:`NgffWriter`.
    version
        Of OME-Zarr.

    Raises
    ------
    OutputError
        If OME-Zarr cannot hold such an image.
    """
    import zarr

    check_ngff(axes, version)
    with warnings.catch_warnings():
        # The library warns of a class of its own while it is imported.
        warnings.simplefilter("ignore", DeprecationWarning)
        import ome_zarr.writer  # noqa: F401 (for :meth:`NgffWriter.finish`)
        from ome_zarr.format import format_from_version
    form = format_from_version(version)
    group = group_again(path, form.zarr_format) if again else None
    if group is None:
        group = zarr.open_group(path, mode="w", zarr_format=form.zarr_format)
    return NgffWriter(group, axes, dtype, check, lasting=lasting, again=again), form
