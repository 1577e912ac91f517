"""Training steps as one CUDA graph.

A step of a small network is some hundred kernels that a GPU runs in less time than Python takes to start
them. Recorded once and replayed as a whole, they follow each other without a gap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

#: A step: takes the learning rate, a number or a scalar on the device, and returns the losses.
Step = Callable[["float | Tensor"], Tensor]

#: Steps before one is recorded: they make what the library makes once, such as an optimiser's state.
_WARM = 2
#: Steps after which the host looks at the device, and how many looks it may be behind: a setting that changes
#: acts after so many steps.
_LOOK, _LOOKS = 8, 4


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
        self._stream = torch.cuda.Stream(generator.device)
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
        # The window's thread may use the device meanwhile.
        with torch.cuda.graph(
            graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
        ):
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
