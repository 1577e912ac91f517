"""What the network sees, and what it must not see."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_blind2grad import Config
from napari_blind2grad.engine.inputs import assemble, fill
from napari_blind2grad.engine.network import multiple
from napari_blind2grad.engine.predict import orient, orient_back
from napari_blind2grad.engine.sampling import Sampler
from napari_blind2grad.engine.stack import _neighbours, check, load
from napari_blind2grad.engine.tiling import tiles

FAST, PAPER = Config.preset("fast"), Config.preset("paper")


def hidden_and_changed() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    noisy = torch.rand(1, 2, 24, 24, generator=generator)
    keep = (torch.rand(1, 2, 24, 24, generator=generator) > 0.3).float()
    return noisy, keep, torch.where(keep > 0, noisy, torch.full_like(noisy, 7.0))


@pytest.mark.parametrize("config", [FAST, PAPER])
def test_hidden_values_never_reach_the_network(config: Config) -> None:
    noisy, keep, changed = hidden_and_changed()
    none = noisy[:, :0]
    for a, b in zip(
        assemble(noisy, keep, none, config, 0.5),
        assemble(changed, keep, none, config, 0.5),
        strict=True,
    ):
        assert torch.equal(a, b)


def test_filling_by_hand() -> None:
    noisy = torch.zeros(1, 1, 1, 3)
    noisy[..., 0], noisy[..., 1], noisy[..., 2] = 4.0, 100.0, 8.0
    keep = torch.tensor([[[[1.0, 0.0, 1.0]]]])
    # The blind pixel lies between two visible ones, equally far away: their mean.
    assert float(fill(noisy, keep)[0, 0, 0, 1]) == pytest.approx(6.0, rel=1e-3)


def test_filling_of_a_constant_is_that_constant() -> None:
    keep = (torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0)) > 0.9).float()
    torch.testing.assert_close(
        fill(torch.full((1, 1, 16, 16), 3.0), keep, 3.0), torch.full_like(keep, 3)
    )


def test_compact_inputs_keep_visible_pixels_and_the_paper_blanks_hidden_ones() -> None:
    noisy, keep, _ = hidden_and_changed()
    context = torch.rand(1, 4, 24, 24)
    x, mask, _ = assemble(noisy, keep, context, FAST, 0.5)
    assert torch.equal(x[:, :2][keep > 0], noisy[keep > 0])
    assert torch.equal(x[:, 2:], context)
    assert torch.equal(mask, keep)
    x, _, _ = assemble(noisy, keep, context, PAPER, 0.5)
    assert (x[:, :2][keep == 0] == 0).all()


@given(depth=st.integers(2, 9), context=st.integers(1, 4), times=st.integers(1, 3))
def test_no_plane_is_its_own_neighbour(depth: int, context: int, times: int) -> None:
    near = _neighbours(depth * times, depth, context)
    assert near.shape == (depth * times, 2 * context)
    plane = torch.arange(depth * times)[:, None]
    assert (near != plane).all()
    assert (near // depth == plane // depth).all()  # of the same volume


def test_neighbours_by_hand() -> None:
    assert _neighbours(4, 4, 1).tolist() == [[1, 1], [0, 2], [1, 3], [2, 2]]


def test_patches_are_cut_from_all_maps_alike() -> None:
    image = torch.rand(3, 20, 28, generator=torch.Generator().manual_seed(0)).numpy()
    config = FAST.replace(patch=16, batch=32)
    planes = load(check(image, "ZYX"), [0], config, torch.device("cpu"), 4)
    sampler = Sampler(planes, config, 4, torch.Generator().manual_seed(1))
    patches = sampler.draw()
    noisy = patches.take(planes.noisy)
    doubled = patches.take(2 * planes.noisy)
    assert noisy.shape == (32, 1, 16, 16)
    assert torch.equal(doubled, 2 * noisy)
    near = patches.take_context(planes.context, planes.neighbours)
    assert near.shape == (32, 4, 16, 16)
    for b in range(32):
        plane = int(patches.planes[b])
        cut = planes.noisy[plane, 0].flatten()[patches.pixels[b]]
        assert torch.equal(noisy[b, 0], cut)
        first = planes.noisy[planes.neighbours[plane, 0], 0].flatten()[patches.pixels[b]]
        assert torch.equal(near[b, 0], first)
    # Rows step by one pixel along Y or, if turned, along X: all 8 orientations come up.
    steps = {(int(p[1, 0] - p[0, 0]), int(p[0, 1] - p[0, 0])) for p in patches.pixels}
    assert steps == {(a * 28, b) for a in (1, -1) for b in (1, -1)} | {
        (a, b * 28) for a in (1, -1) for b in (1, -1)
    }


def test_corners_are_in_about_as_many_patches_as_the_middle() -> None:
    """Were every place alike, a corner would be in one of 81 × 81, and its colours would not be learnt."""
    image = torch.rand(96, 96, generator=torch.Generator().manual_seed(0)).numpy()
    config = FAST.replace(patch=16, batch=200)
    planes = load(check(image, "YX"), [0], config, torch.device("cpu"), 4)
    sampler = Sampler(planes, config, 4, torch.Generator().manual_seed(1))
    pixels = torch.cat([sampler.draw().pixels for _ in range(20)])
    seen = torch.bincount(pixels.flatten(), minlength=96 * 96).view(96, 96) / 4000
    assert float(seen.sum()) == pytest.approx(256)  # all within the image
    middle = float(seen[40:56, 40:56].mean())
    for corner in (seen[0, 0], seen[0, -1], seen[-1, 0], seen[-1, -1]):
        assert float(corner) > 0.15 * middle
    assert float(seen.max()) < 3 * middle


def _sampler(side: int, config: Config, depth: int = 1) -> Sampler:
    image = torch.rand(depth, side, side, generator=torch.Generator().manual_seed(0)).numpy()
    planes = load(check(image, "ZYX"), [0], config, torch.device("cpu"), multiple(config))
    return Sampler(planes, config, multiple(config), torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("side", "batch", "patch"),
    [(512, 4, 192), (256, 1, 192), (192, 1, 144), (64, 1, 32), (24, 1, 24)],
)
def test_a_small_image_trained_long_gets_fewer_and_smaller_patches(
    side: int, batch: int, patch: int
) -> None:
    """It was learnt by heart: 800 steps of 4 patches on 192 × 192 pixels lost 1.5 dB to 400 of one.

    By hand, for 192: 192⁴ / 80 / 800 = 21234 pixels in a step, the square of 145.7; of 8 pixels that has 18.
    """
    sampler = _sampler(side, Config.preset("balanced"))
    assert (sampler.batch, sampler.rows, sampler.columns) == (batch, patch, patch)


def test_short_runs_and_stacks_keep_their_patches() -> None:
    assert _sampler(192, Config()).rows == 192
    assert _sampler(64, Config(depth=5)).rows == 64  # which its poolings need
    stack = _sampler(128, Config.preset("balanced"), depth=9)
    assert (stack.batch, stack.rows) == (4, 128)


def test_a_small_stack_gets_fewer_patches_than_a_plane_of_as_many_pixels() -> None:
    """By hand: (9 · 64²)² / 240 / 800 = 7078 pixels in a step, of which one patch has 4096."""
    stack = _sampler(64, Config.preset("balanced"), depth=9)
    assert (stack.batch, stack.rows) == (1, 64)


def test_sizes_that_are_set_are_taken_as_they_are() -> None:
    config = Config.preset("balanced", patch=128)
    assert (_sampler(128, config).batch, _sampler(128, config).rows) == (4, 128)
    config = Config.preset("balanced", batch=3)
    assert (_sampler(128, config).batch, _sampler(128, config).rows) == (3, 128)
    assert _sampler(128, Config.preset("paper")).rows == 128


@pytest.mark.parametrize("turn", range(8))
def test_orientations_are_undone(turn: int) -> None:
    image = torch.rand(2, 3, 5, 7)
    assert torch.equal(orient_back(orient(image, turn), turn), image)


def test_the_8_orientations_differ() -> None:
    image = torch.arange(9.0).view(3, 3)
    assert len({tuple(orient(image, t).flatten().tolist()) for t in range(8)}) == 8


@given(
    y=st.integers(1, 20), x=st.integers(1, 20), core=st.integers(1, 5), margin=st.integers(0, 30)
)
def test_tiles_cover_the_plane_once(y: int, x: int, core: int, margin: int) -> None:
    height, width, core = 8 * y, 8 * x, 8 * core
    seen = torch.zeros(height, width)
    for tile in tiles(height, width, core, margin, 8):
        seen[tile.target] += 1
        assert all(s.start % 8 == 0 and s.stop % 8 == 0 for s in tile.outer)
        outer = torch.arange(height * width).view(height, width)[tile.outer]
        whole = torch.arange(height * width).view(height, width)[tile.target]
        assert torch.equal(outer[tile.inner], whole)
    assert (seen == 1).all()
