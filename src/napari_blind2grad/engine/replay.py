"""Training steps and predictions as CUDA graphs.

A step of a small network is some hundred kernels that a GPU runs in less time than Python takes to start
them. Recorded once and replayed as a whole, they follow each other without a gap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, NamedTuple

import torch
from torch import Tensor

#: A step: takes the learning rate, a number or a scalar on the device, and returns the losses.
Step = Callable[["float | Tensor"], Tensor]

#: Steps before one is recorded: they make what the library makes once, such as an optimiser's state.
_WARM = 2
#: Steps after which the host looks at the device, and how many looks it may be behind: a setting that changes
#: acts after so many steps.
_LOOK, _LOOKS = 8, 4
#: Largest tensor of a function that is recorded: with larger ones the device is busy, and a recording large.
_LARGEST = 1 << 20
#: Recordings of a function that are kept.
_KEPT = 8
_ALONE = Lock()


def records(device: torch.device) -> bool:
    """Return whether work on `device` is recorded: on Nvidia's alone, as others were not tried."""
    return device.type == "cuda" and torch.version.hip is None


class Replay:
    """Runs a step: as it is at first, then from a recording.

    Parameters
    ----------
    step
        Trains once. It must neither wait for the device nor take anything from the host that changes, but for
        the learning rate; after such a change, :meth:`forget`.
    generator
        Source of the step's random numbers, on the device.
    """

    def __init__(self, step: Step, generator: torch.Generator) -> None:
        self._step = step
        self._generator = generator
        self._rate = torch.zeros((), device=generator.device)
        # Recorded work must not run on the default stream, nor what comes before it in the same places.
        self._stream = torch.cuda.Stream(generator.device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()
        self._graph: torch.cuda.CUDAGraph | None = None
        self._losses: Tensor | None = None
        self._warm = _WARM
        self._count = 0
        self._looks: deque[torch.cuda.Event] = deque()

    def __call__(self, rate: float) -> Tensor:
        """Train once with the learning rate `rate`; return the losses, shape (3,)."""
        if self._warm:
            self._warm -= 1
            return self._as_it_is(rate)
        if self._graph is None:
            self._graph = self._record()
        self._rate.fill_(rate)
        self._graph.replay()
        self._look()
        assert self._losses is not None
        return self._losses.clone()

    def forget(self) -> None:
        """Record anew: the step has changed."""
        if self._graph is not None:
            self._graph, self._losses, self._warm = None, None, 1

    def _as_it_is(self, rate: float) -> Tensor:
        here = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(here)
        with torch.cuda.stream(self._stream):
            losses = self._step(rate)
        here.wait_stream(self._stream)
        return losses

    def _record(self) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        with _recording(graph, self._pool, self._stream):
            self._losses = self._step(self._rate)
        return graph

    def _look(self) -> None:
        """Let the host not run too far ahead of the device."""
        self._count += 1
        if self._count % _LOOK:
            return
        self._looks.append(torch.cuda.current_stream(self._stream.device).record_event())
        if len(self._looks) > _LOOKS:
            self._looks.popleft().synchronize()


class Recorded:
    """A function of tensors: runs as it is on a CPU, and from recordings on a CUDA device.

    Parameters
    ----------
    function
        Takes tensors and numbers and returns a tensor, without gradients. It must neither wait for the device
        nor draw random numbers.
    """

    def __init__(self, function: Callable[..., Tensor]) -> None:
        self._function = function
        self._found: dict[Hashable, _Recording | None] = {}
        self._stream: torch.cuda.Stream | None = None
        self._pool: Any = None

    def __call__(self, *values: Tensor | float, setting: Hashable = None) -> Tensor:
        """Return what the function makes of `values`.

        Parameters
        ----------
        values
            The first is a tensor; all are on one device.
        setting
            All else that the result depends on, and that may change.
        """
        first = values[0]
        assert isinstance(first, Tensor)
        tensors = [v for v in values if isinstance(v, Tensor)]
        if not records(first.device) or max(v.numel() for v in tensors) > _LARGEST:
            return self._function(*values)
        key = (setting, *(v.shape if isinstance(v, Tensor) else None for v in values))
        if key not in self._found:  # what the library makes once is made now
            self._found[key] = None
            return self._function(*values)
        recording = self._found.pop(key) or self._record(values)
        self._found[key] = recording  # the last one again
        if len(self._found) > _KEPT:
            del self._found[next(iter(self._found))]
        return recording.play(values)

    def _record(self, values: tuple[Tensor | float, ...]) -> _Recording:
        first = values[0]
        assert isinstance(first, Tensor)
        if self._stream is None:
            self._stream = torch.cuda.Stream(first.device)  # type: ignore[no-untyped-call]
            self._pool = torch.cuda.graph_pool_handle()
        places = [torch.as_tensor(v, device=first.device).clone() for v in values]
        graph = torch.cuda.CUDAGraph()
        with _recording(graph, self._pool, self._stream):
            out = self._function(*places)
        return _Recording(graph, places, out)


class _Recording(NamedTuple):
    """A graph, and where its values and its result lie."""

    graph: torch.cuda.CUDAGraph
    places: list[Tensor]
    out: Tensor

    def play(self, values: tuple[Tensor | float, ...]) -> Tensor:
        for place, value in zip(self.places, values, strict=True):
            if isinstance(value, Tensor):
                place.copy_(value)
            else:
                place.fill_(value)
        self.graph.replay()
        return self.out.clone()


@contextmanager
def _recording(graph: torch.cuda.CUDAGraph, pool: Any, stream: torch.cuda.Stream) -> Iterator[None]:
    # One at a time, since each begins by waiting for the device, which ends another thread's recording;
    # all else that threads do with the device they may do meanwhile.
    with (
        _ALONE,
        torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"),
    ):
        yield
