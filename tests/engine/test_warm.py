"""Going on from trained networks, and previews that follow a change."""

from __future__ import annotations

import numpy as np
import pytest

from napari_blind2grad import Config, Result, denoise_iter
from napari_blind2grad.engine import clock
from napari_blind2grad.events import Event, Preview, Progress

TINY = Config(
    iterations=60, cycles=2, width=8, depth=2, patch=32, passes=1, threads=1, device="cpu"
)
RNG = np.random.default_rng(0)
CLEAN = 100 * np.add.outer(np.sin(np.arange(64) / 6), np.cos(np.arange(64) / 5))
NOISY = (CLEAN + RNG.normal(0, 40, CLEAN.shape)).astype(np.float32)


def events(config: Config, **options: object) -> list[Event]:
    return list(denoise_iter(NOISY, "YX", config, **options))  # type: ignore[arg-type]


def test_it_goes_on_where_it_was() -> None:
    # The same masks in both predictions, and no change lost or made large by rounding.
    config = TINY.replace(mask="bernoulli", dropout=0, refine=False, precision="float32")
    first = events(config)[-1]
    assert isinstance(first, Result)
    still = config.replace(iterations=1, lr=1e-7)
    cold, warm = events(still), events(still, warm=first.state)
    np.testing.assert_allclose(warm[-1].image, first.image, atol=0.05)
    assert np.abs(cold[-1].image - first.image).max() > 1  # twenty times as far
    previews = [e for e in warm if isinstance(e, Preview)]
    assert previews[0].iteration == 0  # what the network knew before its first step
    assert warm[0].notes == cold[0].notes


def test_going_on_leaves_the_state_as_it_was() -> None:
    first = events(TINY.replace(iterations=5))[-1]
    one, two = (events(TINY.replace(iterations=3), warm=first.state)[-1] for _ in range(2))
    np.testing.assert_array_equal(one.image, two.image)


def test_a_network_of_another_form_starts_anew() -> None:
    first = events(TINY.replace(iterations=3))[-1]
    wide = TINY.replace(iterations=3, width=12)
    anew = events(wide, warm=first.state)
    assert any("starts anew" in note for note in anew[0].notes)
    np.testing.assert_array_equal(anew[-1].image, events(wide)[-1].image)


def test_a_preview_follows_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "PREVIEW_EVERY", 1e6)
    monkeypatch.setattr(clock, "PROGRESS_EVERY", 0.0)
    monkeypatch.setattr(clock, "_SOONEST", 0.0)
    config = TINY.replace(iterations=30, cycles=1)
    run = denoise_iter(NOISY, "YX", config)
    seen, answer = [], None
    while True:
        try:
            event = run.send(answer)
        except StopIteration:
            break
        answer = None
        if isinstance(event, Preview) and not event.final:
            seen.append((event.iteration, event.maps.get("dual_mask")))
        if isinstance(event, Progress) and event.iteration == 10 and event.phase == "train":
            answer = config.replace(eps_g=0.0)
    planned = [(i, mask) for i, mask in seen if mask is not None]
    assert [i for i, _ in planned] == [1, 11]
    assert (planned[0][1] < 2).all()  # the first cycle knows no details …
    assert (planned[1][1] >= 2).all()  # … but a new threshold shows at once
