"""Training steps and predictions as CUDA graphs.

A step of a small network is some hundred kernels that a GPU runs in less time than Python takes to start
them. Recorded once and replayed as a whole, they follow each other without a gap.
"""

from __future__ import annotations

import gc
import weakref
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple

import torch
from torch import Tensor

#: A step: takes the learning rate, a number or a scalar on the device, and returns the losses.
Step = Callable[["float | Tensor"], Tensor]

#: Steps before one is recorded: they make what the library makes once, such as an optimiser's state.
_WARM = 2
#: Steps after which the host looks at the device, and how many looks it may be behind: a setting that changes
#: acts after so many steps.
_LOOK, _LOOKS = 8, 4
#: Most pixels of a step, and values of a function's argument, that are recorded: beyond, the device is busy
#: anyway, and a recording holds all that its kernels need.
_PIXELS, _VALUES = 1 << 19, 1 << 20
#: Recordings of a function that are kept.
_KEPT = 8
#: Held while something is recorded. To wait for the device, or to give memory back to it, ends a recording
#: that another thread makes.
RECORDING = Lock()
#: Streams that nothing uses. PyTorch has but 32, and its libraries keep memory for each.
_free: dict[torch.device, list[torch.cuda.Stream]] = {}


def records(device: torch.device, pixels: int = 0) -> bool:
    """Return whether work on `device` is recorded: on Nvidia's alone, as others were not tried.

    Parameters
    ----------
    device
        Where it is done.
    pixels
        Of one training step.
    """
    return device.type == "cuda" and torch.version.hip is None and pixels <= _PIXELS


class _Recorder:
    """A stream and a pool of memory to record in."""

    def __init__(self, device: torch.device) -> None:
        free = _free.setdefault(device, [])
        # Recorded work must not run on the default stream, nor what comes before it in the same places.
        self.stream = free.pop() if free else torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.pool = torch.cuda.graph_pool_handle()
        weakref.finalize(self, free.append, self.stream).atexit = False

    @contextmanager
    def recording(self, graph: torch.cuda.CUDAGraph) -> Iterator[None]:
        """Record what the block does into `graph`."""
        collects = gc.isenabled()
        with (
            RECORDING,
            torch.cuda.device(self.stream.device),
            torch.cuda.graph(
                graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"
            ),
        ):
            gc.disable()  # what it would delete may be a graph, which ends this one
            try:
                yield
            finally:
                if collects:
                    gc.enable()


class Replay:
    """Runs a training step: as it is at first, then from a recording.

    Parameters
    ----------
    generator
        Source of the step's random numbers, on the device.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator
        self._rate = torch.zeros((), device=generator.device)
        self._recorder = _Recorder(generator.device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._losses: Tensor | None = None
        self._warm = _WARM
        self._able = True
        self._count = 0
        self._looks: deque[torch.cuda.Event] = deque()

    def __call__(self, step: Step, rate: float) -> Tensor:
        """Train once with the learning rate `rate`; return the losses, shape (3,).

        Parameters
        ----------
        step
            The same each time. It must neither wait for the device nor take anything from the host that
            changes, but for the learning rate; after such a change, :meth:`forget`.
        rate
            The learning rate.
        """
        if self._warm or not self._able:
            self._warm = max(0, self._warm - 1)
            return self._as_it_is(step, rate)
        if self._graph is None:
            self._record(step)
            if self._graph is None:
                return self._as_it_is(step, rate)
        self._rate.fill_(rate)
        self._graph.replay()
        self._look()
        assert self._losses is not None
        return self._losses.clone()

    def forget(self) -> None:
        """Record anew: the step has changed."""
        self._graph, self._losses, self._warm = None, None, max(1, self._warm)

    def _as_it_is(self, step: Step, rate: float) -> Tensor:
        stream = self._recorder.stream
        here = torch.cuda.current_stream(stream.device)
        stream.wait_stream(here)
        with torch.cuda.stream(stream):
            losses = step(rate)
        here.wait_stream(stream)
        return losses

    def _record(self, step: Step) -> None:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        try:
            with self._recorder.recording(graph):
                self._losses = step(self._rate)
        except (
            torch.cuda.OutOfMemoryError
        ):  # a recording holds what steps one by one share with others
            self._able = False
        else:
            self._graph = graph

    def _look(self) -> None:
        """Let the host not run too far ahead of the device."""
        self._count += 1
        if self._count % _LOOK:
            return
        here = torch.cuda.current_stream(self._recorder.stream.device)
        self._looks.append(here.record_event())
        if len(self._looks) > _LOOKS:
            self._looks.popleft().synchronize()


class Recorded:
    """Runs a function of tensors: as it is on a CPU, and from recordings on a CUDA device."""

    def __init__(self) -> None:
        self._found: dict[Hashable, _Recording | None] = {}
        self._recorder: _Recorder | None = None

    def __call__(
        self,
        function: Callable[..., Tensor],
        *values: Tensor | float,
        setting: Hashable = None,
    ) -> Tensor:
        """Return what `function` makes of `values`.

        Parameters
        ----------
        function
            The same each time: takes tensors and numbers and returns a tensor, without gradients. It must
            neither wait for the device nor draw random numbers.
        values
            The first is a tensor; all are on one device.
        setting
            All else that the result depends on, and that may change.
        """
        first = values[0]
        assert isinstance(first, Tensor)
        most = max(v.numel() for v in values if isinstance(v, Tensor))
        if most > _VALUES or not records(first.device):
            return function(*values)
        key = (setting, *(v.shape if isinstance(v, Tensor) else None for v in values))
        if key not in self._found:  # what the library makes once is made now
            self._found[key] = None
            return function(*values)
        recording = self._found.pop(key) or self._record(function, values)
        self._found[key] = recording  # the last one again
        if len(self._found) > _KEPT:
            del self._found[next(iter(self._found))]
        return recording.play(values)

    def _record(
        self, function: Callable[..., Tensor], values: tuple[Tensor | float, ...]
    ) -> _Recording:
        first = values[0]
        assert isinstance(first, Tensor)
        if self._recorder is None:
            self._recorder = _Recorder(first.device)
        places = [torch.as_tensor(v, device=first.device).clone() for v in values]
        graph = torch.cuda.CUDAGraph()
        with self._recorder.recording(graph):
            out = function(*places)
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
