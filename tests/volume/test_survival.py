"""Runs on large images that are killed, run out of disk, and are gone on with."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_blind2grad import Config, denoise, denoise_volume, sizes
from napari_blind2grad.checkpoint import Keeper
from napari_blind2grad.cli import main
from napari_blind2grad.errors import ConfigError, InputError, OutputError
from napari_blind2grad.io import ngff_stream, read_image, write_image
from napari_blind2grad.io.ngff_stream import NgffWriter
from napari_blind2grad.io.write import TiffWriter
from napari_blind2grad.volume import sample
from napari_blind2grad.volume.tile import Tiles

TINY = Config(
    iterations=6, cycles=2, width=4, depth=1, fold=1, patch=32, passes=1, threads=1, device="cpu"
)
TILE = (1, 64, 64)
FACTS: dict[str, Any] = dict(scale=dict(Z=2.0, Y=0.5, X=0.5), units=dict(Z="µm", Y="µm", X="µm"))


def noisy(*shape: int, seed: int = 0) -> np.ndarray:
    clean = 60 + 40 * np.sin(np.arange(np.prod(shape)).reshape(shape) / 7)
    return np.random.default_rng(seed).poisson(clean).astype(np.uint16)


class Killed(BaseException):
    """Ends a run wherever it is, as a signal would."""


def die_after(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, calls: int, error: BaseException
) -> None:
    """Have the method raise `error` when it is called once more than `calls` times."""
    real, seen = getattr(owner, name), []

    def method(self: Any, *args: Any, **options: Any) -> Any:
        seen.append(1)
        if len(seen) > calls:
            raise error
        return real(self, *args, **options)

    monkeypatch.setattr(owner, name, method)


def tiles_made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that the numbers of tiles are added to as they are made."""
    real, made = Tiles.steps, []

    def steps(self: Tiles, tile: Any) -> Any:
        made.append(tile.number)
        return real(self, tile)

    monkeypatch.setattr(Tiles, "steps", steps)
    return made


def below(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def pixels(path: Path) -> list[np.ndarray]:
    if path.suffix != ".zarr":
        return [read_image(path).data]
    group = zarr.open_group(path, mode="r")
    return [group[name][...] for name in sorted(group.array_keys())]


@pytest.mark.parametrize(
    ("name", "sampled", "kills"), [("a.ome.zarr", True, (0, 7)), ("a.ome.tif", False, (7,))]
)
def test_gone_on_with_in_the_middle_of_the_tiles(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    sampled: bool,
    kills: tuple[int, ...],
) -> None:
    if sampled:  # what is large begins early, and a sample is a part of it
        monkeypatch.setattr(sizes, "WHOLE", 10_000)
        monkeypatch.setattr(sample, "SIZE", 10_000)
        monkeypatch.setattr(sample, "SIDE", 32)
    image = noisy(2, 2, 34, 150)  # two channels, each with a network of its own
    config = TINY.replace(networks="per-channel")
    facts = dict(FACTS, channel_names=["a", "b"], tile=TILE)
    whole, path, place = tmp_path / "whole" / name, tmp_path / name, tmp_path / "state"
    whole.parent.mkdir()
    denoise_volume(image, whole, "CZYX", config, **facts)
    options: dict[str, Any] = dict(checkpoint=place, resume=True, **facts)
    writer = NgffWriter if path.suffix == ".zarr" else TiffWriter
    for calls in kills:
        with monkeypatch.context() as patch:
            made = tiles_made(patch)
            die_after(patch, writer, "write", calls, Killed())
            with pytest.raises(Killed):
                denoise_volume(image, path, "CZYX", config, **options)
        assert made[0] == 0
        assert not path.exists()
    made = tiles_made(monkeypatch)
    last = denoise_volume(image, path, "CZYX", config, **options)
    assert made == list(range(7, 12))
    assert "7 of 12 tiles were finished before." in last.notes
    assert last.tiles == 12
    assert last.iterations == 12
    for one, two in zip(pixels(path), pixels(whole), strict=True):
        np.testing.assert_array_equal(one, two)
    if path.suffix == ".zarr":
        known = [dict(zarr.open_group(p, mode="r").attrs) for p in (path, whole)]
        assert known[0]["ome"] == known[1]["ome"]
    assert {p.name for p in tmp_path.iterdir()} == {"whole", name}


def test_killed_while_the_pyramid_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngff_stream, "SMALL", 40)
    image, path = noisy(1, 130, 150), tmp_path / "a.ome.zarr"
    options: dict[str, Any] = dict(checkpoint=tmp_path / "state", resume=True)
    for calls in (1, 2):
        with monkeypatch.context() as patch:
            die_after(patch, NgffWriter, "_add_level", calls, Killed())
            if calls == 2:  # after the last level
                die_after(patch, NgffWriter, "finish", 0, Killed())
            with pytest.raises(Killed):
                denoise_volume(image, path, "ZYX", TINY, **options)
    (part,) = tmp_path.glob(".a.ome.zarr.*.part")
    half = part / "0" / "c" / "0" / "0" / "0.0123.partial"  # a block that zarr was writing
    half.write_bytes(b"half")
    made = tiles_made(monkeypatch)
    denoise_volume(image, path, "ZYX", TINY, **options)
    assert not made
    assert not list(path.rglob("*.partial"))
    denoise_volume(image, tmp_path / "whole.ome.zarr", "ZYX", TINY)
    expected = {k: v for k, v in below(tmp_path / "whole.ome.zarr").items() if "json" not in k}
    assert {k: v for k, v in below(path).items() if "json" not in k} == expected


def test_a_full_disk_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "in.ome.tif", tmp_path / "out.ome.zarr"
    write_image(source, noisy(4, 64, 64), axes="ZYX")
    settings = "--iterations 6 --cycles 2 --width 4 --depth 1 --fold 1 --patch 32 --passes 1"
    argv = ["denoise", str(source), "-o", str(out), *settings.split()]
    argv += ["--threads=1", "--device=cpu", "--tile=2,32,32", "--resume"]
    with monkeypatch.context() as patch:
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        die_after(patch, NgffWriter, "write", 3, full)
        assert main(argv) == 1
    said = capsys.readouterr().err
    assert "the disk is full. Free some space" in said
    assert "the same command with --resume goes on" in said
    assert {p.name for p in tmp_path.iterdir() if not p.name.startswith(".")} == {
        source.name,
        "out.ome.zarr.checkpoint",
    }
    made = tiles_made(monkeypatch)
    assert main(argv) == 0
    assert made == [3, 4, 5, 6, 7]
    assert {p.name for p in tmp_path.iterdir()} == {source.name, out.name}


def test_stopped_and_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, path, place = noisy(4, 40, 40), tmp_path / "a.tif", tmp_path / "state"
    made = tiles_made(monkeypatch)
    options: dict[str, Any] = dict(tile=(1, 64, 64), checkpoint=place)
    last = denoise_volume(image, path, "ZYX", TINY, should_stop=lambda: len(made) > 2, **options)
    assert last.stopped
    assert not path.exists()
    with pytest.raises(OutputError, match="Add --resume"):
        denoise_volume(image, path, "ZYX", TINY, **options)
    with pytest.raises(InputError, match="tile by tile"):
        denoise(image, "ZYX", TINY, checkpoint=place, resume=True)
    with pytest.raises(InputError, match="omega"):
        denoise_volume(image, path, "ZYX", TINY.replace(omega=0.9), resume=True, **options)
    with pytest.raises(InputError, match="another image"):
        denoise_volume(image + 1, path, "ZYX", TINY, resume=True, **options)
    made.clear()
    last = denoise_volume(image, path, "ZYX", TINY, resume=True, **options)
    assert made == [2, 3]
    np.testing.assert_array_equal(read_image(path).data, denoise(image, "ZYX", TINY).image)
    assert {p.name for p in tmp_path.iterdir()} == {path.name}
    with pytest.raises(ConfigError, match="checkpoint"):
        denoise_volume(image, path, "ZYX", TINY, resume=True)


@pytest.mark.parametrize("change", ["gone", "other name", "cut off"])
def test_tiles_that_are_gone_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    image, path = noisy(4, 40, 40), tmp_path / "a.tif"
    options: dict[str, Any] = dict(tile=(1, 64, 64), checkpoint=tmp_path / "state", resume=True)
    with monkeypatch.context() as patch:
        die_after(patch, TiffWriter, "write", 2, Killed())
        with pytest.raises(Killed):
            denoise_volume(image, path, "ZYX", TINY, **options)
    (part,) = tmp_path.glob(".*.part")
    if change == "gone":
        part.unlink()
    elif change == "cut off":
        os.truncate(part, 3000)
    else:
        path = tmp_path / "b.tif"
    made = tiles_made(monkeypatch)
    last = denoise_volume(image, path, "ZYX", TINY, **options)
    assert made == [0, 1, 2, 3]
    assert any("they are made again" in note for note in last.notes)
    np.testing.assert_array_equal(read_image(path).data, denoise(image, "ZYX", TINY).image)


def test_a_damaged_record_of_tiles_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, path = noisy(4, 40, 40), tmp_path / "a.ome.zarr"
    options: dict[str, Any] = dict(tile=(1, 64, 64), checkpoint=tmp_path / "state", resume=True)
    with monkeypatch.context() as patch:
        die_after(patch, NgffWriter, "write", 2, Killed())
        with pytest.raises(Killed):
            denoise_volume(image, path, "ZYX", TINY, **options)
    record = tmp_path / "state" / "checkpoint.json"
    good = json.loads(record.read_text())
    for name, value in (
        ("done", [7]),
        ("done", ["x"]),
        ("plan", {**good["run"]["tiles"]["plan"], "tile": [0, 1, 1]}),
        ("plan", {**good["run"]["tiles"]["plan"], "networks": []}),
        ("plan", {}),
        ("sink", {"mark": good["run"]["tiles"]["sink"]["mark"]}),
    ):
        bad = json.loads(json.dumps(good))
        bad["run"]["tiles"][name] = value
        record.write_text(json.dumps(bad))
        with pytest.raises(InputError, match="damaged"):
            denoise_volume(image, path, "ZYX", TINY, **options)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_killed_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out, whole = (tmp_path / name for name in ("in.ome.zarr", "out.ome.zarr", "w.ome.zarr"))
    write_image(source, noisy(5, 48, 48), axes="ZYX")
    argv = ["denoise", str(source), "--threads=1", "--device=cpu", "--tile=1,24,48", "--quiet"]
    argv += ["--iterations=12", "--cycles=2", "--width=4", "--depth=1", "--patch=32", "--passes=4"]
    assert main([*argv, "-o", str(whole)]) == 0
    argv += ["-o", str(out), "--resume", "--checkpoint-every=0"]
    record = tmp_path / "out.ome.zarr.checkpoint" / "checkpoint.json"

    def reached() -> tuple[int, int]:
        run = json.loads(record.read_text())["run"] if record.exists() else {"step": 0}
        return run["step"], len(run.get("tiles", {}).get("done", ()))

    with monkeypatch.context() as patch:
        die_after(patch, Keeper, "_keep", 8, Killed())
        with pytest.raises(Killed):
            main(argv)
    assert 0 < reached()[0] < 12
    # A process, killed among its tiles at no moment in particular.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "napari_blind2grad", *argv], env=environment
    )
    try:
        while reached() < (12, 3):
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(np.random.default_rng(1).random() * 0.02)
    finally:
        process.kill()
    assert process.wait(60) == -signal.SIGKILL
    assert not out.exists()
    assert main(argv) == 0
    for one, two in zip(pixels(out), pixels(whole), strict=True):
        np.testing.assert_array_equal(one, two)
    shutil.rmtree(whole)
    assert {p.name for p in tmp_path.iterdir()} == {source.name, out.name}
