"""Blind spots: the total held at the rate, distances by hand, masks that know only coordinates."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_blind2grad.engine.masks import (
    blind_probability,
    class_probabilities,
    coordinate_key,
    coordinate_noise,
    detail_distance,
    dual_mask_labels,
    even_scores,
    exact_blind,
    uniform_blind,
)


def test_literal_distance_is_euclidean_over_channels() -> None:
    noisy = torch.tensor([3.0, 1.0]).view(1, 2, 1, 1)
    medium = torch.tensor([0.0, 5.0]).view(1, 2, 1, 1)
    # sqrt((3 − 0)² + (1 − 5)²) = 5, eq. (3.1)
    assert float(detail_distance(noisy, medium, kind="literal")) == pytest.approx(5.0)


def test_noise_aware_distance_takes_the_noise_off() -> None:
    medium = torch.zeros(1, 1, 9, 9)
    noisy = torch.full_like(medium, 0.5)
    # Everywhere the same energy 0.25; less a variance of 0.16 leaves sqrt(0.09).
    distance = detail_distance(noisy, medium, torch.tensor(0.16))
    torch.testing.assert_close(distance, torch.full_like(distance, 0.3), atol=1e-5, rtol=0)
    assert not detail_distance(noisy, medium, torch.tensor(0.3)).any()


def test_noise_aware_distance_does_not_take_outliers_for_detail() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = 0.1 * torch.randn(1, 1, 128, 128, generator=generator)
    threshold = 40 / 255
    literal = detail_distance(noise, torch.zeros_like(noise), kind="literal") >= threshold
    aware = detail_distance(noise, torch.zeros_like(noise), torch.tensor(0.01)) >= threshold
    assert literal.float().mean() > 0.1  # the share of |z| ≥ 1.57
    assert aware.float().mean() < 0.001


def test_class_probabilities_by_hand() -> None:
    detail = torch.zeros(1, 1, 10, 10, dtype=torch.bool)
    detail[..., :2, :] = True  # a fifth
    flat, hidden = class_probabilities(detail, rate=0.25, rho=0.6)
    assert float(hidden) == pytest.approx(0.1)  # 0.25 · (1 − 0.6)
    assert float(flat) == pytest.approx(0.2875)  # (0.25 − 0.2 · 0.1) / 0.8


@given(
    share=st.floats(0, 1), rate=st.floats(0.02, 0.9), rho=st.floats(0, 1), seed=st.integers(0, 99)
)
def test_the_total_is_held(share: float, rate: float, rho: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    detail = torch.rand(2, 1, 24, 20, generator=generator) < share
    chance = blind_probability(detail, rate, rho)
    assert chance.min() >= 0
    assert chance.max() <= 1
    torch.testing.assert_close(chance.mean((1, 2, 3)), torch.full((2,), rate), atol=1e-4, rtol=1e-4)


@given(share=st.floats(0, 1), rho=st.floats(0, 1), shape=st.tuples(*[st.integers(1, 40)] * 2))
def test_an_exact_mask_has_the_asked_number(
    share: float, rho: float, shape: tuple[int, int]
) -> None:
    generator = torch.Generator().manual_seed(1)
    detail = torch.rand(shape, generator=generator) < share
    scores = torch.rand(shape, generator=generator)
    blind = exact_blind(scores, detail, 0.25, rho)
    assert int(blind.sum()) == round(0.25 * detail.numel())


def test_details_are_hidden_less_often() -> None:
    generator = torch.Generator().manual_seed(2)
    detail = torch.zeros(64, 64, dtype=torch.bool)
    detail[:16] = True
    blind = exact_blind(torch.rand(64, 64, generator=generator), detail, 0.25, 0.8)
    assert float(blind[:16].float().mean()) == pytest.approx(0.05, abs=0.001)
    assert float(blind.float().mean()) == 0.25


def test_uniform_mask_has_the_same_number_in_each_cell() -> None:
    scores = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    blind = uniform_blind(scores, 0.25)
    cells = blind.view(2, 3, 4, 4, 6, 4).sum((3, 5))
    assert (cells == 4).all()


def test_labels() -> None:
    blind = torch.tensor([False, True, False, True])
    detail = torch.tensor([False, False, True, True])
    assert dual_mask_labels(blind, detail).tolist() == [0, 1, 2, 3]


def test_coordinate_noise_does_not_know_tiles() -> None:
    rows, columns = torch.arange(40), torch.arange(56)
    whole = coordinate_noise(coordinate_key(7, 3, 11), rows, columns)
    tile = coordinate_noise(coordinate_key(7, 3, 11), rows[13:29], columns[8:50])
    assert torch.equal(whole[13:29, 8:50], tile)


def test_coordinate_noise_is_uniform_and_independent() -> None:
    rows = columns = torch.arange(256)
    one = coordinate_noise(coordinate_key(0, 0, 0), rows, columns)
    assert float(one.min()) >= 0
    assert float(one.max()) < 1
    histogram = torch.histc(one, 16, 0, 1)
    assert float((histogram - 4096).abs().max()) < 5 * 4096**0.5
    for other in (
        coordinate_noise(coordinate_key(1, 0, 0), rows, columns),
        coordinate_noise(coordinate_key(0, 1, 0), rows, columns),
        coordinate_noise(coordinate_key(0, 0, 1), rows, columns),
        one.T,
        one.roll(1, 0),
        one.roll(1, 1),
    ):
        correlation = torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1]
        assert abs(float(correlation)) < 0.02


def test_even_scores_by_hand() -> None:
    """Ranks 2, 0, 3, 1 give the quarters; within them lies what is left below a 4096th."""
    scores = torch.tensor([[0.5, 0.125], [0.75, 0.25 + 0.5 / 4096]])
    assert torch.equal(even_scores(scores), torch.tensor([[0.5, 0.0], [0.75, 0.25 + 0.125]]))


def test_even_scores_stay_uniform_and_spread_evenly() -> None:
    torch.manual_seed(0)
    even = even_scores(torch.rand(3, 2, 256, 256))
    assert float(even.min()) >= 0
    assert float(even.max()) < 1
    for rate in (0.1, 0.25, 0.6):
        assert float((even < rate).float().mean()) == pytest.approx(rate, abs=2e-3)
        by_place = (even < rate).float().view(6, 128, 2, 128, 2).mean((0, 1, 3))
        assert torch.allclose(by_place, torch.full((2, 2), rate), atol=5e-3)
    quarters = (even * 4).long().view(6, 128, 2, 128, 2).transpose(2, 3).flatten(3).sort(-1).values
    assert torch.equal(quarters, torch.arange(4).expand_as(quarters))
    inside = (even * 4).frac()
    assert float(inside.var()) == pytest.approx(1 / 12, rel=0.02)


def test_even_scores_do_not_depend_on_where_they_are_cut() -> None:
    scores = torch.rand(1, 12, 16)
    assert torch.equal(even_scores(scores)[:, 4:, 6:], even_scores(scores[:, 4:, 6:]))


def test_equal_scores_are_ranked_all_the_same() -> None:
    assert even_scores(torch.full((2, 2), 0.5)).flatten().sort().values.tolist() == [
        0,
        0.25,
        0.5,
        0.75,
    ]
