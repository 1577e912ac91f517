"""The runs behind a volume: the engine's own, on a sample of it, and without its prediction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import Tensor

from ..config import Config
from ..engine.apply import Application, Intensity, check_fit
from ..engine.network import multiple
from ..engine.output import Where
from ..engine.run import Run
from ..engine.snapshot import Snapshot, capture, settled
from ..engine.stack import Planes, Stack
from ..engine.told import Events
from ..engine.warm import Warm
from ..events import Event, Progress, Started
from .plan import NetworkFacts, Tile, nested
from .sample import Sample, survey
from .source import Source


@dataclass(frozen=True)
class Looked:
    """An image that was looked at: `sample` is None where it is small enough to be held."""

    source: Source
    stack: Stack
    sample: Sample | None


def look(source: Source, config: Config) -> Looked:
    """Return what :func:`~napari_blind2grad.volume.sample.survey` says of an image."""
    return Looked(source, *survey(source, config))


class _OnSample(Run):
    """A run on a sample that ends where it would predict.

    Attributes
    ----------
    facts
        What predictions need to know of each network, beside its weights.
    last
        The last progress.
    held
        The snapshot at the end of the training, if snapshots are kept.
    """

    looked: Looked
    facts: list[NetworkFacts]
    later: Callable[[list[int], Config], float]
    last: Progress
    held: Snapshot | None = None

    @property
    def networks(self) -> Warm:
        """The trained networks."""
        return self._state()

    def tile_work(self, tile: Tile) -> float:
        """Return the work of `tile`, in the clock's units."""
        _, t, z, _, y, x = self.looked.source.shape
        return self.later([tile.c], self.config) * tile.pixels / (t * z * y * x)

    def told(self) -> Progress:
        """Return how far the tiles are."""
        clock = self.clock
        return replace(
            self.last, fraction=clock.fraction, seconds=clock.seconds, remaining=clock.remaining
        )

    def _load(self, channels: list[int], config: Config) -> Planes:
        looked = self.looked
        if looked.sample is None:
            return super()._load(channels, config)
        return looked.sample.load(
            looked.source, self.stack.maps, channels, config, self.device, multiple(config)
        )

    def _number(self) -> int:
        return self.group

    def _predict(self) -> Events:
        training = self.training
        channels, line = self.groups[self.group], training.noise.known
        self.facts.append(
            NetworkFacts(
                number=self._number(),
                channels=tuple(channels),
                levels=tuple(training.noise.levels.tolist()),
                variances=tuple(training.noise.variances.tolist()),
                spectra=tuple(
                    (side, nested(w.tolist())) for side, w in training.noise.spectra.items()
                ),
                shares=tuple(training.share(c) for c in channels),
                own=self.network_share(),
                known=(line.gain, line.offset, line.least) if line else None,
            )
        )
        if self.keep is not None and self.group == len(self.groups) - 1 and not self.stopped:
            self.held = settled(capture(self))
        yield from ()

    def places(self, group: int) -> list[Where]:  # noqa: ARG002
        """Return none: tiles go elsewhere."""
        return []

    def own_numbers(self) -> dict[str, Any]:
        """Return the facts of the networks before this one."""
        return {"facts": [asdict(facts) for facts in self.facts[: self.group]]}

    def take_numbers(self, numbers: Mapping[str, Any]) -> None:
        """Take back what :meth:`own_numbers` returned."""
        self.facts = [NetworkFacts.of(facts) for facts in numbers["facts"]]

    def _show(  # planes of a sample are nothing to look at
        self,
        plane: int,  # noqa: ARG002
        estimate: Tensor,  # noqa: ARG002
        *,
        maps: bool = False,  # noqa: ARG002
        final: bool = False,  # noqa: ARG002
    ) -> Event:
        return self._progress("train", fetch=False)

    def _end(self, started: Started) -> Events:  # noqa: ARG002
        done = self.steps_before
        told = self._progress("predict", fetch=False)
        self.last = replace(told, iteration=done, iterations=done)
        del self.training  # with all that it holds
        yield from ()

    def _started(self) -> Started:
        shape, axes = self.looked.source.shape, self.looked.source.axes
        return replace(
            super()._started(),
            shape=axes.shape,
            axes=axes.letters,
            planes=shape[0] * shape[1] * shape[2],
        )

    def _work(self) -> float:
        pixels = self.training.planes.noisy[:, 0].numel() * len(self.groups)
        each = pixels * self._refreshes()
        busy = [c for group in self.groups for c in group]
        return self.iterations() * self.training.work + each + self.later(busy, self.config)

    def _refreshes(self) -> int:
        return self.config.cycles - 1


class Learning(_OnSample):
    """Trains the networks of a volume."""

    def __init__(
        self,
        looked: Looked,
        config: Config,
        should_stop: Callable[[], bool],
        warm: Warm | None,
        later: Callable[[list[int], Config], float],
    ) -> None:
        self.looked, self.facts, self.later = looked, [], later
        super().__init__(looked.stack, config, should_stop, dict, warm, previews=False)


class Applying(_OnSample, Application):
    """Finds out what trained networks need to know of another volume."""

    def __init__(
        self,
        looked: Looked,
        state: Warm,
        config: Config,
        intensity: Intensity,
        should_stop: Callable[[], bool],
        later: Callable[[list[int], Config], float],
    ) -> None:
        self.looked, self.facts, self.later = looked, [], later
        check_fit(state, looked.source.shape, config)
        super().__init__(state, looked.stack, config, intensity, should_stop, dict)

    def _number(self) -> int:
        return self._network()[0]

    def _refreshes(self) -> int:
        return 1
