"""The progress bar."""

from __future__ import annotations

import math
import sys
from types import TracebackType

from tqdm import tqdm

from ..events import Progress


class ProgressBar:
    """A bar on standard error that shows phase, loss and time left.

    Parameters
    ----------
    quiet
        Show nothing.
    below
        Show it below another bar, and only while it runs.
    """

    def __init__(self, *, quiet: bool = False, below: bool = False) -> None:
        self._bar = tqdm(
            total=1.0,
            disable=quiet,
            file=sys.stderr,
            dynamic_ncols=True,
            bar_format="{desc} |{bar}| {percentage:3.0f}%",
            desc="starting",
            position=int(below),
            leave=not below,
        )

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the bar as it is, or take it away if it was below another one."""
        self._bar.close()

    def finish(self) -> None:
        """Fill the bar."""
        self._bar.n = 1.0
        self._bar.set_description_str("done")

    def show(self, progress: Progress) -> None:
        """Bring the bar up to `progress`."""
        self._bar.n = progress.fraction
        self._bar.set_description_str(describe(progress))


def describe(progress: Progress) -> str:
    """Return `progress` in a few words."""
    parts: list[str] = [progress.phase]
    if progress.iterations:  # none where a trained network is applied
        parts[0] += f" {progress.iteration}/{progress.iterations}"
    if progress.phase == "train":
        parts.append(f"cycle {progress.cycle}/{progress.cycles}")
    if progress.networks > 1:
        parts.append(f"network {progress.network}/{progress.networks}")
    if math.isfinite(progress.loss):
        parts.append(f"loss {progress.loss:.4g}")
    if math.isfinite(progress.remaining):
        parts.append(f"{tqdm.format_interval(progress.remaining)} left")
    return ", ".join(parts)
