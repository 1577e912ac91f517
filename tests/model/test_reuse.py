"""A saved network does on its own image what its run did, and works on others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

import napari_blind2grad
from napari_blind2grad import Config, Result, apply, denoise, denoise_iter, load_model
from napari_blind2grad.engine.apply import apply_iter
from napari_blind2grad.errors import ConfigError, EngineError, InputError, OutputError
from napari_blind2grad.events import MAPS, Preview, Progress, Started

TINY = Config(
    iterations=12, cycles=3, width=8, depth=2, patch=32, passes=3, threads=1, device="cpu", eps_g=8
)
PAPER: dict[str, Any] = dict(
    architecture="paper",
    stochastic=True,
    dropout=0.2,
    attention=True,
    gradient_layer=True,
    patch=0,
    batch=1,
    revisible="stop-gradient",
)


def noisy(*shape: int, seed: int = 0) -> np.ndarray:
    clean = 60 + 40 * np.sin(np.arange(np.prod(shape)).reshape(shape) / 7)
    return np.random.default_rng(seed).poisson(clean).astype(np.uint16)


def assert_same(one: Result, two: Result) -> None:
    assert one.image.dtype == two.image.dtype
    for name in ("image", *MAPS):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)


@pytest.mark.parametrize(
    ("axes", "shape", "changes"),
    [
        ("YX", (48, 40), {}),
        ("YX", (48, 40), dict(cycles=1)),
        ("YX", (48, 40), dict(mask="uniform", refine=False)),
        ("YX", (33, 37), PAPER),
        ("YXS", (32, 32, 4), {}),
        ("ZYX", (4, 32, 32), dict(context=1)),
        ("CZYX", (2, 4, 32, 32), dict(networks="one")),
        ("ZCYX", (3, 2, 32, 32), {}),
    ],
)
def test_on_its_own_image_it_repeats_the_run(
    tmp_path: Path, axes: str, shape: tuple[int, ...], changes: dict[str, Any]
) -> None:
    image = noisy(*shape)
    first = denoise(image, axes, TINY.replace(dtype="float32", **changes))
    assert first.save_model(tmp_path / "model") == tmp_path / "model"
    again = apply(tmp_path / "model", image, axes)
    assert_same(first, again)
    assert (again.iterations, again.stopped, again.notes) == (0, False, first.notes)
    # Float32 would show the smallest difference; the comparison is no empty one.
    other = denoise(image, axes, TINY.replace(dtype="float32", seed=1, **changes))
    assert np.abs(other.image - first.image).max() > 0


def test_the_last_masks_are_those_of_the_network_before_the_last_cycle(tmp_path: Path) -> None:
    """Without it the prediction would hide other pixels, and be another."""
    first = denoise(noisy(48, 40), "YX", TINY.replace(dtype="float32", cycles=2))
    assert (first.dual_mask >= 2).any()
    (network,) = first.state.networks
    names = network.weights.keys()
    assert any((network.weights[n] != network.guide[n]).any() for n in names)


def test_settings_changed_on_the_way(tmp_path: Path) -> None:
    image = noisy(48, 40)
    run = denoise_iter(image, "YX", TINY)
    event = next(run)
    changed = TINY.replace(eps_g=3.0, mask_rate=0.4)
    while not isinstance(event, Result):
        event = run.send(changed if isinstance(event, Started) else None)
    event.save_model(tmp_path / "model")
    assert load_model(tmp_path / "model").config == changed
    assert_same(event, apply(tmp_path / "model", image))


def test_what_lies_in_the_folder(tmp_path: Path) -> None:
    first = denoise(noisy(3, 32, 32), "ZYX", TINY)
    path = tmp_path / "model"
    first.save_model(path)
    assert {p.name for p in tmp_path.rglob("*")} == {"model", "model.json", "weights.safetensors"}
    content = json.loads((path / "model.json").read_text(encoding="utf-8"))
    assert content["version"] == napari_blind2grad.__version__
    assert (content["axes"], content["samples"]) == ("ZYX", 1)
    (network,) = first.state.networks
    (entry,) = content["networks"]
    assert (entry["center"], entry["spread"]) == (network.center, network.spread)
    tensors = load_file(path / "weights.safetensors")
    for name, value in network.weights.items():
        assert (tensors[f"0.final.{name}"] == value).all()
        assert (tensors[f"0.guide.{name}"] == network.guide[name]).all()
    model = load_model(path)
    assert (model.config, model.axes) == (TINY, "ZYX")
    assert model.state.maps == first.state.maps


def test_other_sizes_and_axes(tmp_path: Path) -> None:
    denoise(noisy(48, 40), "YX", TINY).save_model(tmp_path / "plane")
    for axes, shape in (("YX", (21, 77)), ("TZYX", (2, 3, 20, 30)), ("XY", (20, 30))):
        image = noisy(*shape, seed=1)
        result = apply(tmp_path / "plane", image, axes)
        assert (result.image.shape, result.image.dtype) == (shape, np.uint16)
        assert result.image.std() < image.std()
    denoise(noisy(2, 32, 32), "ZYX", TINY).save_model(tmp_path / "stack")  # sees one plane a side
    assert apply(tmp_path / "stack", noisy(6, 20, 20)).image.shape == (6, 20, 20)


def test_the_network_is_another_images(tmp_path: Path) -> None:
    """Applying trains nothing: the same weights come out that went in, and the image is denoised."""
    model = load_model(
        denoise(noisy(48, 40), "YX", TINY.replace(iterations=60)).save_model(tmp_path / "m")
    )
    clean = 60 + 40 * np.sin(np.arange(48 * 40).reshape(48, 40) / 7)
    image = noisy(48, 40, seed=5)
    result = apply(model, image)
    assert result.state is model.state
    assert np.square(result.image - clean).mean() < 0.8 * np.square(image - clean).mean()


def test_another_exposure(tmp_path: Path) -> None:
    image = noisy(48, 40).astype(np.float32)
    first = denoise(image, "YX", TINY)
    first.save_model(tmp_path / "model")
    bright = image * 64
    as_it_is = apply(tmp_path / "model", bright)
    assert any("choose the intensity 'image'" in note for note in as_it_is.notes)
    scaled = apply(tmp_path / "model", bright, intensity="image")
    assert scaled.notes == ()
    np.testing.assert_allclose(scaled.image, first.image * 64, rtol=1e-3)


def test_blank_channels(tmp_path: Path) -> None:
    image = noisy(2, 32, 32)
    image[0] = 7
    first = denoise(image, "CYX", TINY)
    first.save_model(tmp_path / "model")
    assert_same(first, apply(tmp_path / "model", image))
    both = apply(tmp_path / "model", noisy(2, 32, 32, seed=2))
    assert any("Channel 0 has no trained network" in note for note in both.notes)
    np.testing.assert_array_equal(both.image[0], noisy(2, 32, 32, seed=2)[0])
    image = noisy(2, 32, 32)
    image[1] = 7
    with pytest.raises(InputError, match="No channel of the image has a trained network"):
        apply(tmp_path / "model", image)


@pytest.mark.parametrize(
    ("axes", "shape", "words"),
    [
        ("ZYX", (2, 32, 32), "at least 3 planes; this image has 2"),
        ("YX", (32, 32), "at least 3 planes; this image has 1"),
        ("CZYX", (2, 4, 32, 32), "trained on 1 channel, but the image has 2"),
        ("ZYXS", (4, 32, 32, 3), "trained on grey images, but this one is in colour"),
    ],
)
def test_images_that_do_not_fit(
    tmp_path: Path, axes: str, shape: tuple[int, ...], words: str
) -> None:
    denoise(noisy(4, 32, 32), "ZYX", TINY).save_model(tmp_path / "model")
    with pytest.raises(InputError, match=words):
        apply(tmp_path / "model", noisy(*shape), axes)


def test_other_settings(tmp_path: Path) -> None:
    image = noisy(40, 40)
    denoise(image, "YX", TINY).save_model(tmp_path / "model")
    assert apply(tmp_path / "model", image, dtype="float32").image.dtype == np.float32
    with pytest.raises(ConfigError, match="no device"):
        apply(tmp_path / "model", image, device="cuda:99")
    with pytest.raises(ConfigError, match="intensity must be"):
        apply(tmp_path / "model", image, intensity="own")  # type: ignore[arg-type]


def test_events_and_stopping() -> None:
    first = denoise(noisy(2, 3, 32, 32), "CZYX", TINY)
    events = list(apply_iter(first.state, noisy(2, 3, 32, 32), "CZYX", TINY))
    assert isinstance(events[0], Started)
    assert (events[0].iterations, events[0].networks) == (0, 2)
    finished = [e.index for e in events if isinstance(e, Preview) and e.final]
    assert sorted((i["C"], i["Z"]) for i in finished) == [(c, z) for c in (0, 1) for z in range(3)]
    fractions = [e.fraction for e in events if isinstance(e, Progress)]
    assert fractions == sorted(fractions)
    *_, stopped = apply_iter(
        first.state, noisy(2, 3, 32, 32), "CZYX", TINY, should_stop=lambda: True
    )
    assert isinstance(stopped, Result)
    assert stopped.stopped
    assert any("Stopped before channel 1 was denoised" in note for note in stopped.notes)
    np.testing.assert_array_equal(stopped.image[1], noisy(2, 3, 32, 32)[1])
    assert (stopped.image[0] != noisy(2, 3, 32, 32)[0]).any()


def test_a_model_of_a_run_that_was_stopped(tmp_path: Path) -> None:
    image = noisy(2, 32, 32)
    steps = iter(range(10**6))
    config = TINY.replace(iterations=100)
    half = denoise(image, "CYX", config, should_stop=lambda: next(steps) > 40)
    assert half.stopped
    assert 0 < half.iterations < 100
    half.save_model(tmp_path / "model")
    result = apply(tmp_path / "model", image)
    assert any("Channel 1 has no trained network" in note for note in result.notes)
    nothing = denoise(image, "CYX", TINY, should_stop=lambda: True)
    with pytest.raises(OutputError, match="no trained network to save"):
        nothing.save_model(tmp_path / "nothing")
    assert {p.name for p in tmp_path.iterdir()} == {"model"}


def test_saving_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = denoise(noisy(32, 32), "YX", TINY)
    path = tmp_path / "model"
    first.save_model(path)
    before = {p.name: p.read_bytes() for p in path.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OutputError, match="the disk is full"):
            first.save_model(path)
    assert {p.name: p.read_bytes() for p in path.iterdir()} == before
    assert {p.name for p in tmp_path.iterdir()} == {"model"}
    other = denoise(noisy(32, 32), "YX", TINY.replace(seed=3))
    other.save_model(path)  # an older model may be replaced …
    assert load_model(path).config.seed == 3
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter.txt").write_text("years of work")
    with pytest.raises(OutputError, match="holds something else"):  # … but nothing else
        first.save_model(thesis)
    with pytest.raises(OutputError, match="is a file"):
        first.save_model(thesis / "chapter.txt")
    with pytest.raises(OutputError, match="does not exist"):
        first.save_model(tmp_path / "missing" / "model")
    assert (thesis / "chapter.txt").read_text() == "years of work"


def test_a_network_that_gives_no_numbers_is_told_in_words() -> None:
    first = denoise(noisy(32, 32), "YX", TINY)
    with pytest.raises((InputError, EngineError)):
        list(apply_iter(first.state, np.full((32, 32), np.nan), "YX", TINY))
