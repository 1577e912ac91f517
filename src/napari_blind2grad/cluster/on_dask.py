"""Work on the workers of a dask.distributed scheduler."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from ..errors import EngineError
from .executor import Outcome

#: Seconds between two looks at whether to stop.
_POLL = 0.2
#: Above this size of a piece dask warns, and advises to keep its data on a worker; but they die with it.
_LARGE = "distributed.admin.large-graph-warning-threshold"


class OnDask:
    """An :class:`~.executor.Executor` on a dask client.

    A piece whose worker dies is done once more by another one. dask gives it up when it has cost
    ``distributed.scheduler.allowed-failures`` workers (3), so that one that needs more memory than there is
    does not go round for ever.

    Parameters
    ----------
    client
        A ``distributed.Client``.
    resources
        What to close with it.
    retries
        How often a piece is tried again that raised an exception.
    """

    def __init__(self, client: Any, resources: ExitStack | None = None, retries: int = 0) -> None:
        self.client = client
        self.retries = retries
        self._resources = resources or ExitStack()
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._going: dict[str, tuple[Any, Any]] = {}  # key and future by the future's own key

    @property
    def workers(self) -> int:
        """See :class:`~.executor.Executor`."""
        threads: dict[str, int] = self.client.nthreads()
        return max(1, sum(threads.values()))

    @property
    def here(self) -> int:
        """See :class:`~.executor.Executor`."""
        from distributed.utils import get_ip

        own = ("127.0.0.1", "localhost", "::1", get_ip())
        threads: dict[str, int] = self.client.nthreads()
        return sum(n for address, n in threads.items() if urlsplit(address).hostname in own)

    def submit(self, key: Any, function: Callable[..., Any], *args: Any) -> None:
        """See :class:`~.executor.Executor`."""
        import dask

        with dask.config.set({_LARGE: "1TB"}):
            future = self.client.submit(function, *args, pure=False, retries=self.retries)
        self._going[future.key] = key, future
        future.add_done_callback(self._ended.put)

    def completed(self, should_stop: Callable[[], bool] | None = None) -> Iterator[Outcome]:
        """See :class:`~.executor.Executor`."""
        while self._going:
            if should_stop is not None and should_stop():
                self.cancel()
                return
            try:
                ended = self._ended.get(timeout=_POLL)
            except queue.Empty:
                continue
            if ended.key in self._going:
                key, future = self._going.pop(ended.key)
                yield _outcome(key, future)

    def cancel(self) -> None:
        """See :class:`~.executor.Executor`; dask cannot interrupt what goes on."""
        futures = [future for _, future in self._going.values()]
        self._going.clear()
        if futures:
            self.client.cancel(futures)

    def close(self) -> None:
        """See :class:`~.executor.Executor`."""
        self._going.clear()
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _outcome(key: Any, future: Any) -> Outcome:
    from distributed import KilledWorker

    if future.status == "cancelled":
        words = "The scheduler gave it up, or is gone. Run the same command again."
        return Outcome(key, error=EngineError(words))
    try:
        # Should the worker that holds the value have died just now, this waits until another has made it.
        return Outcome(key, future.result())
    except KilledWorker:
        words = "The workers that began it died, one after another; perhaps for want of memory. "
        return Outcome(key, error=EngineError(words + "Give each more, or do without them."))
    except Exception as error:  # noqa: BLE001 (the receiver of the outcome sees to it)
        return Outcome(key, error=error)
