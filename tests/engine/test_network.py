"""The U-Nets: shapes, seeds, partial convolution by hand, the reach of a pixel."""

from __future__ import annotations

import pytest
import torch

from napari_blind2grad import Config
from napari_blind2grad.engine.network import (
    ChannelAttention,
    GradientLayer,
    PartialConv2d,
    UNet,
    build,
)
from napari_blind2grad.engine.scales import wide_means

PAPER = Config.preset("paper", width=4)
FAST = Config.preset("fast", width=4)


def run(network: UNet, y: int, x: int, samples: int = 1, neighbours: int = 0) -> torch.Tensor:
    image = torch.rand(2, samples + neighbours, y, x)
    mask = (torch.rand(2, samples, y, x) > 0.25).float()
    return network(image, mask, image[:, :samples])


@pytest.mark.parametrize(
    ("config", "side"),
    [
        (PAPER, 32),
        (PAPER, 96),
        (FAST, 16),
        (FAST, 48),
        (FAST.replace(fold=1), 8),
        (FAST.replace(fold=1), 40),
    ],
)
@pytest.mark.parametrize(("samples", "neighbours"), [(1, 0), (3, 0), (1, 2), (3, 6)])
def test_output_has_the_image_shape(
    config: Config, side: int, samples: int, neighbours: int
) -> None:
    network = build(samples, neighbours, config, 0).eval()
    assert run(network, side, 2 * side, samples, neighbours).shape == (2, samples, side, 2 * side)


def test_the_paper_network_goes_down_to_a_32nd() -> None:
    network = build(1, 0, PAPER, 0).eval()
    levels = network.encoder(torch.rand(1, 1, 64, 64), torch.ones(1, 1, 64, 64))
    assert [level.shape[-1] for level in levels] == [64, 32, 16, 8, 4, 2]  # eq. 3.13


def test_the_paper_network_has_its_parts() -> None:
    network = build(1, 0, PAPER, 0)
    kinds = [type(m) for m in network.modules()]
    assert PartialConv2d in kinds
    assert torch.nn.BatchNorm2d in kinds
    assert kinds.count(ChannelAttention) == 5
    gradient = [i for i, stage in enumerate(network.decoder) if stage.gradient is not None]
    assert gradient == [3]  # the decoder's stages end at 1/16, 1/8, 1/4, 1/2, 1: at half size


def test_seeds() -> None:
    before = torch.random.get_rng_state()
    one, same, other = build(1, 0, FAST, 5), build(1, 0, FAST, 5), build(1, 0, FAST, 6)
    assert torch.equal(before, torch.random.get_rng_state())
    pairs = list(zip(one.parameters(), same.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert any(not torch.equal(a, c) for a, _, c in pairs)


def test_an_untrained_compact_network_gives_its_filling_and_wider_means_alike() -> None:
    network = build(1, 0, FAST, 0).eval()
    image, filled = torch.rand(1, 1, 16, 16), torch.rand(1, 1, 16, 16)
    seen = torch.ones_like(image)
    parts = [filled, *wide_means(image, seen, 0.0)]
    torch.testing.assert_close(network(image, seen, filled), torch.stack(parts).mean(0))


def test_partial_convolution_by_hand() -> None:
    layer = PartialConv2d(1, 1)
    torch.nn.init.ones_(layer.conv.weight)
    x = torch.arange(9.0).view(1, 1, 3, 3)
    mask = torch.zeros(1, 1, 3, 3)
    mask[0, 0, 0, 0] = mask[0, 0, 2, 2] = 1
    with torch.no_grad():
        out, seen = layer(x, mask)
    # At the centre both visible pixels, 0 and 8, count 9/2 times.
    assert float(out[0, 0, 1, 1]) == pytest.approx(36.0)
    # At the upper right corner none is under the kernel: no value, and not visible.
    assert float(out[0, 0, 0, 2]) == 0.0
    assert float(seen[0, 0, 0, 2]) == 0.0
    assert float(seen.sum()) == 7.0


def test_partial_convolution_does_not_see_hidden_values() -> None:
    layer = PartialConv2d(2, 3)
    mask = (torch.rand(1, 2, 8, 8, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    x = torch.rand(1, 2, 8, 8)
    changed = torch.where(mask > 0, x, torch.full_like(x, 99.0))
    assert torch.equal(layer(x, mask)[0], layer(changed, mask)[0])


def test_channel_attention_by_hand() -> None:
    layer = ChannelAttention(4)
    for conv in (layer.w_1, layer.w_2):
        torch.nn.init.zeros_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    x = torch.rand(1, 4, 5, 5)
    torch.testing.assert_close(layer(x), 0.5 * x)  # sigmoid(0) = 1/2


def test_the_gradient_layer_is_fixed() -> None:
    layer = GradientLayer()
    assert not list(layer.parameters())
    x = torch.tensor([[0.0, 3.0], [4.0, 3.0]])[None, None]
    out = layer(x, None)
    torch.testing.assert_close(out[:, :1], x)
    assert float(out[0, 1, 0, 0]) == pytest.approx(5.0)


@pytest.mark.parametrize(
    "config",
    [
        FAST,
        FAST.replace(fold=1),
        FAST.replace(fold=1, depth=2),
        FAST.replace(depth=1, gradient_layer=False),
        PAPER.replace(attention=False, depth=2),
    ],
)
def test_no_pixel_reaches_beyond_the_radius(config: Config) -> None:
    network = build(1, 0, config, 0).eval()
    torch.nn.init.normal_(network.last.weight, generator=torch.Generator().manual_seed(1))
    reach = network.radius()
    side = -(-(2 * reach + 20) // 32) * 32
    image = torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(2))
    ones = torch.ones_like(image)
    changed = image.clone()
    changed[..., side // 2, side // 2] += 10.0
    with torch.no_grad():
        moved = (network(image, ones, ones * 0) - network(changed, ones, ones * 0)).abs() > 1e-7
    rows = moved[0, 0].any(1).nonzero().flatten() - side // 2
    assert len(rows) > 1
    assert int(rows.abs().max()) <= reach
