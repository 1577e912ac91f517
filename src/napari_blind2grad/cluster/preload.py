"""What dask has each worker of our own do first."""

from __future__ import annotations

import signal


def dask_setup(worker: object) -> None:  # noqa: ARG001 (dask calls it so)
    """Leave Ctrl-C, which a terminal sends to all processes, to the one that started the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
