"""What is written comes back: pixels, axes, sizes, units, dtype, channel names and parameters."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_blind2grad import Config, __version__
from napari_blind2grad.io import read_image, read_parameters, write, write_image

DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
OME_DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"]
LENGTHS = dict(T=2, C=3, Z=4, Y=5, X=6, S=3)
SCALE = dict(X=0.1, Y=0.2, Z=0.55, T=2.5)
UNITS = dict(X="µm", Y="µm", Z="µm", T="s")
PARAMETERS = {
    "version": "1.0",
    "seed": 7,
    "stopped": False,
    "device": 'CPU <x86> & "co"',
    "config": Config(omega=0.5).to_dict(),
}
ORDERS = [
    "".join(planes) + tail
    for count in range(4)
    for planes in itertools.permutations("TCZ", count)
    for tail in ("YX", "YXS", "XY", "SYX")
]


def values(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """An array with both ends of its type's range in it."""
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    limits = np.iinfo(dtype) if array.dtype.kind in "iu" else np.finfo(dtype)
    array.flat[0], array.flat[-1] = limits.min, limits.max
    return array


@pytest.mark.parametrize(
    ("ending", "dtype"),
    [(".ome.tif", d) for d in OME_DTYPES] + [(".tif", d) for d in DTYPES],
)
def test_everything_survives(tmp_path: Path, ending: str, dtype: str) -> None:
    for axes in ORDERS:
        path = tmp_path / f"image{ending}"
        array = values(dtype, tuple(LENGTHS[c] for c in axes))
        names = ("DAPI <1>", "b & 'c'", "µ-tubules") if "C" in axes else ()
        write_image(
            path,
            array,
            axes=axes,
            scale=SCALE,
            units=UNITS,
            channel_names=names,
            parameters=PARAMETERS,
        )
        image = read_image(path)
        assert image.dtype == np.dtype(dtype)
        # Rows and columns become last in a file; the letters go with them.
        assert sorted(image.axes) == sorted(axes)
        back = image.data.transpose([image.axes.index(c) for c in axes])
        np.testing.assert_array_equal(back, array)
        assert image.scale == pytest.approx({c: s for c, s in SCALE.items() if c in axes})
        assert image.units == {c: u for c, u in UNITS.items() if c in axes}
        assert image.channel_names == names
        assert image.parameters == PARAMETERS
        assert image.notes == ()


@pytest.mark.parametrize("axes", ["YX", "ZYX", "TZYX", "TCZYX", "CZYX", "CYX", "TYX", "YXS"])
@pytest.mark.parametrize("ending", [".ome.tif", ".ome.tiff", ".tif", ".tiff", ".TIF", ".OME.TIF"])
def test_usual_orders_are_kept(tmp_path: Path, axes: str, ending: str) -> None:
    path = tmp_path / f"image{ending}"
    array = values("u1", tuple(LENGTHS[c] for c in axes))
    write_image(path, array, axes=axes)
    image = read_image(path)
    if ".ome" not in ending.lower():
        axes = "".join(sorted(axes, key="TZCYXS".index))  # ImageJ knows one order only
    assert image.axes == axes
    assert image.name == "image"


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_byte_orders(tmp_path: Path, byte_order: str, dtype: str) -> None:
    array = values(dtype, (4, 5, 6))
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, array, byteorder=byte_order, photometric="minisblack")
    image = read_image(path, "ZYX")
    assert image.dtype.isnative
    np.testing.assert_array_equal(image.data, array)
    swapped = array.astype(array.dtype.newbyteorder(byte_order))
    write_image(path, swapped, axes="ZYX")
    np.testing.assert_array_equal(read_image(path).data, array)


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 7), (7, 1), (3, 1, 1), (1, 3), (3, 4), (3, 1, 7), (3, 7, 1)]
)
@pytest.mark.parametrize("ending", [".ome.tif", ".tif"])
@pytest.mark.parametrize("dtype", ["u1", "u4"])
def test_thin_images(tmp_path: Path, shape: tuple[int, ...], ending: str, dtype: str) -> None:
    path = tmp_path / f"image{ending}"
    axes = "ZYX"[-len(shape) :]
    write_image(path, values(dtype, shape), axes=axes)
    image = read_image(path)
    assert (image.axes, image.shape) == (axes, shape)


@pytest.mark.parametrize("ending", [".ome.tif", ".tif"])
def test_a_stack_of_one_plane_comes_back_with_its_pixels(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"image{ending}"
    array = values("u2", (1, 5, 6))
    write_image(path, array, axes="ZYX", scale=SCALE, units=UNITS)
    image = read_image(path)
    assert image.axes in ("ZYX", "YX")  # OME and ImageJ do not tell the two apart
    np.testing.assert_array_equal(image.data.reshape(5, 6), array[0])
    assert image.scale["X"] == pytest.approx(0.1)


@pytest.mark.parametrize("samples", [1, 2, 3, 4])
@pytest.mark.parametrize("ending", [".ome.tif", ".tif"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_colours(tmp_path: Path, samples: int, ending: str, dtype: str) -> None:
    path = tmp_path / f"image{ending}"
    array = values(dtype, (5, 6, samples))
    write_image(path, array, axes="YXS")
    image = read_image(path)
    np.testing.assert_array_equal(image.data.reshape(array.shape), array)
    with tifffile.TiffFile(path) as tiff:
        assert tiff.pages.first.photometric.name == ("RGB" if samples >= 3 else "MINISBLACK")
    assert ("S" in image.axes) == (samples >= 3)


def test_three_columns_are_no_colours(tmp_path: Path) -> None:
    for ending in (".ome.tif", ".tif"):
        path = tmp_path / f"image{ending}"
        write_image(path, values("u1", (4, 5, 3)), axes="ZYX")
        assert read_image(path).axes == "ZYX"


def test_output_type_is_rounded_and_saturated(tmp_path: Path) -> None:
    array = np.array([[-3.0, 0.5, 1.5], [254.6, 300.0, np.nan]], np.float32)
    path = write_image(tmp_path / "image.tif", array, dtype="uint8")
    assert read_image(path).data.tolist() == [[0, 0, 2], [255, 255, 0]]


def test_imagej_reads_plain_files(tmp_path: Path) -> None:
    """What Fiji needs is there: its header, order, pixel sizes and labels."""
    path = tmp_path / "image.tif"
    write_image(
        path,
        values("u2", (2, 3, 4, 5, 6)),
        axes="TCZYX",
        scale=SCALE,
        units=UNITS,
        channel_names="abc",
    )
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_imagej
        header = tiff.imagej_metadata
        assert (header["frames"], header["slices"], header["channels"]) == (2, 4, 3)
        assert (header["spacing"], header["finterval"]) == (0.55, 2.5)
        assert header["unit"] == "\\u00B5m"
        assert header["Labels"] == list("abc") * 8
        assert tiff.series[0].axes == "TZCYX"


def test_units_that_differ_between_axes(tmp_path: Path) -> None:
    for ending, dtype in ((".ome.tif", "u1"), (".tif", "u1"), (".tif", "u4")):
        path = tmp_path / f"image{ending}"
        units = dict(X="nm", Y="µm", Z="mm", T="min")
        write_image(path, values(dtype, (2, 4, 5, 6)), axes="TZYX", scale=SCALE, units=units)
        image = read_image(path)
        assert image.units == units
        assert image.scale == pytest.approx(SCALE)


def test_sizes_without_units(tmp_path: Path) -> None:
    for ending, dtype in ((".ome.tif", "u1"), (".tif", "u1"), (".tif", "u4")):
        path = tmp_path / f"image{ending}"
        write_image(path, values(dtype, (4, 5, 6)), axes="ZYX", scale=SCALE)
        image = read_image(path)
        assert image.units == {}
        assert image.scale == pytest.approx({c: SCALE[c] for c in "XYZ"})


def test_sizes_that_no_format_holds_are_left_out(tmp_path: Path) -> None:
    for ending in (".ome.tif", ".tif"):
        path = tmp_path / f"image{ending}"
        scale = dict(X=np.nan, Y=0.0, Z=-0.5, T=3.0)
        write_image(path, values("u1", (4, 5, 6)), axes="ZYX", scale=scale)
        assert read_image(path).scale == {"Z": 0.5}


@pytest.mark.parametrize(
    ("name", "dtype"), [("a.ome.tif", "uint16"), ("a.tif", "uint16"), ("a.tif", "int64")]
)
def test_big_files_are_bigtiff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, dtype: str
) -> None:
    monkeypatch.setattr(write, "_CLASSIC_LIMIT", 100)
    array = values(dtype, (4, 5, 6))
    path = write_image(tmp_path / name, array, axes="ZYX", scale=SCALE, units=UNITS)
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_bigtiff
        assert not tiff.is_imagej  # ImageJ reads no BigTIFF with its own header
    image = read_image(path)
    np.testing.assert_array_equal(image.data, array)
    assert image.scale == pytest.approx({c: SCALE[c] for c in "XYZ"})


def test_parameters_are_read_without_the_pixels(tmp_path: Path) -> None:
    for name in ("a.ome.tif", "a.tif"):
        path = write_image(tmp_path / name, values("u1", (5, 6)), parameters=PARAMETERS)
        assert read_parameters(path) == PARAMETERS
        assert Config.from_dict(read_parameters(path)["config"]) == Config(omega=0.5)
    tifffile.imwrite(tmp_path / "foreign.tif", values("u1", (5, 6)))
    assert read_parameters(tmp_path / "foreign.tif") == {}


@pytest.mark.parametrize("axes", ["YX", "TCZYX", "YXS", "CZYXS"])
def test_ome_xml_is_valid(tmp_path: Path, axes: str) -> None:
    ome_types = pytest.importorskip("ome_types")
    path = write_image(
        tmp_path / "image.ome.tif",
        values("u1", tuple(LENGTHS[c] for c in axes)),
        axes=axes,
        scale=SCALE,
        units={**UNITS, "Y": "parsec-ish"},
        channel_names=("a<b", "c&d", '"e"\x07'),
        description="Denoised with <care> & \x00joy.",
        parameters=PARAMETERS,
    )
    with tifffile.TiffFile(path) as tiff:
        xml = tiff.ome_metadata
    ome = ome_types.from_xml(xml, validate=True)
    pixels = ome.images[0].pixels
    assert pixels.physical_size_x == pytest.approx(0.1)
    assert pixels.physical_size_x_unit.value == "µm"
    assert pixels.physical_size_y_unit.value == "reference frame"
    assert ome.images[0].description == "Denoised with <care> & joy."
    assert ome.creator == f"napari-blind2grad {__version__}"
    (annotation,) = ome.structured_annotations.map_annotations
    assert annotation.namespace == "napari-blind2grad"
    if "C" in axes:
        assert [c.name for c in pixels.channels] == ["a<b", "c&d", "'e'"]
    if "T" in axes:
        assert pixels.time_increment == 2.5
