"""The command as a process of its own: exit codes, real signals, the real engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from napari_blind2grad import __version__
from napari_blind2grad.io import read_image, write_image

STACKS = Path(__file__).parents[2] / "shared" / "data" / "stacks"
COMMAND = [sys.executable, "-W", "error", "-m", "napari_blind2grad"]
#: Settings of a run that takes a second or two.
TINY = ["--iterations=2", "--cycles=2", "--width=4", "--depth=1", "--patch=32", "--passes=1"]
TINY += ["--batch=1", "--threads=1", "--precision=float32"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        encoding="utf-8",
        env=ENVIRONMENT,
        timeout=120,
        check=False,
    )


def files(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    clean = np.hypot(*np.mgrid[-20:20, -24:25]) < 12
    noisy = rng.poisson(100 + 400 * np.stack([clean] * 3)).astype(np.uint16)
    return write_image(
        tmp_path / "stack.ome.tif",
        noisy,
        axes="ZYX",
        scale=dict(Z=0.5, Y=0.1, X=0.1),
        units=dict.fromkeys("ZYX", "µm"),
    )


def test_done_and_repeated(stack: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ome.tif"
    done = run("denoise", str(stack), "-o", str(out), "--save-maps", str(tmp_path / "maps"), *TINY)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert done.stdout.startswith(f"{out}: 3 × 40 × 49 ZYX, uint16, ")
    assert len(done.stdout.splitlines()) == 1
    result, source = read_image(out), read_image(stack)
    assert (result.axes, result.shape, result.dtype) == ("ZYX", (3, 40, 49), np.uint16)
    assert (result.scale, result.units) == (source.scale, source.units)
    assert not np.array_equal(result.data, source.data)
    mask = read_image(tmp_path / "maps" / "stack_dual_mask.ome.tif")
    assert (mask.shape, mask.dtype) == (source.shape, np.uint8)
    assert mask.data.max() <= 3
    rows = (tmp_path / "maps" / "stack_losses.csv").read_text().splitlines()
    assert len(rows) == 3
    # The file holds all that it takes to make it once more.
    again = tmp_path / "again.ome.tif"
    done = run("denoise", str(stack), "-o", str(again), "--settings", str(out), "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    np.testing.assert_array_equal(read_image(again).data, result.data)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--help"], 0, ""),
        (["--version"], 0, ""),
        (["denoise"], 2, "the following arguments are required: IN"),
        (["denoise", "nope.tif"], 1, "Error: There is no file nope.tif."),
        (["denoise", "nope.tif", "--omega=5"], 2, "omega must lie between 0 and 4"),
    ],
)
def test_exit_codes(arguments: list[str], code: int, words: str) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    if arguments == ["--version"]:
        assert done.stdout == f"blind2grad {__version__}\n"


def test_engine_refusals_reach_the_user(tmp_path: Path) -> None:
    """Complex and boolean images, and devices that are not there."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys
            import numpy as np
            import tifffile
            from napari_blind2grad.cli import main

            for dtype in ("complex64", "bool"):
                tifffile.imwrite("a.tif", np.zeros((16, 16), dtype), photometric="minisblack")
                code = main(["denoise", "a.tif"])
                assert code == 1, (dtype, code)
            tifffile.imwrite("a.tif", np.eye(16, dtype="u2"), photometric="minisblack")
            assert main(["denoise", "a.tif", "--device=cuda:77"]) == 2
            tifffile.imwrite("a.tif", np.full((16, 16), np.nan, "f4"), photometric="minisblack")
            assert main(["denoise", "a.tif"]) == 1
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        env=ENVIRONMENT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    words = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(words) == 4
    assert "complex" in words[0].lower()
    assert "bool" in words[1].lower()
    assert "cuda:77" in words[2]
    assert "Traceback" not in done.stderr
    assert files(tmp_path) == {"a.tif", "script.py"}


class Watched:
    """A running command whose standard error is followed until words appear in it."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
        )
        self.seen = b""

    def wait_for(self, words: bytes) -> None:
        """Read on until `words` come; an end without them fails the test."""
        assert self.process.stderr is not None
        while words not in self.seen:
            chunk = os.read(self.process.stderr.fileno(), 4096)
            assert chunk, self.seen.decode()
            self.seen += chunk

    def finish(self) -> tuple[int, str]:
        out, rest = self.process.communicate(timeout=60)
        self.seen += rest
        return self.process.returncode, out.decode()


@posix
def test_one_interrupt_keeps_what_is_finished(stack: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ome.tif"
    endless = [o for o in TINY if "iterations" not in o] + ["--iterations=1000000"]
    watched = Watched([*COMMAND, "denoise", str(stack), "-o", str(out), *endless])
    watched.wait_for(b"loss")
    watched.process.send_signal(signal.SIGINT)
    code, said = watched.finish()
    assert code == 130, watched.seen.decode()
    assert "of 1000000 iterations" in said
    assert b"Traceback" not in watched.seen
    result = read_image(out)
    assert result.shape == (3, 40, 49)
    assert result.parameters["stopped"] is True
    assert 0 < result.parameters["iterations"] < 1_000_000
    assert files(tmp_path) == {stack.name, out.name}


# The engine is replaced by one that never ends, whatever it is asked.
STUBBORN = """
import sys, types, time
from napari_blind2grad.events import Progress

def denoise_iter(image, axes, config, *, should_stop, previews):
    while True:
        should_stop()
        yield Progress("train", 1, 2, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 1.0, 1.0)
        time.sleep(0.01)

module = types.ModuleType("napari_blind2grad.engine.run")
module.denoise_iter = denoise_iter
sys.modules[module.__name__] = module
from napari_blind2grad.cli import main
sys.exit(main(sys.argv[1:]))
"""


@posix
@pytest.mark.parametrize("signals", [["SIGINT", "SIGINT"], ["SIGTERM"]], ids="-".join)
def test_an_abort_leaves_nothing(stack: Path, tmp_path: Path, signals: list[str]) -> None:
    out = tmp_path / "out.ome.tif"
    watched = Watched([sys.executable, "-c", STUBBORN, "denoise", str(stack), "-o", str(out)])
    watched.wait_for(b"loss")
    watched.process.send_signal(getattr(signal, signals[0]))
    if len(signals) == 2:
        watched.wait_for(b"Ctrl-C again aborts at once")
        watched.process.send_signal(getattr(signal, signals[1]))
    code, said = watched.finish()
    assert (code, said) == (130, ""), watched.seen.decode()
    assert b"Traceback" not in watched.seen
    assert files(tmp_path) == {stack.name}


@posix
def test_a_reader_that_goes_away_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        done = subprocess.run(
            [*COMMAND, "info"], stdout=pipe, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False
        )
    assert done.returncode == 1
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("name", "axes", "dtype"),
    [
        ("focal_adhesion_yx_u16_bigendian.tiff", "YX", "uint16"),
        ("stardist_img3d_zyx_u16.tif", "ZYX", "uint16"),
        ("yeast_mitochondria_tzyx_u16.ome.tif", "TZYX", "uint16"),
    ],
)
def test_real_files(tmp_path: Path, name: str, axes: str, dtype: str) -> None:
    path = STACKS / name
    if not path.exists():
        pytest.skip("the shared images are not here")
    out = tmp_path / "out.ome.tif"
    done = run("denoise", str(path), "-o", str(out), *TINY)
    assert done.returncode == 0, done.stderr
    source, result = read_image(path), read_image(out)
    assert (result.axes, result.dtype.name) == (axes, dtype)
    assert result.shape == source.shape
    assert result.scale == pytest.approx(source.scale)
    assert result.units == source.units
