"""How far a run is, and when to say so."""

from __future__ import annotations

import time

#: Seconds between light progress events, and at least between previews.
PROGRESS_EVERY = 0.05
PREVIEW_EVERY = 0.25
#: Seconds between previews while someone keeps changing things.
_SOONEST = 0.15
#: Previews may take at most this share of the time.
_PREVIEW_SHARE = 0.15


class Clock:
    """Measures a run in units of work and predicts its end.

    Work is counted in pixels passed through the network; forward and backward count as three.

    Attributes
    ----------
    total, done
        Work of the whole run, and what is done of it.
    """

    def __init__(self) -> None:
        self.total = 1.0
        self.done = 0.0
        self._start = time.perf_counter()
        self._held = 0.0
        self._progress = self._start
        self._preview = 0.0
        self._made = 0.0

    @property
    def seconds(self) -> float:
        """Seconds since the start, less those that the run was held."""
        return time.perf_counter() - self._start - self._held

    def hold(self, seconds: float) -> None:
        """Leave `seconds` out of account: the receiver of an event took them, as in a pause."""
        self._held += seconds

    @property
    def fraction(self) -> float:
        """Share of the work done, 0 to 1."""
        return min(1.0, self.done / self.total) if self.total > 0 else 1.0

    @property
    def remaining(self) -> float:
        """Estimated seconds left."""
        fraction = self.fraction
        return self.seconds * (1.0 - fraction) / fraction if fraction > 0 else float("nan")

    def progress_due(self) -> bool:
        """Whether it is time for a progress event; if so, the next one is put off."""
        now = time.perf_counter()
        if now - self._progress < PROGRESS_EVERY:
            return False
        self._progress = now
        return True

    def preview_due(self) -> bool:
        """Whether it is time for a preview."""
        return time.perf_counter() >= self._preview

    def preview_soon(self) -> None:
        """Let the next preview come as soon as it may: someone has changed something."""
        self._preview = min(self._preview, self._made + _SOONEST)

    def preview_made(self, began: float) -> None:
        """Put off the next preview; `began` is :func:`time.perf_counter` before this one."""
        self._made = now = time.perf_counter()
        self._preview = now + max(PREVIEW_EVERY, (now - began) / _PREVIEW_SHARE)
