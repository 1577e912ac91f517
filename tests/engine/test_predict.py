"""The mean of predictions under fresh masks."""

from __future__ import annotations

import pytest
import torch

from napari_blind2grad.config import Config
from napari_blind2grad.engine.noise import NoiseCurve, told
from napari_blind2grad.engine.normalize import IntensityMap
from napari_blind2grad.engine.predict import Mean

ESTIMATED = NoiseCurve(torch.tensor([0.5]), torch.tensor([0.01]))


def mean_of(noise: NoiseCurve, config: Config) -> list[float]:
    mean = Mean(torch.zeros(1, 1, 1, 3), noise, config)
    # the first pixel is hidden once, the second always, the third never
    mean.add(torch.tensor([[[[1.0, 4.0, 6.0]]]]), torch.tensor([[[[0.0, 0.0, 1.0]]]]))
    mean.add(torch.tensor([[[[3.0, 8.0, 2.0]]]]), torch.tensor([[[[1.0, 0.0, 1.0]]]]))
    return mean.value().flatten().tolist()


def test_all_predictions_count_alike_where_the_noise_is_estimated() -> None:
    assert mean_of(ESTIMATED, Config()) == [2.0, 6.0, 4.0]


def test_those_that_saw_the_pixel_count_where_the_noise_is_known() -> None:
    known = told(ESTIMATED, Config(read_noise=5.0), IntensityMap(0.0, 255.0))
    # (0.001 · 1 + 3) / 1.001, and what no prediction saw is the plain mean
    assert mean_of(known, Config()) == pytest.approx([2.998002, 6.0, 4.0], abs=1e-5)


def test_without_the_last_step_all_count_alike() -> None:
    config = Config(read_noise=5.0, refine=False)
    assert mean_of(told(ESTIMATED, config, IntensityMap(0.0, 255.0)), config) == [2.0, 6.0, 4.0]
