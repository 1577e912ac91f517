"""CZI, LIF and ND2, through a stand-in for bioio, and through bioio itself where it is installed."""

from __future__ import annotations

import sys
import types
from collections import namedtuple
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest

from napari_blind2grad.cli import main
from napari_blind2grad.errors import InputError, OutOfMemory
from napari_blind2grad.io import LazyArray, read_image

Sizes = namedtuple("Sizes", "T C Z Y X", defaults=[None] * 5)
Property = namedtuple("Property", "type unit")
SMALL = "--iterations=2 --cycles=2 --width=4 --depth=1 --patch=32 --passes=1 --batch=1 --quiet"


class StandIn:
    """What is used of ``bioio.BioImage``; set its class attributes to what a file shall hold."""

    pixels = np.arange(2 * 3 * 8 * 9, dtype=">u2").reshape(1, 2, 3, 8, 9)
    order = "TCZYX"
    scale = Sizes(T=None, Z=0.5, Y=0.1, X=0.1)
    dimension_properties: Any = Sizes(*[Property(None, None)] * 5)
    channel_names: Any = ("DAPI", "GFP")
    scenes = ("Image:0",)
    error: BaseException | None = None

    def __init__(self, path: Path, reader: Any) -> None:
        assert reader == f"reader of {path.suffix.lower()}"
        if self.error is not None:
            raise self.error
        self.dims = types.SimpleNamespace(order=self.order)
        self.shape = self.pixels.shape
        self.data = self.pixels
        self.dask_data = dask.array.from_array(self.pixels, chunks=-1)


@pytest.fixture
def bioio(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    image = type("BioImage", (StandIn,), {})
    monkeypatch.setitem(sys.modules, "bioio", types.SimpleNamespace(BioImage=image))
    for ending in ("czi", "lif", "nd2"):
        plugin = types.SimpleNamespace(Reader=f"reader of .{ending}")
        monkeypatch.setitem(sys.modules, f"bioio_{ending}", plugin)
    return image


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bioio", "bioio_czi", "bioio_lif", "bioio_nd2"):
        monkeypatch.setitem(sys.modules, name, None)


def a_file(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(b"whatever")
    return path


@pytest.mark.parametrize("name", ["a.czi", "a.lif", "a.ND2"])
def test_what_the_file_holds(tmp_path: Path, bioio: Any, name: str) -> None:
    image = read_image(a_file(tmp_path, name))
    assert (image.axes, image.shape, image.name) == ("CZYX", (2, 3, 8, 9), "a")
    assert image.dtype == np.dtype("u2")
    assert image.dtype.isnative
    assert image.scale == dict(Z=0.5, Y=0.1, X=0.1)
    assert image.units == dict(Z="µm", Y="µm", X="µm")
    assert image.channel_names == ("DAPI", "GFP")
    assert image.notes == ()
    np.testing.assert_array_equal(image.data, bioio.pixels[0])


def test_time_and_units(tmp_path: Path, bioio: Any) -> None:
    bioio.pixels = np.zeros((4, 1, 1, 8, 9), np.uint8)
    bioio.scale = Sizes(T=2.5, Z=1.0, Y=100.0, X=100.0)
    # ND2 names the unit in which the file keeps times, but the interval is in seconds.
    bioio.dimension_properties = Sizes(
        *(Property(None, u) for u in ("millisecond", None, "micrometer", "nanometer", "nanometer"))
    )
    bioio.channel_names = ["Channel:0:0"]
    bioio.scenes = ("a", "b", "c")
    image = read_image(a_file(tmp_path, "a.nd2"))
    assert image.axes == "TYX"
    assert image.scale == dict(T=2.5, Y=100.0, X=100.0)
    assert image.units == dict(T="s", Y="nm", X="nm")
    assert image.channel_names == ()
    assert image.notes == ("The file holds 3 images; the first was read.",)
    other = read_image(image.path, axes="ZYX")
    assert (other.axes, other.scale) == ("ZYX", dict(Y=100.0, X=100.0))


def test_colours_and_samples(tmp_path: Path, bioio: Any) -> None:
    bioio.order, bioio.channel_names = "TCZYXS", None
    bioio.pixels = np.zeros((1, 1, 1, 8, 9, 3), np.uint8)
    assert read_image(a_file(tmp_path, "a.czi")).axes == "YXS"
    bioio.pixels = np.zeros((1, 1, 1, 8, 9, 2), np.uint8)
    assert read_image(a_file(tmp_path, "a.czi")).axes == "YXC"


def test_large_ones_are_not_read(tmp_path: Path, bioio: Any) -> None:
    image = read_image(a_file(tmp_path, "a.lif"), lazy_above=100)
    data: Any = image.data
    assert isinstance(data, LazyArray)
    np.testing.assert_array_equal(
        data.read([slice(1), *[slice(2)] * 3]), bioio.pixels[0, :1, :2, :2, :2]
    )


def test_refused_in_words(tmp_path: Path, bioio: Any) -> None:
    with pytest.raises(InputError, match="There is no file"):
        read_image(tmp_path / "none.czi")
    (tmp_path / "empty.czi").touch()
    with pytest.raises(InputError, match="0 bytes"):
        read_image(tmp_path / "empty.czi")
    path = a_file(tmp_path, "a.czi")
    for error, kind, words in (
        (RuntimeError("no segment"), InputError, "damaged.*no segment"),
        (PermissionError(13, "no"), InputError, "may not be read"),
        (MemoryError(), OutOfMemory, "more memory"),
    ):
        bioio.error = error
        with pytest.raises(kind, match=words):
            read_image(path)


@pytest.mark.parametrize("name", ["a.czi", "a.lif", "a.nd2"])
def test_without_the_extra(
    tmp_path: Path, absent: None, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["denoise", str(a_file(tmp_path, name))]) == 1
    said = capsys.readouterr().err
    assert 'pip install "napari-blind2grad[bioio]"' in said
    assert "OME-TIFF" in said


def test_the_command_line(tmp_path: Path, bioio: Any) -> None:
    bioio.pixels = np.random.default_rng(0).poisson(50, (1, 1, 2, 32, 33)).astype(np.uint16)
    source = a_file(tmp_path, "cells.czi")
    assert main(["denoise", str(source), *SMALL.split()]) == 0
    result = read_image(tmp_path / "cells_denoised.ome.tif")
    assert (result.axes, result.shape) == ("ZYX", (2, 32, 33))
    assert (result.scale["Z"], result.units["Z"]) == (0.5, "µm")
    assert result.parameters["input"] == "cells.czi"


def test_a_real_czi(tmp_path: Path) -> None:
    reason = "needs the extra bioio"
    pytest.importorskip("bioio_czi", reason=reason, exc_type=ImportError)
    czi = pytest.importorskip("pylibCZIrw.czi", reason=reason, exc_type=ImportError)
    pixels = np.random.default_rng(0).poisson(100, (2, 3, 40, 50)).astype(np.uint16)
    path = tmp_path / "real.czi"
    with czi.create_czi(str(path)) as document:
        for c, z in np.ndindex(2, 3):
            document.write(pixels[c, z, ..., None], plane={"T": 0, "C": c, "Z": z})
        names = {0: "DAPI", 1: "GFP"}
        document.write_metadata(
            "real", channel_names=names, scale_x=2e-7, scale_y=2e-7, scale_z=1e-6
        )
    for above in (None, 10):
        image = read_image(path, lazy_above=above)
        np.testing.assert_array_equal(np.asarray(image.data), pixels)
        assert image.axes == "CZYX"
        assert image.scale == pytest.approx(dict(Z=1.0, Y=0.2, X=0.2))
        assert image.units == dict(Z="µm", Y="µm", X="µm")
        assert image.channel_names == ("DAPI", "GFP")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError, match="damaged"):
        read_image(path)
