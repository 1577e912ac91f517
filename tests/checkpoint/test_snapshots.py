"""A run taken up from any of its moments ends as if nothing had happened."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_blind2grad import Config, Result, denoise, denoise_iter
from napari_blind2grad.checkpoint import Keeper
from napari_blind2grad.engine.snapshot import Snapshot
from napari_blind2grad.engine.training import Training
from napari_blind2grad.errors import ConfigError, InputError, OutputError
from napari_blind2grad.events import MAPS, Started

TINY: dict[str, Any] = dict(iterations=5, cycles=3, width=4, depth=2, patch=32, passes=2, batch=1)
TINY |= dict(threads=1, device="cpu", precision="float32")
AXES = "CZYX"


class Killed(BaseException):
    """Stands in for the end of a process."""


def noisy(dtype: str = "uint16") -> np.ndarray:
    """Two channels, of which each gets a network."""
    z, y, x = np.mgrid[:3, :37, :42]
    clean = 200 + 60 * np.stack([np.sin(y / 5) + z, np.cos(x / 7)])
    return np.random.default_rng(0).poisson(clean).astype(dtype)


def settings(preset: str = "fast", **changes: Any) -> Config:
    return Config.preset(preset, **{**TINY, **changes})


def run(
    folder: Path, image: np.ndarray, config: Config, die_at: int = 0, axes: str = AXES
) -> tuple[Result, int]:
    """Run with a snapshot at each moment, and die at number `die_at` of them; return their number too."""
    keeper = Keeper(folder, resume=True, every=0.0)
    options = keeper.options(image, axes, config)
    keep, moments = options["keep"], 0

    def counted(capture: Callable[[], Snapshot], last: bool) -> None:
        nonlocal moments
        moments += 1
        keep(capture, last)
        if moments == die_at:
            raise Killed

    for event in denoise_iter(image, axes, config, previews=False, **{**options, "keep": counted}):
        if isinstance(event, Result):
            keeper.remove()
            return event, moments
    raise AssertionError


def same(one: Result, other: Result) -> None:
    np.testing.assert_array_equal(one.image, other.image)
    for name in MAPS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name, losses in one.losses.items():
        np.testing.assert_array_equal(losses, other.losses[name])
    assert one.iterations == other.iterations
    for a, b in zip(one.state.networks, other.state.networks, strict=True):
        assert (a.center, a.spread, a.context) == (b.center, b.spread, b.context)
        assert a.dilation == b.dilation
        assert all(torch.equal(a.weights[n], b.weights[n]) for n in a.weights)


@pytest.mark.parametrize(
    ("preset", "changes"),
    [
        ("fast", {}),
        ("fast", dict(networks="one", precision="bfloat16")),
        ("fast", dict(optimizer="adamw", cycles=1, dtype="float32")),
        ("paper", dict(iterations=4)),  # Adam, batch norm, no Muon
    ],
)
def test_any_moment(tmp_path: Path, preset: str, changes: dict[str, Any]) -> None:
    image, config = noisy(), settings(preset, **changes)
    whole = denoise(image, AXES, config)
    kept, moments = run(tmp_path / "c", image, config)
    same(kept, whole)  # keeping checkpoints changes nothing
    assert moments >= config.iterations
    for moment in range(1, moments + 1, 1 if preset == "fast" and not changes else 3):
        with pytest.raises(Killed):
            run(tmp_path / "c", image, config, die_at=moment)
        resumed, _ = run(tmp_path / "c", image, config)
        same(resumed, whole)
        assert any("Went on from a checkpoint" in note for note in resumed.notes)
        assert not (tmp_path / "c").exists()


def test_death_after_death(tmp_path: Path) -> None:
    """Each life lasts three moments."""
    image, config = noisy(), settings()
    whole = denoise(image, AXES, config)
    lives = 0
    while True:
        lives += 1
        try:
            resumed, _ = run(tmp_path / "c", image, config, die_at=3)
            break
        except Killed:
            continue
    assert lives > 4
    same(resumed, whole)


def test_the_distance_that_was_found_is_kept(tmp_path: Path) -> None:
    """Neighbours share their noise; the whole of two channels, one after the other."""
    white = np.random.default_rng(0).standard_normal((2, 144, 144))
    image = (100 + 10 * (white + np.roll(white, 1, 2))).astype(np.float32)
    config = settings(iterations=3, cycles=1, patch=48)
    whole = denoise(image, "CYX", config)
    assert whole.config.dilation > 1
    _, moments = run(tmp_path / "c", image, config, axes="CYX")
    for moment in range(1, moments + 1):
        with pytest.raises(Killed):
            run(tmp_path / "c", image, config, die_at=moment, axes="CYX")
        same(run(tmp_path / "c", image, config, axes="CYX")[0], whole)


def test_types_that_torch_lacks(tmp_path: Path) -> None:
    image, config = noisy(">u4"), settings(iterations=2, cycles=1)
    whole = denoise(image, AXES, config)
    for moment in (2, 5, 7):
        with pytest.raises(Killed):
            run(tmp_path / "c", image, config, die_at=moment)
        same(run(tmp_path / "c", image, config)[0], whole)


def test_many_planes_lie_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_blind2grad.engine import snapshot

    monkeypatch.setattr(snapshot, "_BLOCK", 2 * 40 * 48 * 4)
    image, config = noisy()[0], settings(iterations=2, cycles=1)
    whole = denoise(image, "ZYX", config)
    with pytest.raises(Killed):
        run(tmp_path / "c", image, config, die_at=5, axes="ZYX")
    names = {p.name for p in (tmp_path / "c").glob("planes*")}
    assert names == {"planes-0-0-2.safetensors", "planes-0-2-3.safetensors"}
    same(run(tmp_path / "c", image, config, axes="ZYX")[0], whole)


@pytest.mark.parametrize("steps", [1, 2, 4, 7])
def test_a_run_that_was_stopped_goes_on(tmp_path: Path, steps: int) -> None:
    """Also if it was stopped while it denoised all planes for the next cycle."""
    image, config = noisy(), settings()
    whole = denoise(image, AXES, config)
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > steps

    options: dict[str, Any] = dict(checkpoint=tmp_path / "c", resume=True)
    stopped = denoise(image, AXES, config, should_stop=should_stop, **options)
    assert stopped.stopped
    assert (tmp_path / "c" / "checkpoint.json").exists()
    resumed = denoise(image, AXES, config, **options)
    assert not resumed.stopped
    same(resumed, whole)
    assert not (tmp_path / "c").exists()


def test_settings_changed_on_the_way_are_kept(tmp_path: Path) -> None:
    image, config = noisy()[0, 0], settings()
    keeper = Keeper(tmp_path / "c", every=0.0)
    events = denoise_iter(image, "YX", config, **keeper.options(image, "YX", config))
    assert isinstance(next(events), Started)
    events.send(config.replace(omega=0.0, iterations=9))
    events.close()
    resumed = denoise(image, "YX", config, checkpoint=tmp_path / "c", resume=True)
    assert (resumed.config.omega, resumed.iterations) == (0.0, 9)


def test_patches_keep_their_size_where_iterations_were_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More iterations would have begun with smaller patches on so small an image: 32 × 32."""
    config = Config(
        **{name: value for name, value in TINY.items() if name not in ("patch", "batch")}
    )
    image = noisy()[0, 0, :, :37]
    keeper = Keeper(tmp_path / "c", every=0.0)
    events = denoise_iter(image, "YX", config, **keeper.options(image, "YX", config))
    assert isinstance(next(events), Started)
    events.send(config.replace(iterations=400))
    events.close()
    sides = []

    def record(training: Training, progress: float) -> None:
        sides.append(training.sampler.rows)
        raise Killed

    monkeypatch.setattr(Training, "step", record)
    for start, resume in ((config.replace(iterations=400), False), (config, True)):
        with pytest.raises(Killed):
            denoise(
                image, "YX", start, checkpoint=tmp_path / f"c{'' if resume else 2}", resume=resume
            )
    assert sides == [32, 40]


# ------------------------------------------------------------------- what is refused


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """The checkpoint of a run that died."""
    with pytest.raises(Killed):
        run(tmp_path / "c", noisy(), settings(), die_at=4)
    return tmp_path / "c"


def refused(folder: Path, image: np.ndarray, config: Config, axes: str = AXES) -> str:
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(InputError) as caught:
        denoise(image, axes, config, checkpoint=folder, resume=True)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    return str(caught.value)


def test_another_image(left: Path) -> None:
    other = noisy()
    other[0, 0, 0, 0] += 1
    assert "belongs to another image" in refused(left, other, settings())
    assert "belongs to another image" in refused(left, noisy(), settings(), "TZYX")
    assert "belongs to another image" in refused(left, noisy().astype(">u2"), settings())


def test_other_settings(left: Path) -> None:
    words = refused(left, noisy(), settings(omega=0.9, seed=4))
    assert "other settings: omega" in words
    assert "seed 0 and not 4" in words


def test_another_version(left: Path) -> None:
    change(left, lambda c: c["belongs_to"].update(version="9.9"))
    assert "made by version 9.9" in refused(left, noisy(), settings())


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "checkpoint.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda c: c.update(blind2grad_checkpoint=9), "another version"),
        (lambda c: c.update(blocks=[]), "it names no state"),
        (lambda c: c.update(blocks={"../../x": "0"}), "it names no blocks of ours"),
        (lambda c: c.update(blocks={}), "The checkpoint is damaged, or of another run"),
        (lambda c: c["run"].update(group=7), "The checkpoint is damaged, or of another run"),
        (lambda c: c["run"].pop("step"), "The checkpoint is damaged, or of another run"),
        (lambda c: c["run"].update(config={"exec": 1}), "damaged"),
        (lambda c: c["run"].update(device="cuda"), "was begun on the device cuda"),
    ],
)
def test_damaged_descriptions(
    left: Path, edit: Callable[[dict[str, Any]], object], words: str
) -> None:
    change(left, edit)
    assert words in refused(left, noisy(), settings())


@pytest.mark.parametrize("how", ["cut", "gone", "pickle"])
def test_damaged_blocks(left: Path, how: str) -> None:
    (path,) = left.glob("live-*")
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-4] if how == "cut" else b"\x80\x04N.")
    words = refused(left, noisy(), settings())
    assert "damaged" in words
    assert "Delete it to begin anew" in words


def test_json_that_is_none(left: Path) -> None:
    (left / "checkpoint.json").write_bytes(b"\x80{")
    assert "is not JSON" in refused(left, noisy(), settings())


def test_it_is_not_begun_anew_by_mistake(left: Path) -> None:
    with pytest.raises(OutputError, match="resume=True"):
        denoise(noisy(), AXES, settings(), checkpoint=left)
    with pytest.raises(ConfigError, match="needs the folder"):
        denoise(noisy(), AXES, settings(), resume=True)


def test_places_that_will_not_do(tmp_path: Path) -> None:
    image, config = noisy()[0, 0], settings()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    (tmp_path / "file").touch()
    for name, words in (
        ("full", "holds something else"),
        ("file", "is a file"),
        ("no/c", "no folder"),
    ):
        with pytest.raises(OutputError, match=words):
            denoise(image, "YX", config, checkpoint=tmp_path / name)


# ------------------------------------------------------------------- writing


def test_a_full_disk_costs_nothing_but_the_newer_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, config = noisy(), settings()
    whole = denoise(image, AXES, config)
    with pytest.raises(Killed):
        run(tmp_path / "c", image, config, die_at=4)
    before = {p.name: p.read_bytes() for p in (tmp_path / "c").iterdir()}
    real, told = Path.write_bytes, []

    def full(self: Path, data: bytes) -> int:
        real(self, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    keeper = Keeper(tmp_path / "c", resume=True, every=0.0, tell=told.append)
    options = keeper.options(image, AXES, config)
    for event in denoise_iter(image, AXES, config, **options):
        result = event
    same(result, whole)
    assert len(told) == 1
    assert "the disk is full" in told[0]
    monkeypatch.undo()
    assert {p.name: p.read_bytes() for p in (tmp_path / "c").iterdir()} == before
    same(run(tmp_path / "c", image, config)[0], whole)


@pytest.mark.parametrize("where", range(1, 12))
def test_death_while_the_checkpoint_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: int
) -> None:
    """After any of its renames there is a whole checkpoint, the old or the new one."""
    image, config = noisy()[0], settings()
    whole = denoise(image, "ZYX", config)
    real, count = Path.replace, 0

    def dying(self: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count == where:
            raise Killed
        return real(self, target)

    monkeypatch.setattr(Path, "replace", dying)
    with pytest.raises(Killed):
        run(tmp_path / "c", image, config, axes="ZYX")
    monkeypatch.undo()
    (tmp_path / "c" / ".0123456789abcdef.part").write_bytes(b"left by a process that was killed")
    same(run(tmp_path / "c", image, config, axes="ZYX")[0], whole)
    assert not (tmp_path / "c").exists()


def test_old_blocks_go(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(tmp_path / "c", noisy(), settings(), die_at=5)
    assert len(list((tmp_path / "c").iterdir())) == 3  # description, guide, and the last state


def test_rarely_when_writing_takes_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_blind2grad.checkpoint import keeping

    now, written = 0.0, []
    monkeypatch.setattr(keeping.time, "monotonic", lambda: now)
    image, config = noisy()[0, 0], settings()
    keeper = Keeper(tmp_path / "c", every=10.0)
    keep = keeper.options(image, "YX", config)["keep"]

    def write(snapshot: object) -> None:
        nonlocal now
        written.append(now)
        now += 1.0

    monkeypatch.setattr(keeper.folder, "write", write)
    while now < 200:
        keep(lambda: None, False)
        now += 1.0
    assert written == [10.0, 61.0, 112.0, 163.0]
    keep(lambda: None, True)
    assert len(written) == 5
