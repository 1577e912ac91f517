"""Ctrl-C: the first asks the run to stop and keep what it has, the second aborts."""

from __future__ import annotations

import signal
from types import TracebackType
from typing import Any

from .terminal import complain


class Interrupts:
    """While entered, turns the first SIGINT of a run into a request and all else into an abort.

    SIGINT before :attr:`running` is set, a second SIGINT and SIGTERM raise :class:`KeyboardInterrupt`
    wherever the program is.

    Attributes
    ----------
    running
        Whether there is a run that can be asked to stop.
    asked
        Whether it was asked to.
    """

    def __init__(self) -> None:
        self.running = False
        self.asked = False
        self._announced = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        self._before = {
            signal.SIGINT: signal.signal(signal.SIGINT, self._on_interrupt),
            signal.SIGTERM: signal.signal(signal.SIGTERM, self._on_terminate),
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def should_stop(self) -> bool:
        """Whether the run was asked to stop; says so once."""
        if self.asked and not self._announced:
            # Printed here and not in the handler, which may interrupt another print.
            self._announced = True
            complain("\nStopping; what is finished will be written. Ctrl-C again aborts at once.")
        return self.asked

    def _on_interrupt(self, *_: object) -> None:
        if self.asked or not self.running:
            raise KeyboardInterrupt
        self.asked = True

    def _on_terminate(self, *_: object) -> None:
        raise KeyboardInterrupt
