"""No file, however broken, gives a traceback or a wrong image."""

from __future__ import annotations

import errno
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_blind2grad.errors import InputError, OutOfMemory, OutputError
from napari_blind2grad.io import (
    check_place,
    check_target,
    read_image,
    read_parameters,
    whole_file,
    write_image,
)

IMAGE = np.random.default_rng(0).integers(0, 60000, (5, 12, 16)).astype(np.uint16)


def _pages(path: Path, image: np.ndarray) -> None:
    with tifffile.TiffWriter(path) as writer:
        for page in image:
            writer.write(page, contiguous=False, metadata=None, photometric="minisblack")


WRITERS = {
    "ome": lambda p: write_image(p.with_suffix(".ome.tif"), IMAGE, axes="ZYX").rename(p),
    "imagej": lambda p: write_image(p, IMAGE, axes="ZYX"),
    "shaped": lambda p: tifffile.imwrite(p, IMAGE, photometric="minisblack"),
    "bigtiff": lambda p: tifffile.imwrite(p, IMAGE, bigtiff=True, photometric="minisblack"),
    "deflate": lambda p: tifffile.imwrite(p, IMAGE, compression="zlib", photometric="minisblack"),
    "pages": lambda p: _pages(p, IMAGE),
    "tiles": lambda p: tifffile.imwrite(p, IMAGE, tile=(16, 16), photometric="minisblack"),
}


@pytest.fixture(params=sorted(WRITERS))
def whole(request: pytest.FixtureRequest, tmp_path: Path) -> bytes:
    path = tmp_path / "whole.tif"
    WRITERS[request.param](path)
    np.testing.assert_array_equal(read_image(path).data, IMAGE)
    return path.read_bytes()


def read_or_words(path: Path) -> np.ndarray | None:
    """Read a broken file: its pixels, or None after an error in words."""
    try:
        return read_image(path).data
    except (InputError, OutOfMemory) as error:
        words = str(error)
    assert str(path) in words
    assert words.endswith(".")
    return None


def test_truncated_anywhere(whole: bytes, tmp_path: Path) -> None:
    """A file cut off anywhere is refused, or whole for all that matters: never fewer planes."""
    path = tmp_path / "cut.tif"
    refused = 0
    cuts = sorted({*range(0, 400, 13), *range(400, len(whole), 61), len(whole) - 1})
    for cut in cuts:
        path.write_bytes(whole[:cut])
        image = read_or_words(path)
        if image is None:
            refused += 1
        else:
            np.testing.assert_array_equal(image, IMAGE, err_msg=f"cut at {cut}")
    assert refused > 0.5 * len(cuts)


@given(st.data())
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_bytes_changed_anywhere(whole: bytes, tmp_path: Path, data: st.DataObject) -> None:
    """Nothing but our own errors comes out of a corrupted file."""
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 8))):
        # Most changes go where the structure is, not the pixels.
        place = data.draw(st.integers(0, min(600, len(whole) - 1)))
        broken[place] = data.draw(st.integers(0, 255))
    path = tmp_path / "broken.tif"
    path.write_bytes(broken)
    image = read_or_words(path)
    assert image is None or image.size > 0


def test_a_circle_of_pages_ends(tmp_path: Path) -> None:
    path = tmp_path / "circle.tif"
    _pages(path, IMAGE)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        first, last = tiff.pages[0].offset, tiff.pages[-1].offset
        count = len(tiff.pages[0].tags)
    at = last + 2 + 12 * count
    data[at : at + 4] = first.to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged or incomplete"):
        read_image(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "is not a TIFF file. Open it in Fiji"),
        (b"II", "is not a TIFF file|damaged or incomplete"),
        (b"II*\0" + bytes(4), "holds no image|damaged or incomplete"),
        (b"II*\0\xff\xff\xff\x7f", "damaged or incomplete"),
    ],
)
def test_no_images(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "image.tif"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_image(path)


def test_missing_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no file"):
        read_image(tmp_path / "nope.tif")
    with pytest.raises(InputError, match="is a folder"):
        read_image(tmp_path)
    with pytest.raises(InputError, match="There is no file"):
        read_parameters(tmp_path / "nope.tif")


def test_an_image_without_pixels(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    with pytest.warns(UserWarning, match="zero"):
        tifffile.imwrite(path, np.zeros((0, 4), np.uint8), photometric="minisblack")
    with pytest.raises(InputError, match=r"holds (no|an empty) image|damaged"):
        read_image(path)


def test_no_permission_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_image(tmp_path / "image.tif", IMAGE)

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tifffile, "TiffFile", refuse)
    with pytest.raises(InputError, match="may not be read"):
        read_image(path)


def test_too_large_for_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_image(tmp_path / "image.tif", IMAGE)

    def exhaust(*args: object, **kwargs: object) -> None:
        raise MemoryError

    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", exhaust)
    with pytest.raises(OutOfMemory, match="GiB of memory"):
        read_image(path)


def test_a_missing_codec_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_image(tmp_path / "image.tif", IMAGE)

    def lack(*args: object, **kwargs: object) -> None:
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", lack)
    with pytest.raises(InputError, match="pip install imagecodecs"):
        read_image(path)


def test_one_file_of_a_set(tmp_path: Path) -> None:
    """An OME-TIFF that names other files cannot be read without them."""
    path = write_image(tmp_path / "image.ome.tif", IMAGE, axes="ZYX")
    with tifffile.TiffFile(path) as tiff:
        xml = tiff.ome_metadata
    uuid = "urn:uuid:00000000-0000-0000-0000-000000000000"
    elsewhere = f'<TiffData IFD="0" FirstZ="4"><UUID FileName="b.ome.tif">{uuid}</UUID></TiffData>'
    here = '<TiffData IFD="0" PlaneCount="4"/>'
    xml = xml.replace('<TiffData IFD="0" PlaneCount="5"/>', here + elsewhere)
    assert elsewhere in xml
    path.unlink()
    with tifffile.TiffWriter(path) as writer:
        for plane in IMAGE[:4]:
            writer.write(
                plane, description=xml, metadata=None, contiguous=False, photometric="minisblack"
            )
            xml = None
    with pytest.raises(InputError, match="some of them are missing"):
        read_image(path)


# ---------------------------------------------------------------- writing


def leftovers(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk is full"),
        (OSError("3840 requested and 1024 written"), "the disk is full"),
        (OSError(errno.EROFS, "Read-only file system"), "no permission to write"),
        (PermissionError(errno.EACCES, "Permission denied"), "no permission to write"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
    ],
)
def test_failed_writing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, message: str
) -> None:
    path = tmp_path / "image.tif"
    path.write_bytes(b"old")

    def fail(temporary: Path, *args: object, **kwargs: object) -> None:
        temporary.write_bytes(b"half of it")
        raise error

    monkeypatch.setattr(tifffile, "imwrite", fail)
    with pytest.raises(OutputError, match=message) as caught:
        write_image(path, IMAGE)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"old"
    assert leftovers(tmp_path) == ["image.tif"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_an_interrupt_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def write_half() -> None:
        with whole_file(tmp_path / "a.tif") as temporary:
            temporary.write_bytes(b"half of it")
            raise error

    with pytest.raises(error):
        write_half()
    assert leftovers(tmp_path) == []


def test_nothing_has_the_final_name_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with whole_file(path) as temporary:
        temporary.write_text("1,2")
        assert not path.exists()
    assert path.read_text() == "1,2"
    assert leftovers(tmp_path) == ["a.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions and links")
def test_permissions_and_links(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    real, link = tmp_path / "real.tif", tmp_path / "link.tif"
    real.write_bytes(b"old")
    link.symlink_to(real)
    write_image(link, IMAGE)
    assert link.is_symlink()
    np.testing.assert_array_equal(read_image(real).data, IMAGE)
    assert stat.S_IMODE(real.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_the_input_is_never_overwritten(tmp_path: Path) -> None:
    path = write_image(tmp_path / "image.tif", IMAGE)
    before = path.read_bytes()
    same = tmp_path / "." / "image.tif"
    with pytest.raises(OutputError, match="is the input file, which is never overwritten"):
        write_image(same, IMAGE, source=path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "dtype", "message"),
    [
        ("missing/a.tif", "uint8", "does not exist. Create it first"),
        ("a.png", "uint8", "must end in"),
        ("a.ome.tif", "int64", "OME-TIFF has no int64 pixels"),
        ("a.ome.tif", "float16", "OME-TIFF has no float16 pixels"),
        ("folder.tif", "uint8", "is a folder"),
    ],
)
def test_targets_are_checked_before_a_run(
    tmp_path: Path, name: str, dtype: str, message: str
) -> None:
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(OutputError, match=message):
        check_target(tmp_path / name, dtype=dtype)
    check_target(tmp_path / "fine.tif", dtype=dtype)


def test_the_space_is_checked_before_a_run(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(OutputError, match=r"is full: .* MiB are needed"):
        check_place(tmp_path / "a.tif", nbytes=2 * free)


def test_no_permission_is_found_before_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(OutputError, match="no permission to write"):
        check_target(tmp_path / "a.tif")


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Path:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None:
        pytest.skip("there is no mount command")
    command = [mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system takes root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
def test_a_really_full_disk(tiny_disk: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.zeros((4, 128, 128), np.uint16)
    with pytest.raises(OutputError, match=r"is full: 0\.1 MiB are needed"):
        write_image(tiny_disk / name, image)
    # The space may also run out after the check.
    monkeypatch.setattr("napari_blind2grad.io.write.check_target", lambda *args, **kwargs: None)
    with pytest.raises(OutputError, match=r"the disk is full\. Free some space"):
        write_image(tiny_disk / name, image)
    assert leftovers(tiny_disk) == []
