"""Volumes of any size: :func:`denoise_volume_iter` and :func:`apply_volume_iter`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..config import Config
from ..engine import device as devices
from ..engine.allocator import compact_heap
from ..engine.apply import Intensity
from ..engine.network import build
from ..engine.output import output_dtype
from ..engine.snapshot import Keep, Snapshot
from ..engine.warm import Warm
from ..errors import ConfigError, translated
from ..events import Floats, Progress, Started
from .geometry import MOST, Reach, choose_tile
from .here import make_here
from .learn import Applying, Learning, Looked, look
from .memory import budget, release
from .plan import Plan
from .sinks import Sink
from .source import Source
from .spread import spread
from .survival import Tally, earlier

if TYPE_CHECKING:
    from ..cluster import Executor

#: Least tiles for each worker, as far as they can be so small: else some would have nothing to do.
_EACH = 2


@dataclass(frozen=True)
class Planned:
    """The networks are ready, and the tiles follow: with `plan` and `state` each can be made anywhere."""

    plan: Plan
    state: Warm = field(repr=False, compare=False)


@dataclass(frozen=True)
class Finished:
    """Last event of a volume: a :class:`~napari_blind2grad.events.Result` without its arrays.

    Attributes
    ----------
    plan
        What was done; None if the run was stopped before.
    tiles
        How many of its tiles were made.
    """

    axes: str
    losses: Mapping[str, Floats]
    config: Config
    seed: int
    device: str
    version: str
    seconds: float
    iterations: int
    stopped: bool
    started: Started
    notes: tuple[str, ...]
    plan: Plan | None
    tiles: int
    state: Any = field(default=None, repr=False, compare=False)


VolumeEvent = Started | Progress | Planned | Finished
VolumeEvents = Generator[VolumeEvent, Config | None, None]


def denoise_volume_iter(
    image: Any,
    sink: Sink,
    axes: str | None = None,
    config: Config | None = None,
    *,
    tile: tuple[int, int, int] | None = None,
    should_stop: Callable[[], bool] | None = None,
    warm: Warm | None = None,
    keep: Keep | None = None,
    resume: Snapshot | None = None,
    executor: Executor | None = None,
) -> VolumeEvents:
    """Train on `image`, denoise it tile by tile into `sink`, and tell what goes on meanwhile.

    Images of more than :data:`~napari_blind2grad.sizes.WHOLE` values are never in memory as a whole: the
    network is trained on crops from all over them. The result does not depend on the tiles.

    Parameters
    ----------
    image, axes
        Any array that reads regions (NumPy, memory map, dask, zarr), and what its dimensions are.
    sink
        Takes the tiles.
    config
        Settings; the ``fast`` preset when None.
    tile
        Largest lengths of a tile along Z, Y and X; by the free memory when None.
    should_stop
        Polled all the time; once it returns true the run ends with the tiles that it has.
    warm
        As in :func:`~napari_blind2grad.denoise_iter`.
    keep, resume
        As in :func:`~napari_blind2grad.denoise_iter`; a snapshot is also taken after each tile. Tiles of an
        earlier process are made again, unless `sink` is a
        :class:`~napari_blind2grad.volume.sinks.LastingSink` that has them.
    executor
        Makes the tiles, if given, and has nothing else to do meanwhile; the training is done here. Each
        tile takes one CPU thread unless ``config.threads`` says otherwise.

    Yields
    ------
    VolumeEvent
        One :class:`~napari_blind2grad.events.Started`, then
        :class:`~napari_blind2grad.events.Progress` as they come, one :class:`Planned` between training and
        tiles, and one :class:`Finished` at the end. Sending a :class:`~napari_blind2grad.config.Config` in
        answer changes the live settings of the training, as with :func:`~napari_blind2grad.denoise_iter`.

    Raises
    ------
    ConfigError, InputError
        If a setting or the image cannot be used.
    OutOfMemory, EngineError
        If the computation fails.
    """
    config = config or Config()
    stop = should_stop or _never
    with translated(), devices.computing(config.threads):
        looked = look(Source.of(image, axes), config)
        later = _later(looked.source)
        run = Learning(looked, config, stop, warm, later)
        run.keep, run.resume = keep, resume
        yield from _events(run, looked, sink, tile, stop, executor)


def apply_volume_iter(
    state: Warm,
    image: Any,
    sink: Sink,
    axes: str | None = None,
    config: Config | None = None,
    *,
    intensity: Intensity = "model",
    tile: tuple[int, int, int] | None = None,
    should_stop: Callable[[], bool] | None = None,
    executor: Executor | None = None,
) -> VolumeEvents:
    """Denoise `image` tile by tile with networks that are trained already.

    On the image that they were trained on, with the same settings, the result is that of the run.

    Parameters
    ----------
    state, intensity
        As in :func:`~napari_blind2grad.engine.apply.apply_iter`.
    image, sink, axes, config, tile, should_stop, executor
        As in :func:`denoise_volume_iter`.

    Yields
    ------
    VolumeEvent
        As :func:`denoise_volume_iter`, with 0 iterations.

    Raises
    ------
    InputError
        If the image cannot be used, or not by these networks.
    ConfigError, OutOfMemory, EngineError
        As :func:`denoise_volume_iter`.
    """
    config = config or Config()
    stop = should_stop or _never
    with translated(), devices.computing(config.threads):
        looked = look(Source.of(image, axes), config)
        run = Applying(looked, state, config, intensity, stop, _later(looked.source))
        yield from _events(run, looked, sink, tile, stop, executor)


def _never() -> bool:
    return False


def _later(source: Source) -> Callable[[list[int], Config], float]:
    """Return what tells the work of the tiles, in the clock's units."""

    def later(channels: list[int], config: Config) -> float:
        _, t, z, _, y, x = source.shape
        return float(len(channels) * t * z * y * x * (config.passes + 1 + config.refine))

    return later


def _events(
    run: Learning | Applying,
    looked: Looked,
    sink: Sink,
    tile: tuple[int, int, int] | None,
    stop: Callable[[], bool],
    executor: Executor | None,
) -> VolumeEvents:
    resume = run.resume
    events = run.events()
    answer: Config | None = None
    with suppress(StopIteration):
        while True:
            event = events.send(answer)
            answer = None
            if isinstance(event, Started):
                started = event
            if isinstance(event, Started | Progress):
                answer = yield event
    source, notes = looked.source, list(run.notes)
    stopped, done, plan = run.stopped, 0, None
    if run.facts and not stopped:
        release(run.device, cycles=started.iterations > 0)  # the training's
        plan = _plan(run, source, tile, executor)
        found = earlier(resume, plan, sink, notes) if resume is not None else None
        plan, before = found or (plan, set())
        tally = Tally(plan, sink, run.keep, run.held, before)
        tally.store(run.clock.seconds, run.clock.done)
        yield Planned(plan, run.networks)
        with compact_heap():
            if executor is None:
                whole = yield from make_here(run, tally, source, notes, stop)
            else:
                whole = yield from spread(run, tally, source, executor, notes, stop)
        stopped, done = not whole, len(tally.done)
        release(run.device, cycles=False)
    losses = np.concatenate(run.losses) if run.losses else np.zeros((0, 3), np.float32)
    yield Finished(
        axes=source.axes.letters,
        losses={name: losses[:, i] for i, name in enumerate(("loss", "content", "deviation"))},
        config=run.config,
        seed=run.config.seed,
        device=started.device,
        version=__version__,
        seconds=run.clock.seconds,
        iterations=run.steps_before,
        stopped=stopped,
        started=started,
        notes=tuple(dict.fromkeys(notes)),
        plan=plan,
        tiles=done,
        state=run.networks,
    )


def _plan(
    run: Learning | Applying,
    source: Source,
    tile: tuple[int, int, int] | None,
    executor: Executor | None,
) -> Plan:
    config, shape = run.informed, source.shape
    if tile is None:
        contexts = [n.context for n in run.networks.networks if n is not None]
        context = max(contexts)
        network = build(shape[3], 2 * context * shape[3], config, 0)
        guided = any(n is not None and n.guide is not None for n in run.networks.networks)
        known = any(facts.known for facts in run.facts)
        reach = Reach.of(network, config, context, guided=guided, known=known)
        size = output_dtype(source.dtype, config).itemsize
        room, most = budget(run.device), MOST
        if executor is not None:  # a tile of each at once, and enough for all
            room //= max(1, executor.here)
            most = min(most, source.voxels // (_EACH * executor.workers))
        tile = choose_tile(shape, reach, config, room, size, most)
    elif min(tile) < 1:
        raise ConfigError(f"A tile of {tile} holds nothing: all its lengths must be at least 1.")
    return Plan(
        shape=source.axes.shape,
        axes=source.axes.letters,
        dtype=str(source.dtype),
        config=config,
        maps=tuple((m.low, m.scale) for m in run.stack.maps),
        networks=tuple(run.facts),
        tile=tile,
    )
