"""Every d-th pixel by itself: cut and joined, drawn in training, and seen in predictions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_blind2grad import Config
from napari_blind2grad.engine.grids import cut, join
from napari_blind2grad.engine.network import multiple
from napari_blind2grad.engine.predict import Predictor
from napari_blind2grad.engine.sampling import Sampler
from napari_blind2grad.engine.stack import Planes, check, load
from napari_blind2grad.engine.training import Training

FAST = Config.preset("fast").replace(
    iterations=2, width=8, depth=2, patch=48, passes=2, threads=1, device="cpu"
)


def scene(config: Config, axes: str = "YX", shape: tuple[int, ...] = (70, 60)) -> Planes:
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    return load(check(image, axes), [0], config, torch.device("cpu"), multiple(config))


def test_grids_by_hand() -> None:
    image = torch.arange(24.0).view(1, 1, 4, 6)
    grids = cut(image, 2)
    assert grids.shape == (4, 1, 2, 3)
    assert grids[0, 0].tolist() == [[0, 2, 4], [12, 14, 16]]
    assert grids[1, 0].tolist() == [[1, 3, 5], [13, 15, 17]]
    assert grids[2, 0].tolist() == [[6, 8, 10], [18, 20, 22]]
    assert cut(image, 1) is image
    assert join(image, 1) is image


@pytest.mark.parametrize("distance", [1, 2, 3])
def test_joining_undoes_cutting(distance: int) -> None:
    image = torch.rand(2, 3, 12, 18, generator=torch.Generator().manual_seed(0))
    grids = cut(image, distance)
    assert torch.equal(join(grids, distance), image)
    # Those of an image stand together.
    assert torch.equal(cut(image[1:], distance), grids[distance**2 :])


@pytest.mark.parametrize("distance", [2, 3])
def test_a_patch_is_trained_on_grid_by_grid(distance: int) -> None:
    config = FAST.replace(dilation=distance, augment=False, batch=2)
    planes = scene(config, "ZYX", (3, 130, 120))
    sampler = Sampler(planes, config, multiple(config), torch.Generator().manual_seed(0))
    patches = sampler.draw()
    assert len(patches.planes) == 2 * distance**2
    rows, columns = patches.pixels // sampler.width, patches.pixels % sampler.width
    assert bool((rows.diff(dim=1) == distance).all())
    assert bool((columns.diff(dim=2) == distance).all())
    assert patches.planes[: distance**2].unique().numel() == 1
    first = patches.pixels[: distance**2]
    assert first.unique().numel() == first.numel()  # no pixel twice
    assert patches.pixels.numel() == sampler.pixels


@pytest.mark.parametrize("changes", [{}, dict(architecture="paper", dtype="float32")])
@pytest.mark.parametrize("turn", [0, 3, 6])
def test_a_prediction_sees_no_pixel_nearer_than_the_distance(
    changes: dict[str, object], turn: int
) -> None:
    config = FAST.replace(dilation=2, attention=False, **changes)
    planes = scene(config)
    network = Training(planes, config, torch.float32, 0).network
    torch.nn.init.normal_(network.last.weight, generator=torch.Generator().manual_seed(1))
    predictor = Predictor(network, planes, config, torch.float32, 0)
    before = predictor.forward(0, None, turn)
    planes.noisy[0, 0, 33, 30] += 5.0
    moved = (predictor.forward(0, None, turn) - before)[0, 0].abs() > 1e-6
    rows, columns = moved.nonzero().T
    assert len(rows) > 9
    assert bool(((rows - 33) % 2 == 0).all())
    assert bool(((columns - 30) % 2 == 0).all())


def test_each_grid_draws_its_own_neurons() -> None:
    config = FAST.replace(dilation=2, stochastic=True, dropout=0.4)
    planes = scene(config)
    planes.noisy.fill_(0.5)
    network = Training(planes, config, torch.float32, 0).network
    torch.nn.init.normal_(network.last.weight, generator=torch.Generator().manual_seed(1))
    predictor = Predictor(network, planes, config, torch.float32, 0)
    gate = torch.zeros(1, 1, *planes.noisy.shape[-2:])
    grids = cut(predictor.forward(0, None, 0, gate), 2)
    assert not torch.allclose(grids[0], grids[1])
    assert torch.equal(join(grids, 2), predictor.forward(0, None, 0, gate))


def test_masks_are_even_within_each_grid() -> None:
    config = FAST.replace(dilation=2, mask="bernoulli")
    planes = scene(config)
    predictor = Training(planes, config, torch.float32, 0).predictor
    keep = predictor.draw_keep(0, 1, planes.valid[:1])
    grids = cut(keep, 2)
    n, c, y, x = grids.shape
    hidden = (1 - grids).view(n, c, y // 2, 2, x // 2, 2).sum((3, 5))
    assert bool((hidden == 1).all())
    assert not bool(
        (1 - keep).view(*keep.shape[:2], 2 * y // 2, 2, 2 * x // 2, 2).sum((3, 5)).eq(1).all()
    )


@pytest.mark.parametrize(("distance", "together"), [(1, False), (2, True)])
def test_colour_samples_are_hidden_together_where_noise_is_shared(
    distance: int, together: bool
) -> None:
    config = FAST.replace(dilation=distance)
    training = Training(scene(config, "YXS", (70, 60, 3)), config, torch.float32, 0)
    keep = training.predictor.draw_keep(0, 1, training.detail[:1])
    assert keep.shape[1] == 3
    assert torch.equal(keep, keep[:, :1].expand_as(keep)) == together
    seen = []
    training.network.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    training.step(0.0)
    (mask,) = seen
    assert mask.shape[1] == 3
    assert torch.equal(mask, mask[:, :1].expand_as(mask)) == together
