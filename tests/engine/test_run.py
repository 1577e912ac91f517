"""Whole runs: any shape and type, seeds, steering, stopping, events, errors."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from napari_blind2grad import Config, Result, denoise, denoise_iter
from napari_blind2grad.engine import run as run_module
from napari_blind2grad.engine.training import Training
from napari_blind2grad.errors import ConfigError, EngineError, InputError, OutOfMemory
from napari_blind2grad.events import Event, Preview, Progress, Started

TINY = dict(
    iterations=6, cycles=3, width=4, depth=2, patch=16, batch=2, passes=2, threads=1, device="cpu"
)
RNG = np.random.default_rng(0)


def tiny(**changes: object) -> Config:
    return Config.preset("fast", **{**TINY, **changes})


def shapes() -> Iterator[tuple[tuple[int, ...], str]]:
    """64 odd shapes: every kind of axes, sizes around the poolings' multiples, axes of one pixel."""
    rng = np.random.default_rng(1)
    sizes = [1, 2, 3, 5, 7, 8, 9, 15, 17, 31, 33]
    for i in range(64):
        letters = ["YX", "ZYX", "XY", "YXS", "TZYX", "CYX", "YZX", "TCZYX"][i % 8]
        few = {"T": 2, "C": 2, "S": 3}
        shape = tuple(
            few.get(c, int(rng.choice(sizes if c in "YX" else sizes[:4]))) for c in letters
        )
        if np.prod(shape) < 4:
            shape = tuple(max(n, 2) for n in shape)
        yield shape, letters


@pytest.mark.parametrize(("shape", "axes"), list(shapes()))
def test_any_shape(shape: tuple[int, ...], axes: str) -> None:
    image = RNG.random(shape).astype(np.float32)
    result = denoise(image, axes, tiny(iterations=2, cycles=2))
    assert result.image.shape == shape
    assert result.image.dtype == np.float32
    assert np.isfinite(result.image).all()
    flat = tuple(n for n, c in zip(shape, axes, strict=True) if c != "S")
    for name in ("dual_mask", "gradient", "gradient_deviation", "standout_gate"):
        assert getattr(result, name).shape == flat
    assert result.map_axes == axes.replace("S", "")


@pytest.mark.parametrize(
    "dtype",
    ["uint8", "int8", "uint16", ">u2", "int32", "uint64", "float16", "float32", "<f8", ">f4"],
)
def test_any_type(dtype: str) -> None:
    image = (RNG.random((20, 20)) * 100).astype(dtype)
    before = image.copy()
    result = denoise(image, "YX", tiny())
    assert result.image.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(image, before)
    assert denoise(image, "YX", tiny(dtype="float32")).image.dtype == np.float32


def test_negative_values_and_other_orders() -> None:
    image = np.asfortranarray(RNG.normal(-500, 10, (3, 18, 21)))
    result = denoise(image, "ZYX", tiny())
    assert -560 < result.image.mean() < -440


def test_lazy_arrays_are_computed() -> None:
    da = pytest.importorskip("dask.array")
    image = RNG.random((2, 16, 16)).astype(np.float32)
    lazy = denoise(da.from_array(image, chunks=(1, 8, 8)), "ZYX", tiny())
    np.testing.assert_array_equal(lazy.image, denoise(image, "ZYX", tiny()).image)


def test_broken_pixels_stay_and_do_not_spread() -> None:
    image = RNG.random((24, 24))
    image[4, 5], image[10, 11] = np.nan, -np.inf
    result = denoise(image, "YX", tiny())
    assert np.isnan(result.image[4, 5])
    assert np.isneginf(result.image[10, 11])
    assert np.isfinite(result.image).sum() == 24 * 24 - 2
    assert any("NaN" in note for note in result.notes)


def test_alpha_is_passed_through() -> None:
    image = RNG.integers(0, 255, (16, 16, 4), dtype=np.uint8)
    result = denoise(image, "YXS", tiny())
    np.testing.assert_array_equal(result.image[..., 3], image[..., 3])
    assert (result.image[..., :3] != image[..., :3]).any()


def test_a_blank_channel_is_untouched() -> None:
    image = RNG.random((2, 16, 16))
    image[0] = 5.0
    result = denoise(image, "CYX", tiny())
    np.testing.assert_array_equal(result.image[0], image[0])
    assert (result.image[1] != image[1]).any()


@pytest.mark.parametrize("networks", ["per-channel", "one"])
def test_channels_and_times(networks: str) -> None:
    image = RNG.random((2, 3, 16, 16))
    result = denoise(image, "TCYX", tiny(networks=networks))
    assert result.started.networks == (3 if networks == "per-channel" else 1)
    assert result.iterations == 6 * result.started.networks
    assert len(result.losses["loss"]) == result.iterations
    assert (result.image != image).reshape(6, -1).any(1).all()


@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_the_same_seed_gives_the_same_result(preset: str) -> None:
    image = RNG.random((3, 40, 40)).astype(np.float32)
    config = Config.preset(preset, **{**TINY, "patch": 32, "depth": 2})
    one, same = denoise(image, "ZYX", config), denoise(image, "ZYX", config)
    np.testing.assert_array_equal(one.image, same.image)
    np.testing.assert_array_equal(one.dual_mask, same.dual_mask)
    np.testing.assert_array_equal(one.losses["loss"], same.losses["loss"])
    other = denoise(image, "ZYX", config.replace(seed=1))
    assert (one.image != other.image).any()


def test_a_result_is_shown_in_one_line() -> None:
    """All of its pixels filled a notebook."""
    shown = repr(denoise(RNG.random((2, 16, 16)).astype(np.float32), "CYX", tiny()))
    assert shown.startswith("<Result: CYX 2 × 16 × 16 float32, preset fast, 12 iterations in ")
    assert "\n" not in shown
    assert len(shown) < 200


def test_looking_does_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    image = RNG.random((3, 20, 20)).astype(np.float32)
    quiet = denoise(image, "ZYX", tiny()).image
    monkeypatch.setattr("napari_blind2grad.engine.clock.PREVIEW_EVERY", 0.0)
    monkeypatch.setattr("napari_blind2grad.engine.clock._PREVIEW_SHARE", 1e9)
    events = list(denoise_iter(image, "ZYX", tiny(), focus=lambda: {"Z": 2}))
    assert sum(isinstance(e, Preview) and not e.final for e in events) > 6
    np.testing.assert_array_equal(events[-1].image, quiet)  # type: ignore[union-attr]


def test_order_and_content_of_events() -> None:
    image = (RNG.random((3, 20, 21)) * 1000).astype(np.uint16)
    events = list(denoise_iter(image, "ZYX", tiny(), focus=lambda: {"Z": 1}))
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Result)
    assert not any(isinstance(e, Started | Result) for e in events[1:-1])
    progress = [e for e in events if isinstance(e, Progress)]
    assert all(a.fraction <= b.fraction for a, b in pairwise(progress))
    assert progress[-1].iteration == progress[-1].iterations == 6
    final = [e for e in events if isinstance(e, Preview) and e.final]
    assert [e.index["Z"] for e in final] == [1, 0, 2]  # the plane looked at first
    for event in final:
        assert event.image.dtype == np.uint16
        assert event.image.shape == (20, 21)
        np.testing.assert_array_equal(event.image, events[-1].image[event.index["Z"]])
        assert set(event.maps) == {"dual_mask", "gradient", "gradient_deviation", "standout_gate"}
    training = [e for e in events if isinstance(e, Preview) and e.maps and not e.final]
    assert {e.index["Z"] for e in training} == {1}


def test_previews_have_the_order_of_the_input() -> None:
    image = RNG.random((12, 3, 20)).astype(np.float32)
    events = list(denoise_iter(image, "XSY", tiny()))
    result = events[-1]
    assert isinstance(result, Result)
    final = [e for e in events if isinstance(e, Preview) and e.final]
    assert [e.image.shape for e in final] == [(12, 3, 20)]
    np.testing.assert_array_equal(final[0].image, result.image)
    np.testing.assert_array_equal(final[0].maps["gradient"], result.gradient)


@pytest.mark.parametrize("mask", ["dual", "bernoulli", "uniform"])
@pytest.mark.parametrize("eps_g", [0.0, 10.0, 40.0])
def test_a_quarter_is_blind_in_every_cycle(
    mask: str, eps_g: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_blind2grad.engine.clock.PREVIEW_EVERY", 0.0)
    monkeypatch.setattr("napari_blind2grad.engine.clock._PREVIEW_SHARE", 1e9)
    rates: list[float] = []
    drawn = Training._draw_blind

    def watched(self: Training, *args: object) -> object:
        blind, chance = drawn(self, *args)  # type: ignore[arg-type]
        rates.append(float(blind.float().mean()))
        return blind, chance

    monkeypatch.setattr(Training, "_draw_blind", watched)
    image = np.kron(RNG.random((8, 8)), np.ones((16, 16))) + RNG.normal(0, 0.05, (128, 128))
    config = tiny(mask=mask, eps_g=eps_g, rho=0.9, patch=128, cycles=3, iterations=9, batch=4)
    events = list(denoise_iter(image, "YX", config))
    shown = [e.maps["dual_mask"] for e in events if isinstance(e, Preview) and e.maps]
    assert len(shown) >= 9
    for labels in shown:
        assert np.isin(labels, (1, 3)).mean() == pytest.approx(0.25, abs=0.005)
    # What the training itself draws: its mean over each of the three cycles.
    for cycle in np.split(np.array(rates), 3):
        assert cycle.mean() == pytest.approx(0.25, abs=0.005)


def test_dual_masks_and_gates_appear_from_the_second_cycle() -> None:
    image = np.kron(RNG.random((4, 4)), np.ones((10, 10))).astype(np.float32)
    result = denoise(image, "YX", tiny(eps_g=3.0, eps_s=5.0))
    assert (result.dual_mask >= 2).any()
    assert result.standout_gate.any()
    alone = denoise(image, "YX", tiny(eps_g=255.0, eps_s=255.0))
    assert (alone.dual_mask < 2).all()


def test_live_parameters_take_effect_in_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Config] = []
    step = Training.step

    def watched(self: Training, progress: float) -> None:
        seen.append(self.config)
        step(self, progress)

    monkeypatch.setattr(Training, "step", watched)
    monkeypatch.setattr("napari_blind2grad.engine.clock.PROGRESS_EVERY", 0.0)
    before = tiny(iterations=12)
    live = dict(omega=1.5, gamma=2.0, eps_g=7.0, eps_s=9.0, mask_rate=0.4, lr=1e-4, iterations=20)
    events = denoise_iter(RNG.random((24, 24)), "YX", before)
    for event in events:
        if isinstance(event, Progress) and len(seen) == 5:
            events.send(before.replace(**live, width=64))
            break
    rest = list(events)
    assert all(c == before for c in seen[:5])
    assert all(c == before.replace(**live) for c in seen[5:])  # the width is not live
    assert len(seen) == 20
    result = rest[-1]
    assert isinstance(result, Result)
    assert result.iterations == 20
    assert result.config == before.replace(**live)


def test_thresholds_act_on_the_current_cycle_at_once() -> None:
    import torch

    from napari_blind2grad.engine.stack import check, load

    image = np.kron(RNG.random((4, 4)), np.ones((8, 8)))
    config = tiny(eps_g=255.0, eps_s=255.0)
    planes = load(check(image, "YX"), [0], config, torch.device("cpu"), 4)
    training = Training(planes, config, torch.float32, 0)
    training.begin_cycle(0.5 * planes.noisy)
    assert not training.detail.any()
    training.steer(config.replace(eps_g=5.0))
    assert training.detail.any()
    training.steer(config.replace(eps_s=0.0))
    assert training.gate.all()


def collect(
    image: np.ndarray, axes: str, config: Config, stop_at: int
) -> tuple[list[Event], Result]:
    done = 0

    def should_stop() -> bool:
        nonlocal done
        done += 1
        return done > stop_at

    events = list(denoise_iter(image, axes, config, should_stop=should_stop))
    assert isinstance(events[-1], Result)
    return events, events[-1]


def test_a_stop_before_the_first_step_leaves_the_image_as_it_was() -> None:
    image = RNG.random((20, 20)).astype(np.float32)
    _, result = collect(image, "YX", tiny(), 0)
    np.testing.assert_array_equal(result.image, image)
    assert result.iterations == 0
    assert any("still noisy" in note for note in result.notes)


@pytest.mark.parametrize("stop_at", [1, 3, 30])
def test_a_stop_keeps_what_there_is(stop_at: int) -> None:
    image = RNG.random((4, 20, 20)).astype(np.float32)
    _, result = collect(image, "ZYX", tiny(iterations=50, cycles=5), stop_at)
    assert result.stopped
    assert result.iterations <= stop_at
    assert (result.image != image).reshape(4, -1).any(1).all()  # no plane is left noisy


def test_a_stop_names_channels_that_are_still_noisy() -> None:
    image = RNG.random((2, 20, 20)).astype(np.float32)
    _, result = collect(image, "CYX", tiny(iterations=50), 3)
    assert (result.image[0] != image[0]).any()
    np.testing.assert_array_equal(result.image[1], image[1])
    assert any("channel 1" in note for note in result.notes)


def test_errors_of_torch_are_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(message: str) -> None:
        def step(self: Training, progress: float) -> None:
            raise RuntimeError(message)

        monkeypatch.setattr(Training, "step", step)

    fail("shapes do not match")
    with pytest.raises(EngineError, match="shapes do not match"):
        denoise(RNG.random((16, 16)), "YX", tiny())
    fail("CUDA out of memory. Tried to allocate 2 GiB")
    with pytest.raises(OutOfMemory, match="smaller"):
        denoise(RNG.random((16, 16)), "YX", tiny())


def test_a_diverged_run_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    descend = Training._descend

    def explode(self: Training, *args: object) -> None:
        descend(self, *args)  # type: ignore[arg-type]
        self.network.last.weight.data.fill_(float("inf"))

    monkeypatch.setattr(Training, "_descend", explode)
    with pytest.raises(EngineError, match=r"diverged.*learning rate"):
        denoise(RNG.random((16, 16)), "YX", tiny())


def test_unknown_devices_are_refused() -> None:
    with pytest.raises(ConfigError, match="no device"):
        denoise(RNG.random((8, 8)), "YX", tiny(device="cuda:77"))
    with pytest.raises(InputError):
        denoise(np.zeros((4, 4)), "YX", tiny())


@pytest.mark.parametrize(
    "changes",
    [
        dict(revisible="stop-gradient"),
        dict(revisible="full"),
        dict(form="absolute", gradient="magnitude"),
        dict(detail="literal", importance=False),
        dict(dilation=2),
        dict(attention=True, gradient_layer=True),
        dict(stochastic=True),
        dict(augment=False, patch=0, batch=1),
        dict(dropout=0.0),
        dict(optimizer="adam"),
        dict(optimizer="adamw"),
        dict(dimensions="2D"),
        dict(dimensions="2.5D", context=1),
        dict(fold=1),
        dict(precision="bfloat16"),
    ],
)
def test_every_option_acts(changes: dict[str, object]) -> None:
    image = RNG.random((3, 24, 24)).astype(np.float32)
    base = tiny(precision="float32", eps_g=4.0, eps_s=150.0)
    plain, changed = denoise(image, "ZYX", base), denoise(image, "ZYX", base.replace(**changes))
    assert np.isfinite(changed.image).all()
    assert (plain.image != changed.image).any()


@pytest.mark.parametrize(
    "changes", [{}, dict(dilation=2), dict(dilation=3, stochastic=True, dropout=0.3)]
)
def test_large_planes_are_predicted_in_tiles(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    from napari_blind2grad.engine import predict

    image = np.random.default_rng(4).random((150, 170)).astype(np.float32)
    config = tiny(precision="float32", iterations=3, **changes)
    whole = denoise(image, "YX", config).image
    monkeypatch.setitem(predict._CORE, "cpu", 64)
    np.testing.assert_allclose(denoise(image, "YX", config).image, whole, atol=1e-5)


def test_the_module_names_its_live_parameters() -> None:
    assert set(run_module.LIVE) == {
        "omega",
        "gamma",
        "eps_g",
        "eps_s",
        "mask_rate",
        "iterations",
        "lr",
    }


def test_the_process_keeps_its_threads() -> None:
    import torch

    before = torch.get_num_threads()
    events = denoise_iter(RNG.random((8, 8)), "YX", tiny(threads=before + 1))
    assert {torch.get_num_threads() for _ in events} == {before + 1}
    assert torch.get_num_threads() == before


def test_a_pause_is_left_out_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    events = denoise_iter(RNG.random((16, 16)), "YX", tiny())
    for event in events:
        now += 1000.0  # whoever receives the event takes his time
        if isinstance(event, Progress | Result):
            assert event.seconds == 0.0


@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_the_result_does_not_depend_on_where_one_looks(preset: str) -> None:
    image = RNG.random((3, 32, 32)).astype(np.float32)
    config = Config.preset(preset, **{**TINY, "patch": 32, "depth": 2})
    first, last = (
        list(denoise_iter(image, "ZYX", config, focus=lambda z=z: {"Z": z}))[-1] for z in (0, 2)
    )
    np.testing.assert_array_equal(first.image, last.image)  # type: ignore[union-attr]


def test_a_hot_pixel_does_not_blind_the_network() -> None:
    import torch

    from napari_blind2grad.engine.stack import check, load

    image = RNG.random((64, 64))
    image[7, 9] = 1e15
    planes = load(check(image, "YX"), [0], tiny(), torch.device("cpu"), 4)
    assert 0.1 < Training(planes, tiny(), torch.float32, 0).network.spread < 1.0


def test_no_pixel_with_all_its_colours_is_refused() -> None:
    image = RNG.random((16, 16, 3))
    image[..., 0] = np.nan
    with pytest.raises(InputError, match="colour"):
        denoise(image, "YXS", tiny())


def test_bernoulli_passes_do_not_know_details() -> None:
    import torch

    from napari_blind2grad.engine.stack import check, load

    config = tiny(mask="bernoulli", rho=1.0)
    planes = load(check(RNG.random((128, 128)), "YX"), [0], config, torch.device("cpu"), 4)
    training = Training(planes, config, torch.float32, 0)
    detail = torch.zeros_like(planes.valid)
    detail[..., :64, :] = True
    keep = training.predictor.draw_keep(0, 1, detail)
    assert float(keep[..., :64, :].mean()) == pytest.approx(0.75, abs=0.02)
