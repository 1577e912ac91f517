"""The command ``denoise`` with a stand-in for the engine: what is read, told, written and refused."""

from __future__ import annotations

import csv
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import napari_blind2grad.engine.run
from napari_blind2grad import Config, __version__
from napari_blind2grad.cli import main
from napari_blind2grad.cli import progress as progress_module
from napari_blind2grad.errors import (
    ConfigError,
    EngineError,
    InputError,
    OutOfMemory,
)
from napari_blind2grad.events import Event, Progress, Result, Started
from napari_blind2grad.io import read_image, write_image

STEPS = 5


class FakeEngine:
    """Stands in for ``denoise_iter``: gives back the image plus 0.4, one event for each step."""

    def __init__(self) -> None:
        self.calls: list[tuple[np.ndarray, str, Config]] = []
        self.on_step: Callable[[int], object] = lambda step: None

    def __call__(
        self,
        image: np.ndarray,
        axes: str,
        config: Config,
        *,
        should_stop: Callable[[], bool],
        previews: bool,
    ) -> Iterator[Event]:
        assert not previews  # nobody sees them
        self.calls.append((image, axes, config))
        started = Started(
            shape=image.shape,
            axes=axes,
            device="CPU (fake)",
            precision="float32",
            seed=config.seed,
            iterations=STEPS,
            networks=1,
            planes=1,
            scale=(1.0,),
            noise=(1.0,),
            parameters=1,
            notes=("Some pixels are clipped.",),
        )
        yield started
        step = 0
        while step < STEPS and not should_stop():
            step += 1
            self.on_step(step)
            yield make_progress(step)
        result = image.astype(np.float32) + np.float32(0.4)
        shape = tuple(n for n, c in zip(image.shape, axes, strict=True) if c != "S")
        yield Result(
            image=result if config.dtype == "float32" else np.rint(result).astype(image.dtype),
            axes=axes,
            dual_mask=np.full(shape, 3, np.uint8),
            gradient=np.full(shape, 1.5, np.float32),
            gradient_deviation=np.full(shape, 2.5, np.float32),
            standout_gate=np.ones(shape, np.uint8),
            losses={
                name: np.arange(step, dtype=np.float32) / 2
                for name in ("loss", "content", "deviation")
            },
            config=config,
            seed=config.seed,
            device="CPU (fake)",
            version=__version__,
            seconds=1.25,
            iterations=step,
            stopped=step < STEPS,
            started=started,
        )


def make_progress(step: int, **changes: Any) -> Progress:
    values: dict[str, Any] = dict(
        phase="train",
        iteration=step,
        iterations=STEPS,
        cycle=1,
        cycles=2,
        network=1,
        networks=1,
        fraction=step / STEPS,
        loss=0.125,
        content=0.1,
        deviation=0.1,
        seconds=1.0,
        remaining=61.0,
    )
    return Progress(**{**values, **changes})


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    fake = FakeEngine()
    monkeypatch.setattr(napari_blind2grad.engine.run, "denoise_iter", fake)
    return fake


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    array = np.arange(2 * 3 * 4 * 5, dtype=np.uint16).reshape(2, 3, 4, 5)
    return write_image(
        tmp_path / "stack.ome.tif",
        array,
        axes="TZYX",
        scale=dict(T=2.5, Z=0.5, Y=0.1, X=0.1),
        units=dict(T="s", Z="µm", Y="µm", X="µm"),
    )


def files(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


def test_denoise(
    engine: FakeEngine, stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stack.read_bytes()
    out = tmp_path / "out.ome.tif"
    assert main(["denoise", str(stack), "-o", str(out), "--omega=0.8", "--seed=9"]) == 0
    ((image, axes, config),) = engine.calls
    assert (image.shape, axes) == ((2, 3, 4, 5), "TZYX")
    assert config == Config(omega=0.8, seed=9)
    result, source = read_image(out), read_image(stack)
    np.testing.assert_array_equal(result.data, source.data)
    assert result.dtype == np.uint16
    assert (result.axes, result.scale, result.units) == (source.axes, source.scale, source.units)
    assert Config.from_dict(result.parameters["config"]) == config
    assert result.parameters["seed"] == 9
    assert result.parameters["device"] == "CPU (fake)"
    assert result.parameters["version"] == __version__
    assert stack.read_bytes() == before
    told = capsys.readouterr()
    assert told.out == f"{out}: 2 × 3 × 4 × 5 TZYX, uint16, 1.2 s on CPU (fake)\n"
    assert "train 5/5, cycle 1/2, loss 0.125, 01:01 left" in told.err
    assert told.err.count("Note: Some pixels are clipped.") == 1


def test_quiet(
    engine: FakeEngine, stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["denoise", str(stack), "-o", str(tmp_path / "out.tif"), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("dtype", "expected"), [("uint16", "stack_denoised.ome.tif"), ("int64", "stack_denoised.tif")]
)
def test_default_output_is_beside_the_input(
    engine: FakeEngine, tmp_path: Path, dtype: str, expected: str
) -> None:
    stack = write_image(tmp_path / "stack.tif", np.zeros((4, 5), dtype))
    assert main(["denoise", str(stack)]) == 0
    assert files(tmp_path) == {"stack.tif", expected}


@pytest.mark.parametrize(
    ("option", "expected", "values"),
    [
        ("input", "uint16", [0, 1, 300]),
        ("float32", "float32", [0.4, 1.4, 300.4]),
        ("float64", "float64", [0.4, 1.4, 300.4]),
        ("uint8", "uint8", [0, 1, 255]),
        ("int16", "int16", [0, 1, 300]),
    ],
)
def test_output_types(
    engine: FakeEngine, tmp_path: Path, option: str, expected: str, values: list[float]
) -> None:
    source = write_image(tmp_path / "in.tif", np.array([[0, 1, 300]], np.uint16))
    out = tmp_path / "out.ome.tif"
    assert main(["denoise", str(source), "-o", str(out), f"--dtype={option}"]) == 0
    result = read_image(out)
    assert result.dtype.name == expected
    np.testing.assert_allclose(result.data[0], values, rtol=1e-6)


def test_axes_option(engine: FakeEngine, stack: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ome.tif"
    assert main(["denoise", str(stack), "-o", str(out), "--axes=cZyX"]) == 0
    assert engine.calls[0][1] == "CZYX"
    assert read_image(out).axes == "CZYX"


def test_colour(engine: FakeEngine, tmp_path: Path) -> None:
    source = tmp_path / "in.tif"
    tifffile.imwrite(source, np.zeros((6, 5, 3), np.uint8), photometric="rgb")
    maps = tmp_path / "maps"
    assert main(["denoise", str(source), "--save-maps", str(maps)]) == 0
    assert read_image(tmp_path / "in_denoised.ome.tif").axes == "YXS"
    assert read_image(maps / "in_dual_mask.ome.tif").axes == "YX"


def test_save_maps(engine: FakeEngine, stack: Path, tmp_path: Path) -> None:
    maps = tmp_path / "new" / "maps"
    out = tmp_path / "out.ome.tif"
    argv = ["denoise", str(stack), "-o", str(out), "--save-maps", str(maps), "--omega=1"]
    assert main(argv) == 0
    expected = dict(dual_mask=3, gradient=1.5, gradient_deviation=2.5, standout_gate=1)
    for name, value in expected.items():
        image = read_image(maps / f"stack_{name}.ome.tif")
        assert image.dtype == (np.float32 if "gradient" in name else np.uint8)
        assert (image.axes, image.shape) == ("TZYX", (2, 3, 4, 5))
        assert image.scale == read_image(stack).scale
        assert (image.data == value).all()
    with (maps / "stack_losses.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["iteration"] for row in rows] == list("12345")
    assert [float(row["deviation"]) for row in rows] == [0, 0.5, 1, 1.5, 2]
    settings = json.loads((maps / "stack_settings.json").read_text(encoding="utf-8"))
    assert Config.from_dict(settings) == Config(omega=1)
    assert files(maps) == {f"stack_{name}.ome.tif" for name in expected} | {
        "stack_losses.csv",
        "stack_settings.json",
    }


def test_an_old_result_is_replaced(engine: FakeEngine, stack: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ome.tif"
    out.write_bytes(b"old")
    assert main(["denoise", str(stack), "-o", str(out)]) == 0
    assert read_image(out).axes == "TZYX"


# ---------------------------------------------------------------- failures in words


def failure(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 1) -> str:
    """Return the words of a command that fails; there is no traceback among them."""
    assert main(["denoise", *argv]) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert "Traceback" not in told.err
    return told.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("The image is complex. Give its magnitude."), 1),
        (OutOfMemory("Not enough memory. Choose a smaller patch."), 1),
        (EngineError("The computation failed."), 1),
        (ConfigError("There is no device 'cuda'."), 2),
    ],
)
def test_errors_of_the_engine(
    engine: FakeEngine,
    stack: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    code: int,
) -> None:
    def fail(step: int) -> None:
        raise error

    engine.on_step = fail
    out = tmp_path / "out.tif"
    assert failure(capsys, str(stack), "-o", str(out), code=code) == f"Error: {error}"
    assert not out.exists()


def test_unforeseen_errors(
    engine: FakeEngine, stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(step: int) -> None:
        raise ZeroDivisionError("a bug")

    engine.on_step = fail
    words = failure(capsys, str(stack), "-o", str(tmp_path / "out.tif"))
    assert "ZeroDivisionError: a bug" in words
    assert "--debug" in words
    with pytest.raises(ZeroDivisionError, match="a bug"):
        main(["denoise", str(stack), "-o", str(tmp_path / "out.tif"), "--debug"])


def test_debug_shows_our_errors_too(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no file"):
        main(["denoise", str(tmp_path / "nope.tif"), "--debug"])


def test_what_can_be_known_is_refused_before_the_run(
    engine: FakeEngine, stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a_folder.tif").mkdir()
    (tmp_path / "a_file").touch()
    cases: list[tuple[list[str], str]] = [
        (["-o", str(tmp_path / "missing" / "out.tif")], "does not exist. Create it"),
        (["-o", str(stack)], "is the input file"),
        (["-o", str(tmp_path / "a_folder.tif")], "is a folder"),
        (["-o", str(tmp_path / "out.ome.tif"), "--dtype=int64"], "OME-TIFF has no int64"),
        (["--save-maps", str(tmp_path / "a_file")], "cannot be created"),
        (["--save-maps", str(tmp_path / "a_file" / "below")], "cannot be created"),
        (["--axes=ZYX"], "name 3 dimensions, but the image has 4"),
    ]
    for options, words in cases:
        assert words in failure(capsys, str(stack), *options)
    assert "There is no file" in failure(capsys, str(tmp_path / "nope.tif"))
    assert "is a folder" in failure(capsys, str(tmp_path))
    assert engine.calls == []


def test_no_room_for_the_maps(
    engine: FakeEngine,
    stack: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = type("usage", (), dict(total=10**6, free=500))
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    words = failure(capsys, str(stack), "--save-maps", str(tmp_path / "maps"))
    assert "is full" in words
    assert engine.calls == []


def test_a_disk_that_fills_up_loses_nothing(
    engine: FakeEngine,
    stack: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The result goes to the folder for temporary files, and the message says so."""
    out = tmp_path / "full" / "out.ome.tif"
    out.parent.mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    real = tifffile.imwrite

    def imwrite(path: Path, *args: Any, **options: Any) -> None:
        if path.parent == out.parent:
            raise OSError(28, "No space left on device")
        real(path, *args, **options)

    monkeypatch.setattr(tifffile, "imwrite", imwrite)
    words = failure(capsys, str(stack), "-o", str(out))
    assert "the disk is full" in words
    (kept,) = (tmp_path / "temporary").rglob("*.tif")
    assert str(kept) in words
    np.testing.assert_array_equal(read_image(kept).data, read_image(stack).data)
    assert files(out.parent) == set()


def test_when_nothing_can_be_written(
    engine: FakeEngine,
    stack: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))

    def imwrite(*args: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tifffile, "imwrite", imwrite)
    words = failure(capsys, str(stack), "-o", str(tmp_path / "out.tif"))
    assert "the disk is full" in words
    assert "was kept" not in words
    assert files(tmp_path) == {"temporary", stack.name}
    assert files(tmp_path / "temporary") == set()


# ---------------------------------------------------------------- interrupts


def press(number: int, *steps: int) -> Callable[[int], None]:
    """Send a signal to this process in the given steps."""

    def on_step(step: int) -> None:
        if step in steps:
            signal.raise_signal(number)

    return on_step


def test_first_interrupt_keeps_what_is_finished(
    engine: FakeEngine, stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    out, maps = tmp_path / "out.ome.tif", tmp_path / "maps"
    engine.on_step = press(signal.SIGINT, 3)
    assert main(["denoise", str(stack), "-o", str(out), "--save-maps", str(maps)]) == 130
    result = read_image(out)
    np.testing.assert_array_equal(result.data, read_image(stack).data)
    assert result.parameters["stopped"] is True
    assert result.parameters["iterations"] == 3
    with tifffile.TiffFile(out) as tiff:
        assert "Interrupted after 3 of 5 iterations." in tiff.ome_metadata
    assert len(files(maps)) == 6
    told = capsys.readouterr()
    assert told.out.endswith(", interrupted after 3 of 5 iterations\n")
    assert told.err.count("Stopping; what is finished will be written.") == 1
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_interrupted_before_the_first_step(
    engine: FakeEngine,
    stack: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def denoise_iter(*args: Any, **options: Any) -> Iterator[Event]:
        signal.raise_signal(signal.SIGINT)
        yield from engine(*args, **options)

    monkeypatch.setattr(napari_blind2grad.engine.run, "denoise_iter", denoise_iter)
    out = tmp_path / "out.ome.tif"
    assert main(["denoise", str(stack), "-o", str(out)]) == 130
    assert "nothing was written" in capsys.readouterr().err
    assert files(tmp_path) == {stack.name}


def test_termination_leaves_nothing(
    engine: FakeEngine, stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.on_step = press(signal.SIGTERM, 2)
    assert main(["denoise", str(stack), "-o", str(tmp_path / "out.ome.tif")]) == 130
    assert "No unfinished file was left behind." in capsys.readouterr().err
    assert files(tmp_path) == {stack.name}


def test_second_interrupt_leaves_nothing(
    engine: FakeEngine, stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def twice(step: int) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    engine.on_step = twice
    assert main(["denoise", str(stack), "-o", str(tmp_path / "out.ome.tif")]) == 130
    assert files(tmp_path) == {stack.name}


def test_interrupt_while_reading(
    engine: FakeEngine, stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*args: Any, **options: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("napari_blind2grad.cli.volume.read_image", read)
    assert main(["denoise", str(stack), "-o", str(tmp_path / "out.ome.tif")]) == 130
    assert engine.calls == []


@pytest.mark.parametrize("count", [1, 2])
def test_interrupt_while_writing(
    engine: FakeEngine,
    stack: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
) -> None:
    """One leaves the file whole, two leave none."""
    real = tifffile.imwrite

    def imwrite(path: Path, *args: Any, **options: Any) -> None:
        for _ in range(count):
            signal.raise_signal(signal.SIGINT)
        real(path, *args, **options)

    monkeypatch.setattr(tifffile, "imwrite", imwrite)
    out = tmp_path / "out.ome.tif"
    assert main(["denoise", str(stack), "-o", str(out)]) == 130
    assert files(tmp_path) == ({stack.name, out.name} if count == 1 else {stack.name})
    if count == 1:
        np.testing.assert_array_equal(read_image(out).data, read_image(stack).data)


# ---------------------------------------------------------------- progress


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "train 3/5, cycle 1/2, loss 0.125, 01:01 left"),
        ({"loss": float("nan")}, "train 3/5, cycle 1/2, 01:01 left"),
        ({"remaining": float("inf")}, "train 3/5, cycle 1/2, loss 0.125"),
        (
            {"networks": 2, "network": 2},
            "train 3/5, cycle 1/2, network 2/2, loss 0.125, 01:01 left",
        ),
        ({"phase": "predict"}, "predict 3/5, loss 0.125, 01:01 left"),
    ],
)
def test_progress_in_words(changes: dict[str, Any], text: str) -> None:
    assert progress_module.describe(make_progress(3, **changes)) == text


def test_crop_denoises_and_writes_a_part(
    engine: FakeEngine, stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "part.ome.tif"
    whole = read_image(stack)
    assert main(["denoise", str(stack), "-o", str(out), "--crop", "Y=1:3,X=0:2"]) == 0
    region = tuple({"Y": slice(1, 3), "X": slice(0, 2)}.get(c, slice(None)) for c in whole.axes)
    np.testing.assert_array_equal(engine.calls[0][0], whole.data[region])
    part = read_image(out)
    assert part.shape == whole.data[region].shape
    assert part.scale == whole.scale
    assert part.parameters["crop"] == "Y=1:3,X=0:2"
    assert main(["denoise", str(stack), "-o", str(out), "--crop", "Y=2:9999"]) == 1
    assert "only" in capsys.readouterr().err
