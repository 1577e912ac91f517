"""Pixels that are never trained on, and the loss on them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_blind2grad import Config, denoise_iter
from napari_blind2grad.engine import training as training_module
from napari_blind2grad.engine.held_out import held_out
from napari_blind2grad.engine.maps import plane_maps, shown_keep
from napari_blind2grad.engine.network import multiple
from napari_blind2grad.engine.stack import check, load
from napari_blind2grad.engine.training import Training
from napari_blind2grad.events import Preview

TINY = dict(iterations=4, cycles=2, width=4, depth=2, patch=32, batch=2, passes=1, threads=1)


def made(shape: tuple[int, ...] = (64, 72), **changes: object) -> Training:
    config = Config.preset("fast", **{**TINY, "device": "cpu", **changes})
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    stack = check(image, "YX")
    planes = load(stack, [0], config, torch.device("cpu"), multiple(config))
    return Training(planes, config, torch.float32, config.seed)


def held(shape: tuple[int, ...], **changes: object) -> torch.Tensor:
    training = made(shape, **changes)
    return held_out(training.planes, training.predictor.seed, 0)


def test_one_pixel_in_fifty_is_held_out_by_the_seed() -> None:
    some = held((256, 256))
    assert some.float().mean() == pytest.approx(0.02, abs=0.002)
    assert torch.equal(some, held((256, 256)))
    assert not torch.equal(some, held((256, 256), seed=1))


def test_small_planes_need_every_pixel() -> None:
    assert not held((31, 33)).any()
    assert held((32, 32)).any()


def test_they_are_never_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    training = made()
    # Each pixel bears its own number, by which it is known in any patch.
    noisy = training.planes.noisy
    noisy.copy_(torch.arange(noisy.numel()).reshape(noisy.shape))
    asked: set[int] = set()
    loss = training_module.blind2grad_loss

    def watch(masked, noisy, whole, weight, **options):
        asked.update(noisy[weight > 0].long().tolist())
        return loss(masked, noisy, whole, weight, **options)

    monkeypatch.setattr(training_module, "blind2grad_loss", watch)
    for _ in range(60):
        training.step(0.5)
    held = held_out(training.planes, training.predictor.seed, 0).nonzero()
    numbers = {int(y) * noisy.shape[-1] + int(x) for _, y, x in held}
    assert len(numbers) > 50
    assert not asked & numbers
    assert len(asked) > 0.5 * training.planes.valid.sum()


def test_the_figure_is_their_mean_squared_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    training = made()
    noisy = training.planes.noisy
    keep, labels = shown_keep(training, 0, training.detail[:1], 0)
    held = held_out(training.planes, training.predictor.seed, 0)[None]
    assert (keep[held] == 0).all()  # hidden when they are asked for
    assert (labels % 2).float().mean() == pytest.approx(0.25, abs=1e-3)  # as many as ever

    monkeypatch.setattr(training.predictor, "forward", lambda *_: torch.full_like(noisy, 0.25))
    found = plane_maps(training, 0, noisy, 1.0, 0)
    assert found.held_out == pytest.approx(float((noisy[held] - 0.25).square().mean()))


def test_noise_left_is_a_variance() -> None:
    training = made((128, 128))
    noise = torch.randn(training.planes.noisy.shape, generator=torch.Generator().manual_seed(0))
    assert plane_maps(training, 0, 0.1 * noise, 1.0, 0).noise_left == pytest.approx(0.01, rel=0.1)
    assert plane_maps(training, 0, 0 * noise, 1.0, 0).noise_left == pytest.approx(0, abs=1e-9)


def test_previews_tell_it() -> None:
    image = np.random.default_rng(1).normal(100, 10, (64, 64))
    config = Config.preset("fast", **TINY)
    previews = [e for e in denoise_iter(image, "YX", config) if isinstance(e, Preview) and e.maps]
    assert previews
    for preview in previews:
        # White noise that fills the range of 6.6 σ: its variance is (1 / 6.2)², which no network beats.
        assert 0.015 < preview.held_out < 0.1
        assert preview.noise_left < preview.held_out
    small = [e for e in denoise_iter(image[:16, :16], "YX", config) if isinstance(e, Preview)]
    assert all(math.isnan(e.held_out) for e in small)
