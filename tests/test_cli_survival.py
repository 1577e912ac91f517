"""``--resume`` of the commands ``denoise`` and ``batch``, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_blind2grad.engine.run
from napari_blind2grad.cli import main
from napari_blind2grad.events import Event, Result
from napari_blind2grad.io import read_image, remove_leftovers, whole_file, write_image

TINY = ["--iterations=3", "--cycles=2", "--width=4", "--depth=1", "--patch=32", "--passes=1"]
TINY += ["--batch=1", "--threads=1", "--device=cpu"]


def write(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    clean = 60 + 40 * np.sin(np.arange(32 * 32).reshape(32, 32) / 7)
    noisy = np.random.default_rng(seed).poisson(clean).astype(np.uint16)
    return write_image(path, noisy, axes="YX")


def below(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


class Dying:
    """The engine, which dies at the end of the run number `at`, before anybody has its result."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.real = napari_blind2grad.engine.run.denoise_iter
        self.at = at
        self.calls: list[dict[str, Any]] = []
        monkeypatch.setattr(napari_blind2grad.engine.run, "denoise_iter", self)

    def __call__(self, *args: Any, **options: Any) -> Iterator[Event]:
        self.calls.append(options)
        number = len(self.calls)
        for event in self.real(*args, **options):
            if number == self.at and isinstance(event, Result):
                raise KeyboardInterrupt
            yield event


def test_denoise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = write(tmp_path / "in.tif"), tmp_path / "out.ome.tif"
    assert main(["denoise", str(source), "-o", str(out), "--quiet", *TINY]) == 0
    whole = read_image(out)
    out.unlink()
    engine = Dying(monkeypatch, at=1)
    argv = ["denoise", str(source), "-o", str(out), "--resume", "--checkpoint-every=0", *TINY]
    assert main(argv) == 130
    assert below(tmp_path) >= {"in.tif", "out.ome.tif.checkpoint/checkpoint.json"}
    assert not out.exists()
    assert "the same command with --resume goes on" in capsys.readouterr().err
    assert main(argv) == 0
    assert [call["resume"] is None for call in engine.calls] == [True, False]
    again = read_image(out)
    np.testing.assert_array_equal(again.data, whole.data)
    same = {k: v for k, v in whole.parameters.items() if k != "seconds"}
    assert {k: v for k, v in again.parameters.items() if k != "seconds"} == same
    assert below(tmp_path) == {"in.tif", "out.ome.tif"}


def test_without_the_option_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Dying(monkeypatch, at=0)
    main(["denoise", str(write(tmp_path / "in.tif")), "--quiet", *TINY])
    assert "keep" not in engine.calls[0]


@pytest.mark.parametrize("text", ["-1", "soon", "nan", "inf"])
def test_seconds(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["denoise", "in.tif", f"--checkpoint-every={text}"])
    assert "is no number of seconds" in capsys.readouterr().err


def test_batch_knows_its_results_by_what_was_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neighbours share their noise in one of two files: what was found there is no other setting."""
    (tmp_path / "in").mkdir()
    white = np.random.default_rng(0).standard_normal((144, 144)).astype(np.float32)
    write_image(tmp_path / "in" / "0.tif", 100 + 10 * white, axes="YX")
    write_image(tmp_path / "in" / "1.tif", 100 + 10 * (white + np.roll(white, 1, 1)), axes="YX")
    out = tmp_path / "out"
    argv = ["batch", str(tmp_path / "in" / "*.tif"), "-o", str(out), "--resume", *TINY]
    assert main(argv) == 0
    found = [read_image(out / f"{i}_denoised.ome.tif").parameters["config"] for i in (0, 1)]
    assert [config["dilation"] for config in found] == [0, 2]
    capsys.readouterr()
    assert main(argv) == 0
    assert "2 skipped" in capsys.readouterr().out
    assert main([*argv, "--overwrite", "--dilation=1"]) == 0
    assert "skipped" not in capsys.readouterr().out


def test_batch_does_again_what_is_not_finished(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(5):
        write(tmp_path / "in" / f"{i}.tif", seed=i)
    out = tmp_path / "out"
    argv = ["batch", str(tmp_path / "in" / "*.tif"), "-o", str(out), "--quiet", "--resume"]
    assert main([*argv, *TINY]) == 0
    results = [out / f"{i}_denoised.ome.tif" for i in range(5)]
    whole = [path.read_bytes() for path in results]
    good = [read_image(path).data for path in results]
    results[0].write_bytes(whole[0][:-100])  # damaged
    results[1].unlink()  # gone
    other = [*argv, "--overwrite", *TINY, "--omega=0.9"]
    other[1] = str(tmp_path / "in" / "2.tif")
    assert main(other) == 0  # of other settings
    other = [*argv, "--overwrite", *TINY, "--crop=Y=0:20"]
    other[1] = str(tmp_path / "in" / "3.tif")
    assert main(other) == 0  # another part
    capsys.readouterr()
    argv.remove("--quiet")
    assert main([*argv, *TINY]) == 0
    assert "4 of 5 files denoised; 1 skipped" in capsys.readouterr().out
    for path, expected in zip(results, good, strict=True):
        np.testing.assert_array_equal(read_image(path).data, expected)
    assert results[4].read_bytes() == whole[4]
    assert main([*argv, *TINY, "--dtype=float32"]) == 0  # of another type
    assert "5 of 5 files denoised" in capsys.readouterr().out
    assert len(below(out)) == 5


def test_batch_goes_on_in_the_middle_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(3):
        write(tmp_path / "in" / f"{i}.tif", seed=i)
    pattern, out = str(tmp_path / "in" / "*.tif"), tmp_path / "out"
    assert main(["batch", pattern, "-o", str(tmp_path / "whole"), "--quiet", *TINY]) == 0
    engine = Dying(monkeypatch, at=2)
    argv = ["batch", pattern, "-o", str(out), "--resume", "--checkpoint-every=0", *TINY]
    assert main(argv) == 130
    assert "1_denoised.ome.tif.checkpoint/checkpoint.json" in below(out)
    left = out / ".1_denoised.ome.tif.0123456789abcdef.part"
    left.write_bytes(b"by a process that was killed while it wrote")
    assert main(argv) == 0
    assert [call["resume"] is not None for call in engine.calls] == [False, False, True, False]
    assert below(out) == below(tmp_path / "whole")
    for name in below(out):
        expected = read_image(tmp_path / "whole" / name).data
        np.testing.assert_array_equal(read_image(out / name).data, expected)


def test_leftovers_of_one_file_alone(tmp_path: Path) -> None:
    name = "ä" * 120 + ".tif"
    with whole_file(tmp_path / name) as temporary:
        kept = temporary.rename(temporary.with_suffix(".part"))
        temporary.touch()
        kept.with_name(kept.name.replace(".part", "x.part")).touch()
    (tmp_path / ".other.tif.0123.part").touch()
    (tmp_path / "x.part").touch()
    remove_leftovers(tmp_path / name)
    assert below(tmp_path) == {name, ".other.tif.0123.part", "x.part"}
