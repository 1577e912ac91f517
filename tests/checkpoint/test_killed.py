"""Real processes, killed with SIGKILL, interrupted, and gone on with."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_blind2grad.io import read_image, write_image

COMMAND = [sys.executable, "-W", "error", "-m", "napari_blind2grad"]
#: A run of a second or two.
OPTIONS = ["--iterations=90", "--cycles=3", "--width=4", "--depth=2", "--patch=32", "--passes=4"]
OPTIONS += ["--batch=1", "--threads=1", "--device=cpu"]
KEEP = ["--resume", "--checkpoint-every=0"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    z, y, x = np.mgrid[:4, :40, :49]
    noisy = np.random.default_rng(0).poisson(100 + 40 * np.sin(y / 5 + z) * np.cos(x / 7))
    return write_image(
        tmp_path_factory.mktemp("in") / "stack.ome.tif", noisy.astype(np.uint16), axes="ZYX"
    )


@pytest.fixture
def stack(noisy: Path, tmp_path: Path) -> Path:
    return shutil.copy(noisy, tmp_path / noisy.name)


@pytest.fixture(scope="module")
def whole(noisy: Path) -> np.ndarray:
    """The result of a run in one go."""
    out = noisy.with_name("whole.ome.tif")
    done = subprocess.run(
        [*COMMAND, "denoise", str(noisy), "-o", str(out), *OPTIONS],
        env=ENVIRONMENT,
        check=True,
        timeout=120,
        capture_output=True,
    )
    assert b"checkpoint" not in done.stderr
    return read_image(out).data


class Watched:
    """A run that is followed by its progress."""

    def __init__(self, stack: Path, out: Path, *more: str) -> None:
        command = [*COMMAND, "denoise", str(stack), "-o", str(out), *OPTIONS, *KEEP, *more]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
        )
        self.seen = b""

    def follow(self, phase: bytes, step: int) -> None:
        """Read on until the run says that it has come so far."""
        assert self.process.stderr is not None
        while not any(int(n) >= step for n in re.findall(phase + rb" (\d+)/", self.seen)):
            chunk = os.read(self.process.stderr.fileno(), 4096)
            assert chunk, self.seen.decode()
            self.seen += chunk

    def finish(self) -> int:
        _, rest = self.process.communicate(timeout=120)
        self.seen += rest
        return self.process.returncode


def names(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


def test_killed_again_and_again(stack: Path, whole: np.ndarray, tmp_path: Path) -> None:
    out = tmp_path / "out.ome.tif"
    random = np.random.default_rng(1)
    moments = sorted(random.choice(90, 3, replace=False))
    phases = [*((b"train", step) for step in moments), (b"predict", 90)]
    for phase, step in phases:
        watched = Watched(stack, out)
        watched.follow(phase, int(step))
        watched.process.kill()
        assert watched.finish() == -signal.SIGKILL
        assert names(tmp_path) == {stack.name, "out.ome.tif.checkpoint"}
    last = Watched(stack, out)
    assert last.finish() == 0, last.seen.decode()
    assert b"Note: Went on from a checkpoint at iteration" in last.seen
    np.testing.assert_array_equal(read_image(out).data, whole)
    assert names(tmp_path) == {stack.name, out.name}


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_leaves_a_run_to_go_on_with(
    stack: Path, whole: np.ndarray, tmp_path: Path, name: str
) -> None:
    out, place = tmp_path / "out.ome.tif", tmp_path / "state"
    watched = Watched(stack, out, "--checkpoint", str(place))
    watched.follow(b"train", 30)
    watched.process.send_signal(getattr(signal, name))
    assert watched.finish() == 130, watched.seen.decode()
    assert f"is kept in {place}: the same command with --resume goes on".encode() in watched.seen
    assert b"Traceback" not in watched.seen
    assert names(tmp_path) - {out.name} == {stack.name, "state"}
    if name == "SIGINT":  # what was finished was written too
        assert read_image(out).parameters["stopped"] is True
    last = Watched(stack, out, "--checkpoint", str(place))
    assert last.finish() == 0, last.seen.decode()
    result = read_image(out)
    np.testing.assert_array_equal(result.data, whole)
    assert result.parameters["stopped"] is False
    assert names(tmp_path) == {stack.name, out.name}


def test_refused_in_words(stack: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ome.tif"
    watched = Watched(stack, out)
    watched.follow(b"train", 20)
    watched.process.kill()
    watched.finish()
    other = Watched(stack, out, "--omega=0.9")
    assert other.finish() == 1
    assert b"belongs to a run with other settings: omega" in other.seen
    anew = subprocess.run(
        [*COMMAND, "denoise", str(stack), "--checkpoint", f"{out}.checkpoint", *OPTIONS],
        env=ENVIRONMENT,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert anew.returncode == 1
    assert b"Add --resume" in anew.stderr
