"""T-standout (eq. 3.11): what may be dropped, what may not, and the mean that is kept."""

from __future__ import annotations

import pytest
import torch

from napari_blind2grad.engine.standout import Standout, edge_gate


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_gate_is_the_threshold() -> None:
    strength = torch.tensor([0.0, 24.9, 25.0, 80.0]) / 255
    assert edge_gate(strength, 25 / 255).tolist() == [False, False, True, True]


def test_neurons_on_edges_are_never_dropped() -> None:
    gate = torch.zeros(2, 1, 32, 32)
    gate[..., :16] = 1
    out = Standout(gate, 0.5, generator())(torch.ones(2, 8, 32, 32))
    assert (out[..., :16] == 1).all()  # kept, and not rescaled
    away = out[..., 16:]
    assert set(away.unique().tolist()) == {0.0, 2.0}
    assert float((away == 0).float().mean()) == pytest.approx(0.5, abs=0.03)


def test_the_mean_is_kept() -> None:
    out = Standout(None, 0.3, generator())(torch.ones(4, 8, 64, 64))
    assert float(out.mean()) == pytest.approx(1.0, abs=0.01)


def test_the_gate_is_resized_to_coarse_features() -> None:
    gate = torch.zeros(1, 1, 16, 16)
    gate[0, 0, 5, 9] = 1  # a single edge pixel protects the coarse neuron above it
    out = Standout(gate, 0.9, generator())(torch.ones(1, 64, 4, 4))
    assert (out[0, :, 1, 2] == 1).all()
    assert (out[0, :, 0, 0] == 0).any()


def test_rate_zero_changes_nothing() -> None:
    features = torch.randn(1, 3, 4, 4)
    assert Standout(None, 0.0, generator())(features) is features
