"""OME-Zarr in and out: round trips, validity by the library's own models, and damage in words."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import ome_zarr_models
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader

from napari_blind2grad import Config
from napari_blind2grad.cli import main
from napari_blind2grad.errors import InputError, OutputError
from napari_blind2grad.io import read_image, read_parameters, write_image

DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
SCALE = dict(X=0.1, Y=0.2, Z=0.55, T=2.5)
UNITS = dict(X="µm", Y="µm", Z="nm", T="min")


def values(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """An array with both ends of its type's range in it."""
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    limits = np.iinfo(dtype) if array.dtype.kind in "iu" else np.finfo(dtype)
    array.flat[0], array.flat[-1] = limits.min, limits.max
    return array


@settings(max_examples=40)
@given(data=st.data())
def test_everything_survives(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    planes = data.draw(st.lists(st.sampled_from("TCZ"), unique=True))
    axes = "".join(data.draw(st.permutations([*planes, "Y", "X"])))
    shape = tuple(data.draw(st.integers(1, 5)) for _ in axes)
    dtype = data.draw(st.sampled_from(DTYPES))
    byte_order = data.draw(st.sampled_from("<>"))
    version = data.draw(st.sampled_from(["0.4", "0.5"]))
    count = shape[axes.index("C")] if "C" in axes else 0
    names = tuple(f"channel {i} µ" for i in range(count))
    parameters = {"seed": data.draw(st.integers(0, 2**31 - 1)), "config": Config().to_dict()}
    array = values(dtype, shape)
    path = tmp_path_factory.mktemp("zarr") / "image.ome.zarr"
    write_image(
        path,
        array.astype(array.dtype.newbyteorder(byte_order)),
        axes=axes,
        scale=SCALE,
        units=UNITS,
        channel_names=names,
        parameters=parameters,
        ome_zarr=version,
    )
    image = read_image(path)
    assert image.axes == "".join(c for c in "TCZYX" if c in axes)
    assert image.dtype == np.dtype(dtype)
    assert image.dtype.isnative
    back = image.data.transpose([image.axes.index(c) for c in axes])
    np.testing.assert_array_equal(back, array)
    assert image.scale == pytest.approx({c: s for c, s in SCALE.items() if c in axes})
    assert image.units == {c: u for c, u in UNITS.items() if c in axes}
    assert image.channel_names == names
    assert image.parameters == parameters == read_parameters(path)
    assert image.name == "image"
    assert image.notes == ()
    model = ome_zarr_models.open_ome_zarr(path, version=version)  # type: ignore[arg-type]
    assert model.ome_zarr_version == version
    assert {p.name for p in path.parent.iterdir()} == {path.name}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_the_librarys_own_reader(tmp_path: Path, version: str) -> None:
    """A pyramid with the right sizes, by the words of the metadata and by the eyes of the reader."""
    array = np.arange(3 * 700 * 601, dtype=np.uint16).reshape(3, 700, 601)
    path = tmp_path / "a.ome.zarr"
    write_image(path, array, axes="ZYX", scale=SCALE, units=UNITS, ome_zarr=version)
    (node,) = Reader(parse_url(path))()
    assert [level.shape for level in node.data] == [(3, 700, 601), (3, 350, 300), (3, 175, 150)]
    assert [(a["name"], a["type"], a["unit"]) for a in node.metadata["axes"]] == [
        ("z", "space", "nanometer"),
        ("y", "space", "micrometer"),
        ("x", "space", "micrometer"),
    ]
    full, half, quarter = node.metadata["coordinateTransformations"]
    assert full[0]["scale"] == pytest.approx([0.55, 0.2, 0.1])
    assert half[0]["scale"] == pytest.approx([0.55, 0.4, 0.1 * 601 / 300])
    assert half[1]["translation"] == pytest.approx([0, 0.1, (0.1 * 601 / 300 - 0.1) / 2])
    assert quarter[0]["scale"] == pytest.approx([0.55, 0.8, 0.1 * 601 / 150])
    np.testing.assert_array_equal(np.asarray(node.data[0]), array)
    # By hand: pixel (0, 0) of the second level is the mean of 0, 1, 601 and 602.
    assert int(np.asarray(node.data[1])[0, 0, 0]) == round((0 + 1 + 601 + 602) / 4)


def test_halves_of_whole_numbers_are_rounded(tmp_path: Path) -> None:
    array = np.zeros((1, 514), np.uint8)
    array[0, 1::2] = 3  # pairs of 0 and 3: 1.5, to even
    path = write_image(tmp_path / "a.zarr", array)
    group = zarr.open_group(path, mode="r")
    assert [np.asarray(group[name]).shape for name in ("s0", "s1", "s2")] == [
        (1, 514),
        (1, 257),
        (1, 128),
    ]
    assert (np.asarray(group["s1"]) == 2).all()


def test_colours_become_channels(tmp_path: Path) -> None:
    array = values("u1", (5, 6, 3))
    path = write_image(tmp_path / "a.zarr", array, axes="YXS")
    image = read_image(path)
    assert (image.axes, image.channel_names) == ("CYX", ("red", "green", "blue"))
    np.testing.assert_array_equal(image.data, np.moveaxis(array, -1, 0))
    ome_zarr_models.open_ome_zarr(path)
    with pytest.raises(OutputError, match="channels and colours at once"):
        write_image(tmp_path / "b.zarr", values("u1", (2, 5, 6, 3)), axes="CYXS")
    assert {p.name for p in tmp_path.iterdir()} == {"a.zarr"}


def test_values_that_are_no_numbers(tmp_path: Path) -> None:
    array = np.full((300, 300), np.nan, np.float32)
    array[:2] = np.inf
    path = write_image(tmp_path / "a.zarr", array[None], axes="CYX")
    np.testing.assert_array_equal(read_image(path).data, array[None])
    ome_zarr_models.open_ome_zarr(path)


def test_units_that_ome_zarr_lacks_are_left_out(tmp_path: Path) -> None:
    units = dict(X="furlong", Y="s", T="µm")
    path = write_image(
        tmp_path / "a.zarr", values("u1", (2, 3, 4)), axes="TYX", scale=SCALE, units=units
    )
    image = read_image(path)
    assert image.units == {}
    assert image.scale == pytest.approx(dict(T=2.5, Y=0.2, X=0.1))


# ---------------------------------------------------------------- files of others


def foreign(path: Path, array: np.ndarray, metadata: dict[str, Any], zarr_format: Any = 2) -> Path:
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    group.create_array("0", data=array)
    group.attrs.update(metadata if zarr_format == 2 else {"ome": metadata})
    return path


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_scales_multiply(tmp_path: Path, zarr_format: int) -> None:
    image = {
        "axes": [{"name": "z", "type": "space"}, {"name": "y", "unit": "micron"}, {"name": "x"}],
        "datasets": [
            {
                "path": "0",
                "coordinateTransformations": [
                    {"type": "scale", "scale": [1, 0.5, 0.25]},
                    {"type": "translation", "translation": [1, 2, 3]},
                ],
            }
        ],
        "coordinateTransformations": [{"type": "scale", "scale": [1, 4, 8]}],
    }
    path = foreign(
        tmp_path / "a.zarr", values("u2", (2, 3, 4)), {"multiscales": [image]}, zarr_format
    )
    found = read_image(path)
    assert (found.axes, found.scale, found.units) == ("ZYX", dict(Y=2.0, X=2.0), dict(Y="µm"))
    assert found.parameters == {}
    turned = read_image(path, "tyx")
    assert (turned.axes, turned.scale) == ("TYX", dict(Y=2.0, X=2.0))


def test_old_versions(tmp_path: Path) -> None:
    names = {"version": "0.3", "axes": ["c", "y", "x"], "datasets": [{"path": "0"}]}
    image = read_image(
        foreign(tmp_path / "a.zarr", values("u1", (2, 3, 4)), {"multiscales": [names]})
    )
    assert (image.axes, image.scale) == ("CYX", {})
    none = {"version": "0.1", "datasets": [{"path": "0"}]}
    five = values("u1", (1, 2, 1, 3, 4))
    assert read_image(foreign(tmp_path / "b.zarr", five, {"multiscales": [none]})).axes == "TCZYX"


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({}, "It holds several images: give the folder of one, such as 0"),
        ({"plate": {}}, "It holds several images"),
        ({"multiscales": "x"}, "damaged or incomplete"),
        ({"multiscales": [{}]}, "damaged or incomplete"),
        ({"multiscales": [{"datasets": []}]}, "damaged or incomplete"),
        ({"multiscales": [{"datasets": [{"path": "nope"}]}]}, "damaged or incomplete"),
        ({"multiscales": [{"datasets": [{"path": "../../other"}]}]}, "damaged or incomplete"),
        ({"multiscales": [{"datasets": [{"path": ""}]}]}, "damaged or incomplete"),
        (
            {"multiscales": [{"datasets": [{"path": "0"}], "axes": [{"name": "q"}, "y", "x"]}]},
            "cannot be denoised as they are",
        ),
        ({"multiscales": [{"datasets": [{"path": "0"}], "axes": ["y", "x"]}]}, "--axes"),
        (
            {
                "multiscales": [
                    {
                        "axes": ["z", "y", "x"],
                        "datasets": [
                            {
                                "path": "0",
                                "coordinateTransformations": [{"type": "scale", "scale": "abc"}],
                            }
                        ],
                    }
                ]
            },
            "damaged or incomplete",
        ),
    ],
)
def test_metadata_that_say_nothing(tmp_path: Path, metadata: dict[str, Any], words: str) -> None:
    path = foreign(tmp_path / "a.zarr", values("u1", (2, 3, 4)), metadata)
    with pytest.raises(InputError) as caught:
        read_image(path)
    assert words in str(caught.value)


def test_damage(tmp_path: Path) -> None:
    good = write_image(tmp_path / "good.zarr", values("u2", (2, 300, 300)), axes="ZYX")
    level = json.loads((good / "s0" / "zarr.json").read_text())
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(InputError, match="is no OME-Zarr image"):
        read_image(tmp_path / "empty.zarr")
    for name, text in (("zarr.json", "{"), ("s0/zarr.json", "[" * 100), ("s0/zarr.json", "{}")):
        bad = shutil.copytree(good, tmp_path / "bad.zarr")
        (bad / name).write_text(text)
        with pytest.raises(InputError):
            read_image(bad)
        shutil.rmtree(bad)
    bad = shutil.copytree(good, tmp_path / "bad.zarr")
    chunk = bad / "s0" / "c" / "1" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:20])
    with pytest.raises(InputError, match="damaged or incomplete"):
        read_image(bad)
    chunk.unlink()
    image = read_image(bad)
    assert image.notes == ("1 of 2 blocks are not stored; they were read as 0.",)
    assert (image.data[1] == 0).all()
    shutil.rmtree(bad / "s0" / "c")
    with pytest.raises(InputError, match="no pixels are stored"):
        read_image(bad)
    assert level["shape"] == [2, 300, 300]


PICKLE = {"id": "pickle", "protocol": 5}


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (dict(dtype="|u1", filters=[PICKLE], compressor=None), "damaged or incomplete"),
        (dict(dtype="|u1", filters=None, compressor=PICKLE), "damaged or incomplete"),
        # zarr opens this one, and its codecs before numcodecs 0.16 ran it.
        (
            dict(dtype="|O", filters=[{"id": "vlen-utf8"}], compressor=PICKLE, fill_value=""),
            "a form that is no image",
        ),
    ],
)
def test_pickled_pixels_are_not_run(tmp_path: Path, header: dict[str, Any], words: str) -> None:
    """Version 2 of zarr can name Python's pickle as a codec: reading would run what the file says."""
    image = {"axes": ["y", "x"], "datasets": [{"path": "0"}]}
    path = foreign(tmp_path / "a.zarr", np.zeros((4, 4), np.uint8), {"multiscales": [image]})
    mark = tmp_path / "ran"

    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[Path]]:
            return Path.mkdir, (mark,)

    before = json.loads((path / "0" / ".zarray").read_text())
    (path / "0" / ".zarray").write_text(json.dumps(before | header))
    for chunk in (path / "0").glob("[0-9]*"):
        shutil.rmtree(chunk) if chunk.is_dir() else chunk.unlink()
    separator = before.get("dimension_separator", ".")
    block = path / "0" / f"0{separator}0"
    block.parent.mkdir(exist_ok=True)
    block.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match=words):
        read_image(path)
    assert not mark.exists()


# ---------------------------------------------------------------- writing


def test_replacing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_image(tmp_path / "a.zarr", values("u1", (3, 4)))
    write_image(path, values("u2", (5, 6)))
    assert read_image(path).shape == (5, 6)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("ome_zarr.writer.write_multiscale", full)
        with pytest.raises(OutputError, match="the disk is full"):
            write_image(path, values("u2", (7, 8)))
    assert read_image(path).shape == (5, 6)
    with pytest.raises(OutputError, match="input file, which is never overwritten"):
        write_image(path, values("u2", (7, 8)), source=path)
    other = tmp_path / "mine.zarr"
    other.mkdir()
    (other / "thesis.txt").touch()
    with pytest.raises(OutputError, match="holds something else"):
        write_image(other, values("u1", (3, 4)))
    with pytest.raises(OutputError, match=r"choose 0\.5 or 0\.4"):
        write_image(tmp_path / "b.zarr", values("u1", (3, 4)), ome_zarr="0.9")
    assert {p.name for p in tmp_path.iterdir()} == {"a.zarr", "mine.zarr"}


def test_nothing_is_there_before_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(tmp_path / "first.zarr", values("u1", (3, 4)))  # loads the library
    shutil.rmtree(tmp_path / "first.zarr")
    writer = sys.modules["ome_zarr.writer"]
    path, seen = tmp_path / "a.zarr", []
    real = writer.write_multiscale

    def watched(*args: Any, **options: Any) -> Any:
        real(*args, **options)
        seen.append(path.exists())
        raise KeyboardInterrupt

    monkeypatch.setattr(writer, "write_multiscale", watched)
    with pytest.raises(KeyboardInterrupt):
        write_image(path, values("u1", (3, 4)))
    assert seen == [False]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_the_command(tmp_path: Path, version: str, capsys: pytest.CaptureFixture[str]) -> None:
    noisy = np.random.default_rng(0).poisson(100, (3, 40, 33)).astype(np.uint16)
    source = write_image(tmp_path / "in.zarr", noisy, axes="ZYX", scale=SCALE, units=UNITS)
    out = tmp_path / "out.ome.zarr"
    tiny = ["--iterations=2", "--cycles=2", "--width=4", "--depth=1", "--patch=32", "--passes=1"]
    tiny += ["--threads=1", "--device=cpu"]
    argv = ["denoise", str(source), "-o", str(out), "--ome-zarr", version, *tiny]
    assert main(argv) == 0
    assert capsys.readouterr().out.startswith(f"{out}: 3 × 40 × 33 ZYX, uint16")
    ome_zarr_models.open_ome_zarr(out, version=version)  # type: ignore[arg-type]
    result = read_image(out)
    assert (result.scale, result.units) == (read_image(source).scale, read_image(source).units)
    assert result.parameters["iterations"] == 2
    assert (result.data != noisy).any()
    assert main(["denoise", str(source), "--settings", str(out), "--quiet"]) == 0
    again = read_image(tmp_path / "in_denoised.ome.zarr")
    np.testing.assert_array_equal(again.data, result.data)
    tiff = tmp_path / "out.ome.tif"
    assert main(["denoise", str(source), "-o", str(tiff), "--quiet", *tiny]) == 0
    np.testing.assert_array_equal(read_image(tiff).data, result.data)
