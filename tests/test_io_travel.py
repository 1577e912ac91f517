"""Images on their way to another process: those in files go by name, others only if they are small."""

from __future__ import annotations

import gc
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr

from napari_blind2grad.errors import InputError
from napari_blind2grad.io import LazyArray, read_image, write_image
from napari_blind2grad.io.travel import packed

PIXELS = np.random.default_rng(0).integers(0, 1000, (6, 80, 70)).astype(np.uint16)
#: Much less than the pixels.
LIMIT = 5_000


def mapped(mode: str = "w+", name: str = "raw") -> np.ndarray:
    array = np.memmap(name, ">u2", mode, 16, PIXELS.shape)
    if mode != "c":
        array[:] = PIXELS
    return array


def written(name: str, **options: Any) -> Any:
    if options:
        tifffile.imwrite(name, PIXELS, photometric="minisblack", **options)
    else:
        write_image(name, PIXELS, axes="ZYX")
    return read_image(name, "ZYX", lazy_above=0).data


def stored() -> Any:
    written("b.ome.zarr")
    group = zarr.open_group("b.ome.zarr", mode="r")
    return next(array for _, array in group.arrays() if array.shape == PIXELS.shape)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Files are written here; the function goes to another folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    return partial(monkeypatch.chdir, tmp_path / "other")


@pytest.mark.parametrize(
    "make",
    [
        partial(written, "a.ome.zarr"),
        partial(written, "a.ome.tif"),
        partial(written, "a.tif", compression="zlib"),
        mapped,
        lambda: np.asarray(mapped()),
        stored,
        lambda: da.from_zarr(stored()).rechunk((6, 80, 70)),
    ],
    ids=["OME-Zarr", "TIFF", "compressed TIFF", "map", "view of a map", "zarr", "dask"],
)
def test_by_name(make: Callable[[], Any], elsewhere: Callable[[], None]) -> None:
    array = make()
    whole = array if isinstance(array, LazyArray) else LazyArray(array)
    sent = packed(whole[1:4, 5:, :60], LIMIT)
    assert sent is not None
    del array, whole
    gc.collect()
    elsewhere()
    arrived = pickle.loads(sent)
    np.testing.assert_array_equal(arrived, PIXELS[1:4, 5:, :60])
    assert arrived.dtype == PIXELS.dtype
    again = pickle.loads(pickle.dumps(arrived))  # and once more
    np.testing.assert_array_equal(again, arrived)


@pytest.mark.usefixtures("elsewhere")
def test_views_of_a_map() -> None:
    for view, expected in (
        (mapped()[1:, ::-2, 3:], PIXELS[1:, ::-2, 3:]),
        (mapped().T, PIXELS.T),
        (mapped()[2:][1], PIXELS[3]),
    ):
        sent = packed(LazyArray(view), LIMIT)
        assert sent is not None
        np.testing.assert_array_equal(pickle.loads(sent), expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda: PIXELS,
        lambda: PIXELS[:, ::2],
        lambda: [mapped(), mapped("c")][1],
        lambda: zarr.array(PIXELS),
        lambda: da.from_array(PIXELS),
        lambda: da.ones((6, 80, 70)).map_blocks(lambda block: block),
    ],
    ids=["array", "view", "map that was changed", "zarr", "dask", "code without a name"],
)
@pytest.mark.usefixtures("elsewhere")
def test_what_is_in_memory_stays(make: Callable[[], Any]) -> None:
    assert packed(LazyArray(make()), LIMIT) is None


def test_what_is_small_goes() -> None:
    sent = packed(LazyArray(PIXELS)[2:3, :, :], 10 * PIXELS.nbytes)
    assert sent is not None
    np.testing.assert_array_equal(pickle.loads(sent), PIXELS[2:3])


@pytest.mark.usefixtures("elsewhere")
def test_a_file_that_is_gone_or_another() -> None:
    sent = packed(written("a.tif", compression="zlib"), LIMIT)
    assert sent is not None
    tifffile.imwrite("a.tif", PIXELS[:3], photometric="minisblack")
    with pytest.raises(InputError, match=r"a\.tif is another image than before"):
        pickle.loads(sent)
    Path("a.tif").unlink()
    with pytest.raises(InputError, match="There is no file"):
        pickle.loads(sent)
    sent = packed(LazyArray(mapped()), LIMIT)
    assert sent is not None
    Path("raw").unlink()
    with pytest.raises(InputError, match=r"The image cannot be opened \(FileNotFoundError"):
        pickle.loads(sent)
