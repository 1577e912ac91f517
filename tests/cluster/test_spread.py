"""``blind2grad batch`` on workers: in this process, to see the logic, and on real processes of dask."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_blind2grad.batch import Batch, Options, find_jobs, spread
from napari_blind2grad.batch.unit import denoise_alone
from napari_blind2grad.cli import main
from napari_blind2grad.cli.options import build_parser, config_from
from napari_blind2grad.cluster import Here, Outcome, open_executor, opening
from napari_blind2grad.cluster.on_dask import OnDask
from napari_blind2grad.cluster.opening import local_workers
from napari_blind2grad.errors import ConfigError, InputError
from napari_blind2grad.io import read_image, write_image

TINY = ["--iterations=3", "--cycles=2", "--width=4", "--depth=1", "--patch=32", "--passes=1"]
TINY += ["--batch=1", "--device=cpu"]


def write(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    clean = 60 + 40 * np.sin(np.arange(32 * 32).reshape(32, 32) / 7)
    noisy = np.random.default_rng(seed).poisson(clean).astype(np.uint16)
    return write_image(path, noisy, axes="YX")


def below(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Four images in two folders, and two that cannot be denoised."""
    folder = tmp_path / "in"
    for i in range(4):
        write(folder / "ab"[i % 2] / f"{i}.tif", seed=i)
    (folder / "a" / "text.tif").write_text("not an image")
    (folder / "c").mkdir()
    tifffile.imwrite(folder / "c" / "flat.tif", np.full((8, 8), 7, np.uint8))
    return folder


def batch(files: Path, out: Path, *more: str) -> int:
    return main(["batch", f"{files}/**/*.tif", "-o", str(out), *TINY, *more])


def same_results(one: Path, other: Path) -> None:
    assert below(one) == below(other)
    assert below(one)
    for name in below(one):
        a, b = read_image(one / name), read_image(other / name)
        np.testing.assert_array_equal(a.data, b.data)
        assert a.parameters["config"] == b.parameters["config"]
        assert a.parameters.get("network") == b.parameters.get("network")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that is this process."""
    monkeypatch.setattr(spread, "open_executor", lambda cluster, scheduler: Here())


@pytest.mark.parametrize("how", ["--per-file", "--one-network"])
@pytest.mark.usefixtures("here")
def test_logic(files: Path, tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert batch(files, tmp_path / "one", how, "--threads=1") == 1
    alone = capsys.readouterr()
    assert batch(files, tmp_path / "many", how, "--cluster=local:2") == 1
    told = capsys.readouterr()
    same_results(tmp_path / "one", tmp_path / "many")
    assert "4 of 6 files denoised; 2 failed: " in told.out
    for words in ("text.tif: ", "flat.tif: The image is constant"):
        assert words in alone.err
        assert words in told.err
    assert ("The network was trained on" in told.err) == (how == "--one-network")
    # Once more: what is there is skipped, what failed fails again.
    assert batch(files, tmp_path / "many", how, "--cluster=local:2", "--resume") == 1
    assert "0 of 6 files denoised; 4 skipped" in capsys.readouterr().out
    same_results(tmp_path / "one", tmp_path / "many")


@pytest.mark.usefixtures("here")
def test_the_one_network_is_that_of_the_same_file(files: Path, tmp_path: Path) -> None:
    out = tmp_path / "many"
    assert batch(files, tmp_path / "one", "--one-network", "--threads=1") == 1
    assert batch(files, out, "--one-network", "--cluster=local:2") == 1
    first = out / "a" / "0_denoised.ome.tif"
    (out / "b" / "3_denoised.ome.tif").unlink()
    before = first.read_bytes()
    assert batch(files, out, "--one-network", "--cluster=local:2") == 1
    assert first.read_bytes() == before
    same_results(tmp_path / "one", out)


def test_interrupt(
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Pressed(Here):
        def completed(self, should_stop: Callable[[], bool] | None = None) -> Iterator[Outcome]:
            for outcome in super().completed(should_stop):
                signal.raise_signal(signal.SIGINT)
                yield outcome

    monkeypatch.setattr(spread, "open_executor", lambda cluster, scheduler: Pressed())
    assert batch(files, tmp_path / "out", "--scheduler=tcp://nowhere:1") == 130
    assert below(tmp_path / "out") == {"a/0_denoised.ome.tif"}
    assert "1 of 6 files denoised; 5 not done" in capsys.readouterr().out


def test_here() -> None:
    with Here() as executor:
        executor.submit("a", divmod, 7, 2)
        executor.submit("b", divmod, 7, 0)
        outcomes = {}
        for outcome in executor.completed():
            outcomes[outcome.key] = outcome
            if outcome.key == "b":
                executor.submit("c", abs, -1)
        assert outcomes["a"].value == (3, 1)
        assert isinstance(outcomes["b"].error, ZeroDivisionError)
        assert outcomes["c"].value == 1
        executor.submit("d", abs, 1)
        assert list(executor.completed(lambda: True)) == []
        assert list(executor.completed()) == []


@pytest.mark.parametrize("text", ["local", "local:0", "local:-1", "local:two", "slurm:4", ""])
def test_clusters_that_are_none(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="write local:N"):
        local_workers(text)
    with pytest.raises(SystemExit, match="2"):
        main(["batch", "*.tif", "-o", "out", f"--cluster={text}"])
    assert "is not local:N" in capsys.readouterr().err


def test_either_or() -> None:
    with pytest.raises(ConfigError, match="either"):
        open_executor()
    with pytest.raises(SystemExit, match="2"):
        main(["batch", "*.tif", "-o", "o", "--cluster=local:2", "--scheduler=tcp://a:1"])


def test_without_distributed(
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert batch(files, tmp_path / "out", "--cluster=local:2") == 2
    assert "pip install 'napari-blind2grad[cluster]'" in capsys.readouterr().err


def test_units_in_processes_of_their_own(files: Path, tmp_path: Path) -> None:
    """What a worker does, without dask: it needs nothing but what the unit brings."""
    one, many = tmp_path / "one", tmp_path / "many"
    assert batch(files, one, "--threads=1", "--quiet") == 1
    argv = ["batch", f"{files}/**/*.tif", "-o", str(many), *TINY, "--threads=1", "--resume"]
    args = build_parser().parse_args(argv)
    jobs = find_jobs(args.patterns, many)
    units = Batch(jobs, many, config_from(args), Options(resume=True)).units()
    assert pickle.loads(pickle.dumps(units)) == units
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=spawn) as pool:
        words = list(pool.map(denoise_alone, units))
    failed = {u.job.source.name for u, why in zip(units, words, strict=True) if why}
    assert failed == {"text.tif", "flat.tif"}
    same_results(one, many)


# ------------------------------------------------------------------- the client, by a stand-in


class KilledWorker(Exception):
    """Stands in for dask's."""


class FakeFuture:
    def __init__(self, key: str, work: Callable[[], Any]) -> None:
        self.key, self.status, self.work = key, "pending", work
        self.told: Callable[[FakeFuture], object] = lambda future: None

    def add_done_callback(self, function: Callable[[FakeFuture], object]) -> None:
        self.told = function
        threading.Thread(target=self.end).start()

    def end(self) -> None:
        try:
            self.value, self.status = self.work(), "finished"
        except (ArithmeticError, KilledWorker) as error:
            self.value, self.status = error, "error"
        self.told(self)

    def result(self) -> Any:
        if self.status == "error":
            raise self.value
        return self.value


class FakeClient:
    def __init__(self) -> None:
        self.cancelled: list[FakeFuture] = []
        self.keys = iter(range(100))

    def submit(self, function: Any, *args: Any, pure: bool, retries: int) -> FakeFuture:
        assert not pure
        return FakeFuture(f"{function}-{next(self.keys)}", lambda: function(*args))

    def cancel(self, futures: list[FakeFuture]) -> None:
        self.cancelled += futures

    def nthreads(self) -> dict[str, int]:
        return {"tcp://a:1": 1, "tcp://127.0.0.1:2": 2}


def killing() -> None:
    raise KilledWorker("task", "worker")


def test_on_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("distributed")
    module.KilledWorker = KilledWorker
    monkeypatch.setitem(sys.modules, "distributed", module)
    utils = types.ModuleType("distributed.utils")
    utils.get_ip = lambda: "10.0.0.7"
    monkeypatch.setitem(sys.modules, "distributed.utils", utils)
    client = FakeClient()
    with OnDask(client) as executor:
        assert executor.workers == 3
        assert executor.here == 2
        for key, work in {
            "a": (abs, -3),
            "b": (divmod, 1, 0),
            "c": (killing,),
            "d": (abs, -3),
        }.items():
            executor.submit(key, *work)
        found = {outcome.key: outcome for outcome in executor.completed(lambda: False)}
        assert (found["a"].value, found["d"].value) == (3, 3)
        assert isinstance(found["b"].error, ZeroDivisionError)
        assert "The workers that began it died" in str(found["c"].error)
        # A scheduler that is gone cancels what it had.
        executor.submit("e", abs, 1)
        gone = property(lambda _: "cancelled", lambda _, value: None)
        monkeypatch.setattr(FakeFuture, "status", gone, raising=False)
        (outcome,) = executor.completed()
        assert "or is gone" in str(outcome.error)
        never = threading.Event()
        executor.submit("f", never.wait)
        assert list(executor.completed(lambda: True)) == []
        assert len(client.cancelled) == 1
        assert list(executor.completed()) == []
        never.set()


# ------------------------------------------------------------------- real processes


@pytest.fixture(scope="module")
def distributed() -> Any:
    return pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")


@pytest.mark.parametrize("how", ["--per-file", "--one-network"])
@pytest.mark.usefixtures("distributed")
def test_two_processes(
    files: Path, tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert batch(files, tmp_path / "one", how, "--threads=1") == 1
    capsys.readouterr()
    assert batch(files, tmp_path / "many", how, "--cluster=local:2") == 1
    told = capsys.readouterr()
    assert "4 of 6 files denoised; 2 failed: " in told.out
    assert "2 workers." in told.err
    assert "flat.tif: The image is constant" in told.err
    same_results(tmp_path / "one", tmp_path / "many")


@pytest.mark.usefixtures("distributed")
def test_a_worker_that_is_killed(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while both are at work: the file is denoised once more, by another one."""
    longer = "--iterations=300"
    assert batch(files, tmp_path / "one", longer, "--threads=1", "--quiet") == 1
    killed: list[int] = []

    def opened(cluster: str | None, scheduler: str | None) -> Any:
        executor = open_executor(cluster, scheduler)
        real = executor.completed

        def completed(should_stop: Callable[[], bool] | None = None) -> Iterator[Outcome]:
            pids = executor.client.run(os.getpid)
            for outcome in real(should_stop):
                busy = [address for address, keys in executor.client.processing().items() if keys]
                if busy and not killed:
                    killed.append(pids[busy[0]])
                    os.kill(killed[0], signal.SIGKILL)
                yield outcome

        executor.completed = completed
        return executor

    monkeypatch.setattr(spread, "open_executor", opened)
    assert batch(files, tmp_path / "many", longer, "--cluster=local:2", "--quiet") == 1
    assert len(killed) == 1
    same_results(tmp_path / "one", tmp_path / "many")


@pytest.mark.usefixtures("distributed")
def test_a_piece_that_kills_every_worker_is_given_up() -> None:
    with open_executor("local:1") as executor:
        executor.submit("bad", os._exit, 1)
        (outcome,) = executor.completed()
        assert "The workers that began it died" in str(outcome.error)
        executor.submit("good", abs, -3)
        (outcome,) = executor.completed()
        assert outcome.value == 3


@pytest.mark.usefixtures("distributed")
def test_errors_and_cancelling() -> None:
    with open_executor("local:1") as executor, open_executor("local:1") as another:
        assert executor.workers == another.workers == executor.here == 1
        executor.submit("bad", divmod, 1, 0)
        (outcome,) = executor.completed()
        assert isinstance(outcome.error, ZeroDivisionError)
        executor.submit("never", abs, 1)
        assert list(executor.completed(lambda: True)) == []


def test_a_scheduler_that_runs_already(
    distributed: Any,
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", processes=True
    ) as cluster:
        address = f"--scheduler={cluster.scheduler_address}"
        assert batch(files, tmp_path / "many", address, "--quiet") == 1
        assert len(cluster.workers) == 1  # left as it was
        capsys.readouterr()
        monkeypatch.setattr(opening, "__version__", "0.0.1")
        assert batch(files, tmp_path / "other", address, "--quiet") == 1
        assert "and this is 0.0.1. Install the same on all" in capsys.readouterr().err
    assert batch(files, tmp_path / "one", "--threads=1", "--quiet") == 1
    same_results(tmp_path / "one", tmp_path / "many")


@pytest.mark.usefixtures("distributed")
def test_no_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_PATIENCE", 1)
    with pytest.raises(InputError, match="No scheduler answers at tcp:"):
        open_executor(scheduler="tcp://127.0.0.1:9")
