"""The commands ``denoise --save-model``, ``apply`` and ``batch``, with the real engine."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import napari_blind2grad.engine.run
from napari_blind2grad import Config, load_model
from napari_blind2grad.batch import find_jobs
from napari_blind2grad.cli import main
from napari_blind2grad.errors import EngineError, InputError
from napari_blind2grad.events import Event
from napari_blind2grad.io import read_image, write_image

TINY = ["--iterations=3", "--cycles=2", "--width=4", "--depth=1", "--patch=32", "--passes=1"]
TINY += ["--batch=1", "--threads=1", "--device=cpu"]
SCALE, UNITS = dict(Y=0.1, X=0.1), dict(Y="µm", X="µm")


def noisy(seed: int = 0, shape: tuple[int, ...] = (32, 32)) -> np.ndarray:
    clean = 60 + 40 * np.sin(np.arange(np.prod(shape)).reshape(shape) / 7)
    return np.random.default_rng(seed).poisson(clean).astype(np.uint16)


def write(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_image(path, noisy(seed), axes="YX", scale=SCALE, units=UNITS)


def below(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


# ---------------------------------------------------------------- one file


def test_save_and_apply(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "in.tif")
    first, again = tmp_path / "first.ome.tif", tmp_path / "again.ome.tif"
    model = tmp_path / "model"
    argv = ["denoise", str(source), "-o", str(first), "--save-model", str(model), *TINY]
    assert main(argv) == 0
    assert load_model(model).config.iterations == 3
    capsys.readouterr()
    assert main(["apply", str(model), str(source), "-o", str(again)]) == 0
    told = capsys.readouterr()
    assert told.out.startswith(f"{again}: 32 × 32 YX, uint16, ")
    one, two = read_image(first), read_image(again)
    np.testing.assert_array_equal(one.data, two.data)
    assert (two.scale, two.units) == (one.scale, one.units)
    assert two.parameters["network"] == "model"
    assert Config.from_dict(two.parameters["config"]) == Config.from_dict(one.parameters["config"])
    with tifffile.TiffFile(again) as tiff:
        assert "Network from model." in tiff.ome_metadata


def test_apply_without_a_name_and_with_a_type(tmp_path: Path) -> None:
    source = write(tmp_path / "in.tif")
    main(["denoise", str(source), "--save-model", str(tmp_path / "model"), "--quiet", *TINY])
    other = write(tmp_path / "other.tif", seed=1)
    argv = ["apply", str(tmp_path / "model"), str(other), "--dtype=float64", "--quiet"]
    assert main([*argv, "--crop", "Y=0:20", "--intensity=image", "--threads=1"]) == 0
    result = read_image(tmp_path / "other_denoised.ome.tif")
    assert (result.shape, result.dtype) == ((20, 32), np.float64)
    assert (result.data != np.rint(result.data)).any()


def test_a_place_for_the_model_is_needed_before_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(napari_blind2grad.engine.run, "denoise_iter", None)  # never called
    source = write(tmp_path / "in.tif")
    for place, words in ((tmp_path, "holds something else"), (source, "is a file")):
        assert main(["denoise", str(source), "--save-model", str(place)]) == 1
        assert words in capsys.readouterr().err
    assert below(tmp_path) == {"in.tif"}


def test_interrupted_application(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "in.tif")
    model = tmp_path / "model"
    main(["denoise", str(source), "--save-model", str(model), "--quiet", *TINY])
    real = napari_blind2grad.engine.apply.apply_iter

    def pressed(*args: Any, **options: Any) -> Iterator[Event]:
        for event in real(*args, **options):
            signal.raise_signal(signal.SIGINT) if event.__class__.__name__ == "Started" else None
            yield event

    monkeypatch.setattr(napari_blind2grad.engine.apply, "apply_iter", pressed)
    out = tmp_path / "out.ome.tif"
    assert main(["apply", str(model), str(source), "-o", str(out)]) == 130
    assert capsys.readouterr().out.rstrip().endswith(", interrupted")
    assert read_image(out).parameters["stopped"] is True


# ---------------------------------------------------------------- many files


@pytest.fixture
def thirty(tmp_path: Path) -> Path:
    """30 files in three folders, of which 5 are broken."""
    folder = tmp_path / "in"
    for i in range(25):
        write(folder / ("a", "a/deep", "b")[i % 3] / f"good{i:02}.tif", seed=i)
    whole = (folder / "a" / "good00.tif").read_bytes()
    (folder / "a" / "truncated.tif").write_bytes(whole[: len(whole) // 2])
    (folder / "a" / "text.tif").write_text("not an image")
    tifffile.imwrite(folder / "b" / "complex.tif", np.zeros((8, 8), np.complex64))
    tifffile.imwrite(folder / "b" / "constant.tif", np.full((8, 8), 7, np.uint8))
    (folder / "b" / "empty.tif").touch()
    return folder


BROKEN = {
    "truncated.tif": "damaged or incomplete",
    "text.tif": "not a TIFF file",
    "complex.tif": "is complex",
    "constant.tif": "is constant",
    "empty.tif": "is empty",
}


def test_five_broken_ones_of_thirty(
    thirty: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    before = {p: p.read_bytes() for p in thirty.rglob("*.tif")}
    assert main(["batch", f"{thirty}/**/*.tif", "-o", str(out), *TINY]) == 1
    expected = {
        (p.parent / f"{p.stem}_denoised.ome.tif").relative_to(thirty).as_posix()
        for p in thirty.rglob("good*.tif")
    }
    assert len(expected) == 25
    assert below(out) == expected
    told = capsys.readouterr()
    errors = [line for line in told.err.splitlines() if "Error in " in line]
    assert len(errors) == 5
    for name, words in BROKEN.items():
        (line,) = (e for e in errors if f"{name}: " in e)
        assert words in line
    assert "Traceback" not in told.err
    (line,) = told.out.splitlines()
    assert line.startswith("25 of 30 files denoised; 5 failed: ")
    assert all(name in line for name in BROKEN)
    assert {p: p.read_bytes() for p in thirty.rglob("*.tif")} == before
    image = read_image(out / "a" / "good00_denoised.ome.tif")
    assert image.scale == pytest.approx(SCALE)
    assert image.units == UNITS
    # Each is what it would be alone.
    alone = tmp_path / "alone.ome.tif"
    main(["denoise", str(thirty / "b" / "good05.tif"), "-o", str(alone), *TINY])
    batched = read_image(out / "b" / "good05_denoised.ome.tif")
    np.testing.assert_array_equal(batched.data, read_image(alone).data)


def test_what_is_there_is_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(3):
        write(tmp_path / "in" / f"{i}.tif", seed=i)
    pattern, out = str(tmp_path / "in" / "*.tif"), tmp_path / "out"
    assert main(["batch", pattern, "-o", str(out), *TINY]) == 0
    old = out / "1_denoised.ome.tif"
    old.write_bytes(b"kept")
    (out / "2_denoised.ome.tif").unlink()
    capsys.readouterr()
    assert main(["batch", pattern, "-o", str(out), *TINY]) == 0
    assert "1 of 3 files denoised; 2 skipped" in capsys.readouterr().out
    assert old.read_bytes() == b"kept"
    assert main(["batch", pattern, "-o", str(out), "--overwrite", "--quiet", *TINY]) == 0
    assert capsys.readouterr() == ("", "")
    assert read_image(old).shape == (32, 32)


@pytest.mark.parametrize("done_before", [False, True])
def test_one_network(tmp_path: Path, capsys: pytest.CaptureFixture[str], done_before: bool) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "0.tif").write_text("broken")
    for i in (1, 2):
        write(folder / f"{i}.tif", seed=i)
    if done_before:
        out.mkdir()
        (out / "1_denoised.ome.tif").write_bytes(b"kept")
    argv = ["batch", str(folder / "*.tif"), "-o", str(out), "--one-network", *TINY]
    assert main(argv) == 1
    assert f"The network was trained on {folder / '1.tif'}." in capsys.readouterr().err
    main(["denoise", str(folder / "1.tif"), "--save-model", str(tmp_path / "model"), *TINY])
    expected = tmp_path / "expected.tif"
    main(["apply", str(tmp_path / "model"), str(folder / "2.tif"), "-o", str(expected)])
    result = read_image(out / "2_denoised.ome.tif")
    np.testing.assert_array_equal(result.data, read_image(expected).data)
    assert result.parameters["network"] == "1.tif"
    if done_before:
        assert (out / "1_denoised.ome.tif").read_bytes() == b"kept"
    else:
        first = read_image(folder / "1_denoised.ome.tif")  # of the run above
        own = read_image(out / "1_denoised.ome.tif")
        np.testing.assert_array_equal(own.data, first.data)
        assert "network" not in own.parameters


@pytest.mark.parametrize("times", [1, 2])
def test_interrupt(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    times: int,
) -> None:
    """The files that are finished stay, the one in work leaves nothing, the rest is not begun."""
    for i in range(4):
        write(tmp_path / "in" / f"{i}.tif", seed=i)
    real, calls = napari_blind2grad.engine.run.denoise_iter, []

    def pressed(*args: Any, **options: Any) -> Iterator[Event]:
        calls.append(args)
        for event in real(*args, **options):
            if len(calls) == 3 and event.__class__.__name__ == "Started":
                for _ in range(times):
                    signal.raise_signal(signal.SIGINT)
            yield event

    monkeypatch.setattr(napari_blind2grad.engine.run, "denoise_iter", pressed)
    before = signal.getsignal(signal.SIGINT)
    out = tmp_path / "out"
    assert main(["batch", str(tmp_path / "in" / "*.tif"), "-o", str(out), *TINY]) == 130
    assert below(out) == {"0_denoised.ome.tif", "1_denoised.ome.tif"}
    assert len(calls) == 3
    assert "2 of 4 files denoised; 2 not done" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is before


def test_a_bug_in_one_file_does_not_stop_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(3):
        write(tmp_path / "in" / "sub" / f"{i}.tif", seed=i)
    real, calls = napari_blind2grad.engine.run.denoise_iter, []

    def failing(*args: Any, **options: Any) -> Iterator[Event]:
        calls.append(args)
        if len(calls) == 1:
            raise ZeroDivisionError("a bug")
        if len(calls) == 2:
            raise EngineError("The computation failed.")
        return real(*args, **options)

    monkeypatch.setattr(napari_blind2grad.engine.run, "denoise_iter", failing)
    out = tmp_path / "out"
    argv = ["batch", f"{tmp_path}/in/**/*.tif", "-o", str(out), *TINY]
    assert main(argv) == 1
    words = capsys.readouterr().err
    assert "0.tif: something unforeseen happened (ZeroDivisionError: a bug)" in words
    assert "1.tif: The computation failed." in words
    assert below(out) == {"sub/2_denoised.ome.tif"}
    calls.clear()
    with pytest.raises(ZeroDivisionError):
        main([*argv, "--debug", "--overwrite"])


def test_folders_made_for_a_file_that_fails_go_again(tmp_path: Path) -> None:
    (tmp_path / "in" / "x" / "y").mkdir(parents=True)
    tifffile.imwrite(tmp_path / "in" / "x" / "y" / "flat.tif", np.full((8, 8), 7, np.uint8))
    out = tmp_path / "out"
    assert main(["batch", f"{tmp_path}/in/**/*.tif", "-o", str(out), *TINY]) == 1
    assert list(out.iterdir()) == []


def test_two_files_of_one_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "in" / "a.ome.tif", seed=1)
    write(tmp_path / "in" / "a.tif", seed=2)
    out = tmp_path / "out"
    assert main(["batch", str(tmp_path / "in" / "*.tif"), "-o", str(out), *TINY]) == 1
    assert "a.tif: Its result would have the same name as that of a.ome.tif" in (
        capsys.readouterr().err
    )
    assert below(out) == {"a_denoised.ome.tif"}


def test_nothing_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["batch", str(tmp_path / "*.tif"), "-o", str(tmp_path / "out")]) == 1
    assert "No file matches" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    write(tmp_path / "a.tif")
    pattern = str(tmp_path / "*.tif")
    assert main(["batch", pattern, "-o", str(tmp_path / "out"), "--device=cuda:99"]) == 2
    assert "no device" in capsys.readouterr().err
    assert main(["batch", pattern, "-o", str(tmp_path / "a.tif")]) == 1
    assert "cannot be created" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["batch", pattern, "-o", str(tmp_path / "out"), "--per-file", "--one-network"])


def test_a_folder_stands_for_its_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It was taken for a file that could not be read."""
    folder, out = tmp_path / "in [1]", tmp_path / "out"
    folder.mkdir()
    assert main(["batch", str(folder), "-o", str(out), *TINY]) == 1
    assert f"No file matches {folder}." in capsys.readouterr().err
    assert not out.exists()
    for name in ("a/0.tif", "b/c/1.TIF"):
        write(folder / name)
    (folder / "a" / "notes.txt").write_text("no image")
    assert main(["batch", str(folder), "-o", str(out), *TINY]) == 0
    assert below(out) == {"a/0_denoised.ome.tif", "b/c/1_denoised.ome.tif"}


def test_which_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "a/1.tif",
        "a/b/2.tif",
        "c/3.tif",
        "c/[x].tif",
        "out/4.tif",
        "z.ome.zarr/zarr.json",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    out = Path("out")

    def found(*patterns: str) -> dict[str, str]:
        return {j.source.as_posix(): j.folder.as_posix() for j in find_jobs(patterns, out)}

    assert found("**/*.tif") == {
        "a/1.tif": "out/a",
        "a/b/2.tif": "out/a/b",
        "c/3.tif": "out/c",
        "c/[x].tif": "out/c",
    }
    assert found("a/**/*.tif") == {"a/1.tif": "out", "a/b/2.tif": "out/b"}
    assert found("a/*.tif", "a/**/*.tif") == found("a/**/*.tif")  # each once
    assert found("c/[x].tif") == {"c/[x].tif": "out"}
    assert found("a/1.tif", "a/b/2.tif") == {"a/1.tif": "out", "a/b/2.tif": "out/b"}
    assert found("**/*") == {**found("**/*.tif"), "z.ome.zarr": "out"}
    assert found("c/../a/*.tif") == {"a/1.tif": "out"}
    assert all(".." not in folder for folder in found("a/*/../../c/*.tif").values())
    with pytest.raises(InputError, match="All files lie in"):
        find_jobs(["out/*.tif"], out)


def test_a_literal_file_that_is_missing_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a.tif")
    argv = ["batch", str(tmp_path / "a.tif"), str(tmp_path / "nope.tif"), "-o", str(tmp_path / "o")]
    assert main([*argv, *TINY]) == 1
    assert "nope.tif: There is no file" in capsys.readouterr().err
