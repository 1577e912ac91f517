"""The tiles of one image on workers: in this process, to see the logic, and on real processes of dask."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import napari_blind2grad.cluster
from napari_blind2grad import Config, denoise_volume
from napari_blind2grad.cli import main
from napari_blind2grad.cluster import Here, Outcome, open_executor
from napari_blind2grad.errors import EngineError, InputError, OutOfMemory
from napari_blind2grad.events import Progress
from napari_blind2grad.io import read_image, write_image
from napari_blind2grad.volume import (
    Into,
    Planned,
    alone,
    denoise_volume_iter,
    spread,
    stream,
)
from napari_blind2grad.volume.tile import Tiles

TINY = Config(
    iterations=4,
    cycles=2,
    width=4,
    depth=1,
    fold=1,
    patch=32,
    passes=1,
    batch=1,
    threads=1,
    device="cpu",
)
#: The same for the command line.
OPTIONS = ["--iterations=4", "--cycles=2", "--width=4", "--depth=1", "--fold=1", "--patch=32"]
OPTIONS += ["--passes=1", "--batch=1", "--device=cpu", "--quiet"]


def noisy(*shape: int, seed: int = 0) -> np.ndarray:
    clean = 60 + 40 * np.sin(np.arange(np.prod(shape)).reshape(shape) / 7)
    return np.random.default_rng(seed).poisson(clean).astype(np.uint16)


class Backwards(Here):
    """Several workers in this process, of which the last one is always the first that is done."""

    workers = 3

    def __init__(self) -> None:
        super().__init__()
        self.most = 0
        self.sent: list[tuple[Any, ...]] = []

    def submit(self, key: Any, function: Callable[..., Any], *args: Any) -> None:
        args = pickle.loads(pickle.dumps(args))
        super().submit(key, function, *args)
        self._waiting.rotate(1)
        self.most = max(self.most, len(self._waiting))
        self.sent.append(args)


def run(image: Any, axes: str, config: Config, **options: Any) -> tuple[np.ndarray, list[Any]]:
    out = np.zeros(image.shape, np.float32)
    events = list(denoise_volume_iter(image, Into(out, axes), axes, config, **options))
    return out, events


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images that are not in a file are too large to be sent as a whole."""
    monkeypatch.setattr(spread, "_SMALL", 10_000)


@pytest.mark.parametrize(
    ("axes", "shape", "tile", "changes"),
    [
        ("ZYX", (7, 40, 120), (3, 40, 40), dict(dtype="float32")),
        ("ZYX", (9, 60, 50), (2, 24, 20), dict(dtype="float32", refine=False, context=2)),
        ("YXS", (150, 40, 4), (1, 40, 40), {}),
        ("XCYT", (60, 2, 70, 2), (1, 70, 32), dict(networks="per-channel")),
    ],
)
@pytest.mark.usefixtures("pieces")
def test_each_tile_brings_the_part_that_it_reads(
    axes: str, shape: tuple[int, ...], tile: tuple[int, int, int], changes: dict[str, Any]
) -> None:
    image, config = noisy(*shape), TINY.replace(**changes)
    if "C" in axes:
        image[:, 1] = 7  # a channel without a network
    expected, _ = run(image, axes, config, tile=tile)
    executor = Backwards()
    out, events = run(image, axes, config, tile=tile, executor=executor)
    np.testing.assert_array_equal(out, expected)
    number = len(events[-1].plan.tiles())
    assert events[-1].tiles == number > 3
    assert executor.most == min(number, 2 * executor.workers)
    jobs = [job for _, _, job, _ in executor.sent if job is not None]
    assert len(executor.sent) == number + len(jobs)
    assert 1 <= len(jobs) <= 2 * executor.workers
    assert all(job.image is None for job in jobs)
    assert min(piece.values.size for *_, piece in executor.sent) < image.size


def test_what_it_tells() -> None:
    """An image that is small travels once to each worker."""
    image, executor = noisy(3, 60, 50), Backwards()
    _, events = run(image, "ZYX", TINY.replace(threads=0), tile=(1, 32, 32), executor=executor)
    (planned,) = (e for e in events if isinstance(e, Planned))
    assert planned.plan.config.threads == 0
    told = [e for e in events[events.index(planned) :] if isinstance(e, Progress)]
    assert [e.phase for e in told] == ["predict"] * len(planned.plan.tiles())
    fractions = [e.fraction for e in told]
    assert fractions == sorted(fractions)
    assert fractions[0] < 0.5 < fractions[-1] <= 1
    for _, _, job, piece in executor.sent:
        assert piece is None
        if job is not None:
            config = json.loads(job.plan)["config"]
            assert config["threads"] == 1
            assert config["precision"] in ("float32", "bfloat16")


def test_tiles_by_themselves_are_enough_for_all_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = []
    monkeypatch.setattr(stream, "budget", lambda device: 2**30)
    real = stream.choose_tile

    def chosen(*args: Any) -> Any:
        rooms.append(args[3])
        return real(*args)

    monkeypatch.setattr(stream, "choose_tile", chosen)
    image = np.broadcast_to(noisy(1, 64, 64), (48, 64, 64))
    seen: list[Any] = []
    for executor in (None, Backwards()):
        if executor is not None:
            executor.here = 3
        options = dict(should_stop=lambda: any(isinstance(e, Planned) for e in seen))
        for event in denoise_volume_iter(
            image, Into(None, "ZYX"), "ZYX", TINY, executor=executor, **options
        ):
            seen.append(event)  # noqa: PERF402
        assert seen.pop().stopped
        number = len(next(e for e in seen if isinstance(e, Planned)).plan.tiles())
        assert number == 1 if executor is None else number >= 2 * executor.workers
        seen.clear()
    assert rooms == [2**30, 2**30 // 3]


def test_stopped_and_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles come in any order, and those that are there are not made again."""
    image, path, place = noisy(4, 60, 50), tmp_path / "a.ome.zarr", tmp_path / "state"
    options: dict[str, Any] = dict(tile=(1, 32, 64), checkpoint=place)
    seen: list[Any] = []
    last = denoise_volume(
        image,
        path,
        "ZYX",
        TINY,
        executor=Backwards(),
        on_event=seen.append,
        should_stop=lambda: len([e for e in seen if getattr(e, "phase", "") == "predict"]) > 2,
        **options,
    )
    assert last.stopped
    assert last.tiles == 3
    assert not path.exists()
    executor = Backwards()
    last = denoise_volume(image, path, "ZYX", TINY, resume=True, executor=executor, **options)
    assert "3 of 8 tiles were finished before." in last.notes
    assert len({tile for _, tile, _, _ in executor.sent}) == 5
    denoise_volume(image, tmp_path / "b.ome.zarr", "ZYX", TINY)
    np.testing.assert_array_equal(read_image(path).data, read_image(tmp_path / "b.ome.zarr").data)
    assert {p.name for p in tmp_path.iterdir()} == {"a.ome.zarr", "b.ome.zarr"}


def test_memory_runs_out_on_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    image = noisy(2, 140, 40)
    real = Tiles.steps

    def steps(self: Tiles, tile: Any) -> Any:
        if tile.pixels > 40 * 80:
            raise OutOfMemory("too large")
        return real(self, tile)

    monkeypatch.setattr(Tiles, "steps", steps)
    expected, alone = run(image, "ZYX", TINY, tile=(1, 140, 40))
    out, events = run(image, "ZYX", TINY, tile=(1, 140, 40), executor=Backwards())
    np.testing.assert_array_equal(out, expected)
    assert "Memory ran short: a tile was made in parts of 1 × 64 × 40 voxels." in events[-1].notes
    assert events[-1].notes == alone[-1].notes


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (InputError("in words"), InputError, "^in words$"),
        (RuntimeError("of torch"), EngineError, "The computation failed: of torch"),
        (ImportError("no spread"), EngineError, "Install the same version"),
    ],
)
def test_an_error_on_a_worker_reaches_the_user(
    monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[Exception], words: str
) -> None:
    def steps(self: Tiles, tile: Any) -> Any:
        raise error

    monkeypatch.setattr(Tiles, "steps", steps)
    executor = Backwards()
    with pytest.raises(kind, match=words):
        run(noisy(4, 50, 50), "ZYX", TINY, tile=(1, 32, 32), executor=executor)
    assert not list(executor.completed())  # the others are given up


def test_a_worker_that_cannot_do_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "a.tif", noisy(50, 50), axes="YX")
    image = read_image(tmp_path / "a.tif", lazy_above=0)

    class Elsewhere(Backwards):
        def submit(self, key: Any, function: Callable[..., Any], *args: Any) -> None:
            (tmp_path / "a.tif").unlink(missing_ok=True)
            super().submit(key, function, *args)

    with pytest.raises(InputError, match=r"There is no file .* under the same paths\."):
        run(image.data, "YX", TINY, executor=Elsewhere())

    class Older(Backwards):
        def completed(self, should_stop: Any = None) -> Iterator[Outcome]:
            with monkeypatch.context() as patch:
                patch.setattr(alone, "__version__", "0.0.1")
                yield from super().completed(should_stop)

    with pytest.raises(InputError, match=r"has version 0\.0\.1"):
        run(noisy(50, 50), "YX", TINY, executor=Older())


def test_workers_forget_the_job_before(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in (0, 1):
        image = noisy(50, 50, seed=seed)
        expected, _ = run(image, "YX", TINY)
        out, _ = run(image, "YX", TINY, tile=(1, 32, 32), executor=Here())
        np.testing.assert_array_equal(out, expected)
        assert len(alone._jobs) == 1
    monkeypatch.setattr(alone, "_jobs", {})


@pytest.mark.parametrize("command", ["denoise", "apply"])
@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--cluster=local:0"], "is not local:N"),
        (["--cluster=local:2", "--scheduler=tcp://a:1"], "not allowed with"),
    ],
)
def test_clusters_that_are_none(
    command: str, more: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([command, *["model"] * (command == "apply"), "a.tif", *more])
    assert words in capsys.readouterr().err


def test_before_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_image(tmp_path / "a.tif", noisy(40, 40), axes="YX")
    argv = ["denoise", str(source), *OPTIONS, "--cluster=local:2"]
    assert main([*argv, "--save-maps", str(tmp_path / "maps")]) == 1
    assert "Leave --save-maps out" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main([*argv, "--resume"]) == 2
    assert "pip install 'napari-blind2grad[cluster]'" in capsys.readouterr().err
    assert {p.name for p in tmp_path.iterdir()} == {"a.tif"}


# ------------------------------------------------------------------- real processes


@pytest.fixture(scope="module")
def workers() -> Iterator[Any]:
    pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
    with open_executor("local:2") as executor:
        yield executor


@pytest.fixture
def lent(workers: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line's cluster is the one that is there."""

    @contextmanager
    def opened(cluster: str | None, scheduler: str | None) -> Iterator[Any]:
        assert (cluster, scheduler) == ("local:2", None)
        yield workers

    monkeypatch.setattr(napari_blind2grad.cluster, "open_executor", opened)
    return workers


def test_freed_memory_stays_with_the_workers(workers: Any) -> None:
    """Dask's own setting gives it back at once, and each step of a training asks for it again."""
    found = workers.client.run(os.getenv, "MALLOC_TRIM_THRESHOLD_")
    assert set(found.values()) == {os.getenv("MALLOC_TRIM_THRESHOLD_")}


@pytest.mark.usefixtures("lent")
def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a compressed file, whose reader cannot be sent; a part of it, by a path that is relative."""
    monkeypatch.chdir(tmp_path)
    facts: dict[str, Any] = dict(photometric="minisblack", metadata={"axes": "ZYX"})
    tifffile.imwrite("in.tif", noisy(4, 60, 60), compression="zlib", **facts)
    some = ["--crop=Z=0:3,Y=5:50", "--tile=1,45,32", "--threads=1", "--quiet"]
    denoise = ["denoise", "in.tif", *OPTIONS, *some, "--save-model=net", "--cluster=local:2", "-o"]
    assert main([*denoise, "many.ome.tif"]) == 0
    assert main([*denoise[:-2], "-o", "one.ome.tif"]) == 0
    one = read_image("one.ome.tif")
    np.testing.assert_array_equal(read_image("many.ome.tif").data, one.data)
    apply = ["apply", "net", "in.tif", *some, "-o"]
    assert main([*apply, "again.ome.tif", "--cluster=local:2"]) == 0
    np.testing.assert_array_equal(read_image("again.ome.tif").data, one.data)


def test_a_worker_that_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: Any
) -> None:
    """Killed in the middle of a tile, which another one makes once more."""
    image = np.memmap(tmp_path / "raw", np.uint16, "w+", 64, (6, 64, 80))
    image[:] = noisy(*image.shape)
    config = TINY.replace(passes=4)
    options: dict[str, Any] = dict(axes="ZYX", config=config, tile=(1, 64, 40))
    denoise_volume(image, tmp_path / "one.tif", **options)
    killed: list[int] = []

    real = workers.completed

    def completed(should_stop: Callable[[], bool] | None = None) -> Iterator[Outcome]:
        pids = workers.client.run(os.getpid)
        for outcome in real(should_stop):
            busy = [address for address, keys in workers.client.processing().items() if keys]
            if busy and not killed:
                killed.append(pids[busy[0]])
                os.kill(killed[0], signal.SIGKILL)
            yield outcome

    monkeypatch.setattr(workers, "completed", completed)
    last = denoise_volume(image, tmp_path / "many.tif", executor=workers, **options)
    assert len(killed) == 1
    assert last.tiles == 12
    one, many = (read_image(tmp_path / f"{name}.tif").data for name in ("one", "many"))
    np.testing.assert_array_equal(one, many)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_interrupted_and_gone_on_with(tmp_path: Path) -> None:
    """Ctrl-C in a terminal reaches the workers too; the same command goes on, here without them."""
    pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
    source, out = tmp_path / "in.tif", tmp_path / "out.ome.zarr"
    write_image(source, noisy(5, 64, 64), axes="ZYX")
    argv = ["denoise", str(source), *OPTIONS, "--passes=15", "--threads=1", "--tile=1,64,64"]
    assert main([*argv, "-o", str(tmp_path / "one.ome.zarr")]) == 0
    argv += ["-o", str(out), "--resume", "--checkpoint-every=0"]
    record = tmp_path / "out.ome.zarr.checkpoint" / "checkpoint.json"

    def done() -> int:
        run = json.loads(record.read_text())["run"] if record.exists() else {}
        return len(run.get("tiles", {}).get("done", ()))

    command = [sys.executable, "-W", "error", "-m", "napari_blind2grad", *argv, "--cluster=local:1"]
    with (tmp_path / "said").open("w+", encoding="utf-8") as stderr:
        environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
        process = subprocess.Popen(command, env=environment, stderr=stderr, start_new_session=True)
        try:
            while done() < 1:
                assert process.poll() is None, (tmp_path / "said").read_text(encoding="utf-8")
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGINT)
            process.wait(60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(60)
    said = (tmp_path / "said").read_text(encoding="utf-8")
    (tmp_path / "said").unlink()
    assert process.returncode == 130
    assert "the same command with --resume goes on" in said
    assert "Traceback" not in said
    assert 1 <= done() < 5
    assert main(argv) == 0
    np.testing.assert_array_equal(read_image(out).data, read_image(tmp_path / "one.ome.zarr").data)
    assert {p.name for p in tmp_path.iterdir()} == {"in.tif", "one.ome.zarr", "out.ome.zarr"}
