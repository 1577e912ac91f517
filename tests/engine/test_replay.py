"""Recordings give what the functions give that they were made of."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_blind2grad import Config, denoise
from napari_blind2grad.engine.network import multiple
from napari_blind2grad.engine.replay import Recorded
from napari_blind2grad.engine.stack import check, load
from napari_blind2grad.engine.training import Training

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=cuda)])
def test_recorded_function(device: str) -> None:
    slope = 2.0

    def line(x: Tensor, offset: Tensor | float) -> Tensor:
        return slope * x + offset

    recorded = Recorded()
    x = torch.arange(6.0, device=device)
    for offset in (1.0, 3.0, -2.0, 5.0):
        assert torch.equal(recorded(line, x, offset, setting=slope), 2 * x + offset)
    shorter = x[1:4]
    for _ in range(3):
        assert torch.equal(recorded(line, shorter, 1.0, setting=slope), 2 * shorter + 1)
    for slope in (4.0, *range(20), 4.0):  # more than are kept
        for _ in range(3):
            assert torch.equal(recorded(line, x, 1.0, setting=slope), slope * x + 1)


def noisy(shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(0)
    y = np.arange(shape[-2])[:, None]
    x = np.arange(shape[-1])
    return (100 + 40 * np.sin(y / 5) * np.cos(x / 7) + rng.normal(0, 10, shape)).astype(np.float32)


def training(image: np.ndarray, config: Config, device: str) -> Training:
    planes = load(check(image, None), [0], config, torch.device(device), multiple(config))
    return Training(planes, config, torch.float32, 0)


@cuda
@pytest.mark.parametrize("optimizer", ["muon", "adamw", "adam"])
def test_replayed_steps_train_as_others_do(optimizer: str) -> None:
    image = noisy((96, 96))
    config = Config(patch=64, optimizer=optimizer, device="cuda")
    losses = {}
    for replayed in (True, False):
        run = training(image, config, "cuda")
        if not replayed:
            run._replay = None
        for step in range(20):
            run.step(step / 20)
        run.begin_cycle(run.planes.noisy.clone())
        for _ in range(6):
            run.step(0.5)
        run.steer(config.replace(omega=0.9))
        for _ in range(6):
            run.step(0.5)
        losses[replayed] = run.take_losses()
    assert losses[True].shape == (32, 3)
    np.testing.assert_allclose(losses[True], losses[False], rtol=0.02, atol=1e-5)
    assert losses[True][19, 2] == 0
    assert losses[True][20, 2] > 0  # there is something that ω weighs
    assert losses[True][26, 0] > 1.2 * losses[True][25, 0]  # and more of it


def test_a_training_goes_with_its_last_reference() -> None:
    """Nothing holds itself: memory of a GPU would be kept until Python looks for such things."""
    run = training(noisy((32, 32)), Config(patch=32, iterations=2), "cpu")
    run.step(0.0)
    run.predictor.forward(0, None)
    watched = [weakref.ref(part) for part in (run, run.predictor, run.network, run.planes)]
    gc.disable()
    try:
        del run
        assert [ref() for ref in watched] == [None] * 4
    finally:
        gc.enable()


@cuda
def test_memory_of_a_gpu_is_given_back() -> None:
    config = Config(patch=64, iterations=20, device="cuda")
    left = []
    for _ in range(3):
        denoise(noisy((3, 96, 96)), "ZYX", config)
        torch.cuda.empty_cache()
        left.append(torch.cuda.memory_allocated())
    assert abs(left[2] - left[1]) < 2**20


@cuda
def test_a_gpu_gives_what_a_cpu_gives() -> None:
    image = noisy((4, 96, 96))
    clean = 100 + 40 * np.sin(np.arange(96)[:, None] / 5) * np.cos(np.arange(96) / 7)
    errors = []
    for device in ("cpu", "cuda"):
        config = Config(patch=64, iterations=60, device=device, precision="float32")
        result = denoise(image, "ZYX", config).image
        errors.append(10 * np.log10(np.mean((result - clean) ** 2)))
    assert abs(errors[0] - errors[1]) < 0.5
    assert max(errors) < 10.0  # the noise has 20


@cuda
def test_predictions_on_a_gpu_follow_the_weights() -> None:
    run = training(noisy((96, 96)), Config(patch=64, device="cuda"), "cuda")
    seen = []
    for _ in range(4):
        run.step(0.3)
        seen.append(run.predictor.forward(0, None))
    assert all(not torch.equal(a, b) for a, b in pairwise(seen))


@cuda
def test_runs_in_threads_do_not_disturb_each_other() -> None:
    image = noisy((3, 96, 96))
    config = Config(patch=64, iterations=60, device="cuda", dtype="float32")
    alone = denoise(image, "ZYX", config).image
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(denoise, image, "ZYX", config) for _ in range(3)]
        for run in runs:
            assert float(np.std(run.result().image - alone)) < 2.0  # the noise has 10
