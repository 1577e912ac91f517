"""Muon: orthogonalised steps, worked out by hand where that can be done."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from napari_blind2grad import Config
from napari_blind2grad.engine import optimizer as ours
from napari_blind2grad.engine.optimizer import Muon, orthogonalise

#: Prints whether a run loads PyTorch's compiler.
RUN = """
import sys
import numpy as np
from napari_blind2grad import Config, denoise
noisy = np.random.default_rng(0).normal(size=(32, 32)).astype(np.float32)
denoise(noisy, config=Config(iterations=4, cycles=2, width=4, depth=1, optimizer=sys.argv[1]))
print("torch._dynamo" in sys.modules)
"""


@pytest.mark.parametrize("name", ["adam", "adamw", "muon"])
def test_no_run_loads_the_compiler(name: str) -> None:
    """It takes 1.5 s, of 12 that `fast` takes for 512 × 512 pixels, and nothing here uses it."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, name], capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1] == "False"


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_steps_are_those_of_pytorch(name: str) -> None:
    found = []
    for module in (torch.optim, ours):
        weight = torch.nn.Parameter(torch.linspace(-1, 1, 12))
        optimizer = getattr(module, name)([weight], lr=0.01, fused=True)
        for power in (1, 2, 3):
            optimizer.zero_grad(set_to_none=True)
            weight.pow(2 * power).sum().backward()
            optimizer.step()
        found.append(weight.detach())
    assert torch.equal(*found)


@pytest.mark.parametrize("shape", [(4, 36), (36, 4), (8, 8), (32, 288)])
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise([matrix])[0])
    assert values.min() > 0.3
    assert values.max() < 1.3


def test_singular_vectors_are_kept() -> None:
    generator = torch.Generator().manual_seed(1)
    u = torch.linalg.qr(torch.randn(6, 6, generator=generator)).Q
    v = torch.linalg.qr(torch.randn(9, 6, generator=generator)).Q.T
    (made,) = orthogonalise([u @ torch.diag(torch.linspace(0.5, 2.0, 6)) @ v])
    inner = u.T @ made @ v.T
    assert (inner - torch.diag(inner.diagonal())).abs().max() < 1e-4


def test_a_first_step_by_hand() -> None:
    # A 1 x 1 matrix g has g / |g| = 1 as its input to the quintic, five times over: a x + b x^3 + c x^5.
    x = 1.0
    for _ in range(5):
        x = 3.4445 * x - 4.7750 * x**3 + 2.0315 * x**5
    weight = torch.nn.Parameter(torch.full((1, 1, 1, 1), 2.0))
    weight.grad = torch.full((1, 1, 1, 1), 0.3)
    Muon([weight], lr=0.1, weight_decay=0.5).step()
    assert float(weight.detach()) == pytest.approx(2.0 * (1 - 0.05) - 0.1 * 0.2 * x, rel=1e-5)


def test_columns_stay_in_their_place() -> None:
    # One gradient alone in one tap: the step goes there and nowhere else.
    weight = torch.nn.Parameter(torch.zeros(4, 3, 3, 3))
    weight.grad = torch.zeros(4, 3, 3, 3)
    weight.grad[2, 1, 0, 2] = -1.0
    Muon([weight], lr=1.0).step()
    moved = weight.detach()
    assert moved[2, 1, 0, 2] > 0
    assert int((moved != 0).sum()) == 1


def test_memory_layout_does_not_matter() -> None:
    grad = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(2))
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        weight = torch.nn.Parameter(torch.ones(4, 3, 3, 3).to(memory_format=layout))
        weight.grad = grad.to(memory_format=layout)
        Muon([weight], lr=0.1).step()
        found.append(weight.detach())
    torch.testing.assert_close(found[0], found[1])


def test_muon_takes_the_kernels_and_leaves_the_rest() -> None:
    import numpy as np

    from napari_blind2grad.engine.stack import check, load
    from napari_blind2grad.engine.training import Training

    config = Config(width=8, depth=1, patch=16)
    planes = load(
        check(np.random.default_rng(0).random((16, 16), np.float32), "YX"),
        [0],
        config,
        torch.device("cpu"),
        4,
    )
    training = Training(planes, config, torch.float32, 0)
    rest, kernels = (o.param_groups[0]["params"] for o in training.optimizers)
    assert all(p.ndim == 4 and p.shape[-1] == 3 for p in kernels)
    assert len(rest) + len(kernels) == len(training.parameters)
    training.step(1.0)
    assert training.optimizers[1].param_groups[0]["lr"] == pytest.approx(
        4 * training.optimizers[0].param_groups[0]["lr"]
    )
