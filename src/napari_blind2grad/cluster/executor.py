"""What work is handed to, and what comes back of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self


@dataclass(frozen=True)
class Outcome:
    """What came of one piece of work.

    Attributes
    ----------
    key
        The name that it was submitted under.
    value
        What its function returned; None if it failed.
    error
        What its function raised, or why no worker could do it; None if it is done.
    """

    key: Any
    value: Any = None
    error: Exception | None = None


class Executor(Protocol):
    """Does pieces of work in any order.

    A piece is a pure function of its arguments: if a worker dies in the middle of it, another one does it
    once more. Functions, arguments and values must be picklable, and functions must be importable by name.
    """

    @property
    def workers(self) -> int:
        """How many pieces are worked on at a time, as far as is known; at least 1."""

    @property
    def here(self) -> int:
        """How many of them share the memory of this computer."""

    def submit(self, key: Any, function: Callable[..., Any], *args: Any) -> None:
        """Hand over ``function(*args)`` under the name `key`; it may begin at once."""

    def completed(self, should_stop: Callable[[], bool] | None = None) -> Iterator[Outcome]:
        """Yield outcomes as they come, until there is no work left; more may be submitted meanwhile.

        Parameters
        ----------
        should_stop
            Polled at least a few times a second; once it returns true what has not begun is given up, and the
            iterator ends.
        """

    def cancel(self) -> None:
        """Give up what has not begun."""

    def close(self) -> None:
        """End, without waiting for work that goes on."""

    def __enter__(self) -> Self:
        """Return the executor itself."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""


class Here:
    """Does the work in this very process, one piece after another, when outcomes are asked for."""

    workers = 1
    here = 1

    def __init__(self) -> None:
        self._waiting: deque[tuple[Any, Callable[..., Any], tuple[Any, ...]]] = deque()

    def submit(self, key: Any, function: Callable[..., Any], *args: Any) -> None:
        """See :class:`Executor`."""
        self._waiting.append((key, function, args))

    def completed(self, should_stop: Callable[[], bool] | None = None) -> Iterator[Outcome]:
        """See :class:`Executor`; stopped between two pieces."""
        while self._waiting:
            if should_stop is not None and should_stop():
                self.cancel()
                return
            key, function, args = self._waiting.popleft()
            try:
                outcome = Outcome(key, function(*args))
            except Exception as error:  # noqa: BLE001 (the receiver of the outcome sees to it)
                outcome = Outcome(key, error=error)
            yield outcome

    def cancel(self) -> None:
        """See :class:`Executor`."""
        self._waiting.clear()

    def close(self) -> None:
        """See :class:`Executor`."""
        self.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
