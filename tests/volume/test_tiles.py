"""However a volume is cut into tiles, the result is that of the engine that holds it whole."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from napari_blind2grad import Config, Result, denoise
from napari_blind2grad.engine import refine, training
from napari_blind2grad.engine.apply import apply_iter
from napari_blind2grad.engine.predict import Predictor
from napari_blind2grad.engine.warm import Warm
from napari_blind2grad.events import Progress, Started
from napari_blind2grad.volume import (
    Finished,
    Into,
    Plan,
    Planned,
    Source,
    apply_volume_iter,
    denoise_volume_iter,
    predict_tile,
)

TINY = Config(
    iterations=8,
    cycles=2,
    width=4,
    depth=1,
    fold=1,
    patch=32,
    passes=2,
    threads=1,
    device="cpu",
    precision="float32",
    dtype="float32",
    eps_g=8,
    context=1,
)
PAPER: dict[str, Any] = dict(
    architecture="paper",
    stochastic=True,
    dropout=0.3,
    gradient_layer=True,
    depth=2,
    refine=False,
    eps_s=10,
)
#: Float32 sums in another order differ by so much of the image's range at most.
CLOSE = 1e-5


def noisy(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    clean = 60 + 40 * np.sin(np.arange(np.prod(shape)).reshape(shape) / 7)
    return np.random.default_rng(seed).poisson(clean).astype(np.uint16)


@cache
def trained(config: Config, deep: bool, samples: int) -> Warm:
    axes, shape = ("ZYX", (3, 32, 32)) if deep else ("YX", (32, 32))
    if samples > 1:
        axes, shape = axes + "S", (*shape, samples)
    return denoise(noisy(shape), axes, config).state


def volume(state: Warm, image: Any, axes: str, config: Config, tile: Any) -> np.ndarray:
    out = np.full(image.shape, np.nan, np.float32)
    events = list(
        apply_volume_iter(state, image, Into(out, axes), axes, config, intensity="image", tile=tile)
    )
    assert isinstance(events[-1], Finished)
    assert not np.isnan(out).any() or np.isnan(image).any()
    return out


def whole(state: Warm, image: Any, axes: str, config: Config) -> np.ndarray:
    *_, last = apply_iter(state, image, axes, config, intensity="image")
    assert isinstance(last, Result)
    return last.image


def assert_close(one: np.ndarray, two: np.ndarray, image: np.ndarray) -> None:
    assert np.nanmax(np.abs(one - two)) < CLOSE * float(np.nanmax(image) - np.nanmin(image))


def textured(axes: str) -> np.ndarray:
    """Return an image of grain that differs in strength from place to place, with less noise."""
    random = np.random.default_rng(8)
    shape = tuple({"Z": 4, "Y": 200, "X": 180, "S": 3}[letter] for letter in axes)
    sides = [1.5 if letter in "YX" else 0 for letter in axes]
    grain = random.standard_normal((200, 180))
    grain = gaussian_filter(grain, 0.7) - gaussian_filter(grain, 2)
    here = gaussian_filter(random.standard_normal((200, 180)), 20)
    made = 120 + 30 * grain / grain.std() * (0.15 + (here - here.min()) / np.ptp(here))
    made = made[..., None] if axes.endswith("S") else made
    spread = gaussian_filter(random.standard_normal(shape), sides)  # no two planes are alike
    return (made + 4 * spread / spread.std() + 6 * random.standard_normal(shape)).astype(np.float32)


@pytest.mark.parametrize("axes", ["YX", "ZYX", "YXS"])
def test_texture_is_given_back_by_tiles_too(axes: str) -> None:
    image = textured(axes)
    expected = denoise(image, axes, TINY)
    out = np.zeros_like(image)
    events = list(denoise_volume_iter(image, Into(out, axes), axes, TINY, tile=(2, 70, 64)))
    plan = next(e.plan for e in events if isinstance(e, Planned))
    assert plan.networks[0].known is not None
    assert Plan.from_json(plan.to_json()) == plan
    assert_close(out, expected.image, image)
    applied = volume(expected.state, image, axes, TINY, (3, 90, 70))
    assert_close(applied, whole(expected.state, image, axes, TINY), image)


@st.composite
def cases(draw: Any) -> tuple[str, tuple[int, ...], tuple[int, int, int], dict[str, Any]]:
    letters = draw(st.sampled_from(["", "", "Z", "Z", "T", "C", "CZ", "TCZ", "S", "ZS"]))
    axes = "".join(draw(st.permutations("YX" + letters)))
    # Few pixels, but more than a tile and what is read around it.
    limits = dict(Y=(9, 44), X=(9, 44), Z=(3, 4), T=(1, 2), C=(1, 2), S=(3, 3))
    shape = tuple(draw(st.integers(*limits[c])) for c in axes)
    tile = draw(st.tuples(st.integers(2, 4), st.integers(15, 40), st.integers(15, 40)))
    changes = draw(
        st.sampled_from(
            [
                {},
                dict(fold=2),
                dict(cycles=1),
                dict(refine=False),
                dict(gain=1.0, read_noise=2.0),
                dict(mask="uniform"),
                dict(augment=False, depth=2),
                dict(dilation=2),
                dict(dilation=3, fold=2),
                PAPER,
                {**PAPER, "dilation": 2},
                dict(mask="uniform", dilation=3),
                {**PAPER, "augment": True, "passes": 3, "architecture": "compact"},
            ]
        )
    )
    return axes, shape, tile, changes


@pytest.mark.parametrize(("axes", "shape"), [("YX", (150, 140)), ("ZYX", (4, 100, 100))])
def test_groups_of_like_blocks_are_the_same_in_tiles(axes: str, shape: tuple[int, ...]) -> None:
    """Tiles smaller than what the last step looks at: groups and their members are those of the whole."""
    image = noisy(shape)
    for config in (TINY, TINY.replace(gain=0.8), TINY.replace(dilation=2)):
        state = denoise(image, axes, config).state
        result = volume(state, image, axes, config, (2, 40, 40))
        assert_close(result, whole(state, image, axes, config), image)


@pytest.mark.parametrize(
    ("axes", "shape"),
    [("YX", (150, 140)), ("YXS", (140, 130, 3)), ("ZYX", (3, 90, 90)), ("ZYX", (5, 90, 90))],
)
@pytest.mark.parametrize("growing", [False, True])
def test_noise_that_neighbours_share_is_filtered_alike_in_tiles(
    monkeypatch: pytest.MonkeyPatch, axes: str, shape: tuple[int, ...], growing: bool
) -> None:
    """The distance and the spectrum are found once, for all tiles, and a plan keeps them as JSON."""
    rng = np.random.default_rng(0)
    level = np.linspace(50, 400, shape[axes.index("X")]).reshape(
        [-1] + [1] * (len(shape) - 1 - axes.index("X"))
    )
    white = rng.standard_normal(shape)
    shared = (
        sum(
            np.roll(white, (i, j), (axes.index("Y"), axes.index("X")))
            for i in (0, 1)
            for j in (0, 1)
        )
        / 2
    )
    image = (level + (np.sqrt(level) if growing else 10.0) * shared).astype(np.float32)
    state = denoise(image, axes, TINY).state
    (network,) = state.networks
    assert network is not None
    assert network.dilation == 2
    config = TINY.replace(dilation=2)
    out = np.full(image.shape, np.nan, np.float32)
    events = list(
        apply_volume_iter(
            state, image, Into(out, axes), axes, TINY, intensity="image", tile=(2, 40, 40)
        )
    )
    (plan,) = (e.plan for e in events if isinstance(e, Planned))
    (facts,) = plan.networks
    assert {side for side, _ in facts.spectra} == ({8} if axes[0] == "Y" else {8, 5})
    assert Plan.from_json(plan.to_json()) == plan
    assert_close(out, whole(state, image, axes, config), image)
    # The spectrum has a say.
    monkeypatch.setattr(training, "spectra", lambda *_: {})
    assert np.abs(out - whole(state, image, axes, config)).max() > 1.0


@pytest.mark.parametrize(
    ("axes", "shape"), [("YX", (90, 80)), ("ZYX", (3, 60, 50)), ("ZYX", (5, 60, 50))]
)
@pytest.mark.parametrize("gain", [0.0, 0.8])
def test_the_networks_share_is_the_same_in_tiles(
    monkeypatch: pytest.MonkeyPatch, axes: str, shape: tuple[int, ...], gain: float
) -> None:
    config, image = TINY.replace(gain=gain), noisy(shape)
    state = denoise(image, axes, config).state
    little = volume(state, image, axes, config, (2, 40, 40))
    for name, value in (("_STEPS", 1), ("_PIXELS", 1), ("whiteness", lambda _: 0.83)):
        monkeypatch.setattr(refine, name, value)
    result = volume(state, image, axes, config, (2, 40, 40))
    assert np.abs(result - little).max() > 1.0
    assert_close(result, whole(state, image, axes, config), image)


@pytest.mark.timeout(900)
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_tiled_equals_untiled(
    case: tuple[str, tuple[int, ...], tuple[int, int, int], dict[str, Any]],
) -> None:
    axes, shape, tile, changes = case
    config = TINY.replace(**changes)
    samples = 3 if "S" in axes else 1
    state = trained(config, "Z" in axes, samples)
    channels = shape[axes.index("C")] if "C" in axes else 1
    state = replace(
        state, networks=state.networks * channels, maps=state.maps * channels
    )  # one for each channel
    image = noisy(shape, 1)
    assert_close(volume(state, image, axes, config, tile), whole(state, image, axes, config), image)


def test_holes_and_alpha() -> None:
    """Values that are no numbers stay, and fill their neighbours alike in all tiles."""
    image = noisy((5, 50, 44), 2).astype(np.float32)
    image[2, 20:26, 15:31] = np.nan
    image[3, :, 40:] = np.inf
    state = trained(TINY, True, 1)
    out = volume(state, image, "ZYX", TINY, (2, 16, 20))
    np.testing.assert_array_equal(np.isfinite(out), np.isfinite(image))
    reference = whole(state, image, "ZYX", TINY)
    finite = np.isfinite(image)
    assert_close(out[finite], reference[finite], image[finite])
    colour = noisy((50, 44, 4), 3)
    state = trained(TINY, False, 3)
    config = TINY.replace(dtype="input")
    out = volume(state, colour, "YXS", config, (1, 16, 20))
    np.testing.assert_array_equal(out[..., 3], colour[..., 3])
    np.testing.assert_array_equal(out, whole(state, colour, "YXS", config))


@pytest.mark.parametrize(("axes", "shape"), [("YX", (61, 70)), ("ZYX", (5, 48, 40))])
def test_a_run_that_trains(axes: str, shape: tuple[int, ...]) -> None:
    """Trained and denoised tile by tile or held whole: the same network, and the same image."""
    image = noisy(shape)
    out = np.zeros(shape, np.float32)
    events = list(denoise_volume_iter(image, Into(out, axes), axes, TINY, tile=(2, 24, 24)))
    assert_close(out, denoise(image, axes, TINY).image, image)
    assert isinstance(events[0], Started)
    assert (events[0].shape, events[0].axes) == (shape, axes)
    progress = [e for e in events if isinstance(e, Progress)]
    assert {e.phase for e in progress} == {"train", "predict"}
    last = events[-1]
    assert isinstance(last, Finished)
    assert last.plan is not None
    assert (last.tiles, last.iterations) == (len(last.plan.tiles()), TINY.iterations)
    assert len(last.losses["loss"]) == TINY.iterations


def test_tiles_are_made_anywhere_in_any_order() -> None:
    image = noisy((5, 48, 40))
    out = np.zeros(image.shape, np.float32)
    plan: Plan | None = None
    for event in denoise_volume_iter(image, Into(out, "ZYX"), "ZYX", TINY, tile=(2, 20, 24)):
        if isinstance(event, Planned):
            plan, state = event.plan, event.state
    assert plan is not None
    assert Plan.from_json(plan.to_json()) == plan
    again = np.zeros_like(out)
    sink = Into(again, "ZYX")
    source = pickle.loads(pickle.dumps(Source.of(image, "ZYX")))
    for tile in reversed(plan.tiles()):
        sink.write(tile, predict_tile(state, plan, source, pickle.loads(pickle.dumps(tile))))
    np.testing.assert_array_equal(again, out)


def test_all_planes_of_a_tile_have_the_same_predictors(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a GPU records for the first plane serves the others."""
    made: list[Predictor] = []
    begin = Predictor.__post_init__

    def note(self: Predictor) -> None:
        made.append(self)
        begin(self)

    image = noisy((6, 48, 40))
    events = denoise_volume_iter(image, Into(np.zeros(image.shape, np.float32), "ZYX"), "ZYX", TINY)
    for event in events:
        if isinstance(event, Planned):
            monkeypatch.setattr(Predictor, "__post_init__", note)
            tiles = len(event.plan.tiles())
    assert len(made) == 2 * tiles  # the guide's and the last network's


def test_channels_without_a_network_pass() -> None:
    image = noisy((2, 40, 40))
    image[0] = 7
    out = np.zeros(image.shape, np.float32)
    *_, last = denoise_volume_iter(image, Into(out, "CYX"), "CYX", TINY)
    np.testing.assert_array_equal(out[0], 7)
    assert out[1].std() < image[1].std()
    assert any("Channel 0 is constant" in note for note in last.notes)


def test_a_stop_ends_it() -> None:
    image = noisy((6, 64, 64))
    seen: list[Any] = []
    run = denoise_volume_iter(
        image,
        Into(np.zeros(image.shape, np.float32), "ZYX"),
        "ZYX",
        TINY,
        tile=(2, 32, 32),
        should_stop=lambda: any(isinstance(e, Planned) for e in seen),
    )
    for event in run:
        seen.append(event)  # noqa: PERF402
    last = seen[-1]
    assert last.stopped
    assert last.tiles == 0
