"""Files of other programs: what their dimensions are, and what cannot be known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_blind2grad.errors import InputError
from napari_blind2grad.io import read_image, write_image
from napari_blind2grad.io.units import normalize_unit

STACKS = Path(__file__).parents[2] / "shared" / "data" / "stacks"


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((5, 6), "YX"), ((4, 5, 6), "ZYX"), ((2, 4, 5, 6), "TZYX"), ((2, 3, 4, 5, 6), "TCZYX")],
)
def test_unnamed_dimensions_are_guessed(tmp_path: Path, shape: tuple[int, ...], axes: str) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, np.zeros(shape, np.uint8), photometric="minisblack")
    image = read_image(path)
    assert image.axes == axes
    assert len(image.notes) == (axes != "YX")
    assert all(f"taken for {axes}" in note for note in image.notes)


def test_named_dimensions_need_no_note(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(
        path, np.zeros((3, 5, 6), np.uint8), photometric="minisblack", metadata={"axes": "CYX"}
    )
    image = read_image(path)
    assert (image.axes, image.notes) == ("CYX", ())


def test_too_many_unnamed_dimensions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, np.zeros((2, 2, 2, 2, 5, 6), np.uint8), photometric="minisblack")
    with pytest.raises(InputError, match="--axes on the command line"):
        read_image(path)


def test_odd_dimensions_are_refused_unless_named(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    array = np.arange(150, dtype=np.uint8).reshape(5, 5, 6)
    tifffile.imwrite(path, array, photometric="minisblack", metadata={"axes": "RYX"})
    with pytest.raises(InputError, match=r"cannot be denoised as they are \(RYX\)"):
        read_image(path)
    image = read_image(path, "tyx")
    assert image.axes == "TYX"
    np.testing.assert_array_equal(image.data, array)


def test_given_axes_override_and_are_checked(tmp_path: Path) -> None:
    path = write_image(tmp_path / "image.ome.tif", np.zeros((4, 5, 6), np.uint8), axes="ZYX")
    assert read_image(path, "TYX").axes == "TYX"
    assert read_image(path, "YXZ").shape == (4, 5, 6)
    with pytest.raises(InputError, match="name 2 dimensions, but the image has 3"):
        read_image(path, "YX")


def test_lengths_never_become_times(tmp_path: Path) -> None:
    path = write_image(
        tmp_path / "image.ome.tif",
        np.zeros((4, 5, 6), np.uint8),
        axes="ZYX",
        scale=dict(Z=0.5, Y=0.1, X=0.1),
        units=dict(Z="µm", Y="µm", X="µm"),
    )
    as_time = read_image(path, "TYX")
    assert set(as_time.scale) == set(as_time.units) == {"Y", "X"}
    assert read_image(path, "YZX").scale == pytest.approx({"Y": 0.5, "Z": 0.1, "X": 0.1})


def test_first_of_several_images(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(np.ones((5, 6), np.uint8), photometric="minisblack")
        writer.write(np.zeros((7, 8, 9), np.uint16), photometric="minisblack")
    image = read_image(path)
    assert image.shape == (5, 6)
    assert any("holds 2 images" in note for note in image.notes)


def test_full_resolution_of_a_pyramid(tmp_path: Path) -> None:
    path = tmp_path / "image.ome.tif"
    full = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    with tifffile.TiffWriter(path) as writer:
        writer.write(full, subifds=1, tile=(32, 32), photometric="minisblack")
        writer.write(full[::2, ::2], subfiletype=1, tile=(32, 32), photometric="minisblack")
    np.testing.assert_array_equal(read_image(path).data, full)


def test_samples_that_are_no_colours_are_channels(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(
        path, np.zeros((5, 6, 5), np.uint8), photometric="minisblack", planarconfig="contig"
    )
    assert read_image(path).axes == "YXC"
    tifffile.imwrite(path, np.zeros((5, 6, 3), np.uint8), photometric="rgb")
    assert read_image(path).axes == "YXS"
    tifffile.imwrite(path, np.zeros((3, 5, 6), np.uint8), photometric="rgb")
    assert read_image(path).axes == "SYX"


def test_odd_colours_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    array = np.arange(30, dtype=np.uint8).reshape(5, 6)
    tifffile.imwrite(path, array, photometric="miniswhite")
    image = read_image(path)
    np.testing.assert_array_equal(image.data, array)
    assert any("white as 0" in note for note in image.notes)
    tifffile.imwrite(path, array, photometric="palette", colormap=np.zeros((3, 256), np.uint16))
    assert any("by number" in note for note in read_image(path).notes)


def test_resolution_tags(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    array = np.zeros((5, 6), np.uint8)
    options = dict(photometric="minisblack", metadata=None)
    tifffile.imwrite(path, array, resolution=(20000, 10000), resolutionunit="CENTIMETER", **options)
    image = read_image(path)
    assert image.scale == pytest.approx({"X": 0.5, "Y": 1.0})
    assert image.units == {"X": "µm", "Y": "µm"}
    # 72 dots per inch, or per centimetre, are a printer's and no microscope's.
    for unit in ("INCH", "CENTIMETER"):
        tifffile.imwrite(path, array, resolution=(72, 72), resolutionunit=unit, **options)
        assert read_image(path).scale == {}


def test_ome_defaults_to_micrometres_and_seconds(tmp_path: Path) -> None:
    path = tmp_path / "image.ome.tif"
    metadata = {"axes": "TYX", "PhysicalSizeX": 0.3, "PhysicalSizeY": 0.3, "TimeIncrement": 2}
    tifffile.imwrite(path, np.zeros((4, 5, 6), np.uint8), metadata=metadata, photometric=1)
    image = read_image(path)
    assert image.scale == {"X": 0.3, "Y": 0.3, "T": 2}
    assert image.units == {"X": "µm", "Y": "µm", "T": "s"}


def test_broken_metadata_does_not_hide_the_pixels(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    array = np.arange(30, dtype=np.uint8).reshape(5, 6)
    for text in (b"<?xml version='1.0'?><OME><Image>", b"ImageJ=1.5\nunit=\nspacing=nan\n"):
        tifffile.imwrite(path, array, description=text, metadata=None, photometric="minisblack")
        image = read_image(path)
        np.testing.assert_array_equal(image.data, array)
        assert image.scale == {}


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("um", "µm"),
        ("micron", "µm"),
        ("Microns", "µm"),
        ("micrometer", "µm"),
        ("\\u00B5m", "µm"),
        ("\u03bcm", "µm"),
        ("nm", "nm"),
        ("nanometers", "nm"),
        ("mm", "mm"),
        ("Mm", "Mm"),
        ("inch", "in"),
        ("inches", "in"),
        ("sec", "s"),
        ("seconds", "s"),
        ("ms", "ms"),
        ("hours", "h"),
        ("pixel", ""),
        ("pixels", ""),
        ("", ""),
        ("furlong", "furlong"),
    ],
)
def test_units(text: str, unit: str) -> None:
    assert normalize_unit(text) == unit


# ---------------------------------------------------------------- real files


def stack(name: str) -> Path:
    path = STACKS / name
    if not path.exists():
        pytest.skip("the shared images are not here")
    return path


@pytest.mark.parametrize(
    ("name", "axes", "shape", "dtype", "scale", "units"),
    [
        ("yeast_mitochondria_tzyx_u16.ome.tif", "TZYX", (4, 17, 192, 279), "uint16", {}, {}),
        ("nuclei_zyx_u16.tif", "ZYX", (60, 256, 256), "uint16", {}, {}),
        ("cellseg3d_c5_zyx_f32.tif", "ZYX", (124, 86, 94), "float32", {}, {}),
        ("focal_adhesion_yx_u16_bigendian.tiff", "YX", (512, 512), "uint16", dict(X=0.2476), "µm"),
        ("chromosomes_zyx.tif", "ZYX", (40, 152, 126), "uint16", dict(Z=0.15, X=0.03385), "µm"),
        (
            "dna_confocal_widefield_zcyx_u16.tif",
            "ZCYX",
            (45, 2, 130, 133),
            "uint16",
            dict(Z=0.4994, Y=0.5119),
            "µm",
        ),
        ("epitools_zyx_u8.tif", "ZYX", (30, 199, 206), "uint8", dict(Y=1e-4), "cm"),
        ("hybiss_spots_yx_u16.tif", "YX", (512, 512), "uint16", {}, {}),
    ],
)
def test_real_files(
    tmp_path: Path,
    name: str,
    axes: str,
    shape: tuple[int, ...],
    dtype: str,
    scale: dict[str, float],
    units: str,
) -> None:
    image = read_image(stack(name))
    assert (image.axes, image.shape, image.dtype.name) == (axes, shape, dtype)
    assert {c: image.scale[c] for c in scale} == pytest.approx(scale, rel=1e-3)
    assert set(image.units.values()) == ({units} if scale else set())
    for ending in (".ome.tif", ".tif"):
        copy = write_image(
            tmp_path / f"copy{ending}",
            image.data,
            axes=image.axes,
            scale=image.scale,
            units=image.units,
            channel_names=image.channel_names,
        )
        back = read_image(copy)
        np.testing.assert_array_equal(back.data, image.data)
        assert (back.axes, back.dtype) == (image.axes, image.dtype)
        assert back.scale == pytest.approx(image.scale)
        assert (back.units, back.channel_names) == (image.units, image.channel_names)
