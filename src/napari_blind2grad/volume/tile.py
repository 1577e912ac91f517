"""The result of one tile, from the image around it: :class:`Tiles`."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..config import Config
from ..dtypes import to_dtype
from ..engine import device as devices
from ..engine.collaborate import DEPTH
from ..engine.gradient import edge_strength
from ..engine.masks import detail_strength
from ..engine.network import UNet, build
from ..engine.noise import Line, NoiseCurve, told
from ..engine.normalize import IntensityMap
from ..engine.output import in_image_units, output_dtype
from ..engine.predict import Mean, Predictor
from ..engine.refine import Passing, refine
from ..engine.stack import Planes
from ..engine.standout import edge_gate
from ..engine.training import SCALE, seed_of
from ..engine.warm import Trained, Warm, Weights
from ..events import Array
from .geometry import CHUNK, Reach
from .plan import NetworkFacts, Plan, Span, Tile
from .planes import as_context, one_plane, read_planes, seen_with
from .source import Source

#: Yields the share of the tile that is done, and returns its pixels.
Steps = Generator[float, None, Array]


class Tiles:
    """Makes the tiles of a plan, one after another.

    Parameters
    ----------
    state, plan, source
        As in :func:`~napari_blind2grad.volume.predict_tile`.
    early
        Told of the finished planes of a tile while others of it are still being made.
    """

    def __init__(
        self,
        state: Warm,
        plan: Plan,
        source: Source,
        early: Callable[[Tile, Array], object] | None = None,
    ) -> None:
        self.early = early
        self.state = state
        self.plan = plan
        self.source = source
        self.device = devices.choose_device(plan.config.device)
        self.dtype = devices.choose_dtype(plan.config.precision, self.device)
        self.values = output_dtype(source.dtype, plan.config)
        self._ready: dict[int, _Network] = {}

    def steps(self, tile: Tile) -> Steps:
        """Make `tile`, step by step."""
        network = self._network(tile)
        if network is None:
            spans = [slice(*span) for span in (tile.z, tile.y, tile.x)]
            return to_dtype(self.source.read(tile.c, tile.t, *spans, alpha=True), self.values)
        column = _Column(self, network, tile)
        samples = self.plan.canonical[3] + self.source.has_alpha
        out = np.empty((tile.shape[0], samples, *tile.shape[1:]), self.values)
        yield from column.fill(out)
        return out

    def reads(self, tile: Tile) -> tuple[Span, Span, Span]:
        """Return the part of the image along Z, Y and X that `tile` is made from."""
        network = self._network(tile)
        if network is None:
            return tile.z, tile.y, tile.x
        reach, (_, _, depth, _, height, width) = network.reach, self.plan.canonical
        far = reach.planes + reach.context
        sides = reach.guided(tile.y, height), reach.guided(tile.x, width)
        spans = ((tile.z[0] - far, tile.z[1] + far), *sides)
        lengths = depth, height, width
        z, y, x = ((max(0, a), min(b, n)) for (a, b), n in zip(spans, lengths, strict=True))
        return z, y, x

    def _network(self, tile: Tile) -> _Network | None:
        """Return the network of the channel of `tile`; None if it has none."""
        facts = next((n for n in self.plan.networks if tile.c in n.channels), None)
        if facts is None:
            return None
        if facts.number not in self._ready:
            self._ready[facts.number] = _Network(self, facts)
        return self._ready[facts.number]


class _Network:
    """One network, ready to predict, with what it needs to know."""

    def __init__(self, tiles: Tiles, facts: NetworkFacts) -> None:
        found = tiles.state.networks[facts.number]
        assert found is not None
        config, device = tiles.plan.config, tiles.device
        self.facts = facts
        self.found: Trained = found
        self.seed = seed_of(config, facts.number)
        self.noise = NoiseCurve(
            torch.tensor(facts.levels, dtype=torch.float32, device=device),
            torch.tensor(facts.variances, dtype=torch.float32, device=device),
            known=Line(*facts.known) if facts.known else None,
            spectra={
                side: torch.tensor(waves, dtype=torch.float32, device=device)
                for side, waves in facts.spectra
            },
        )
        # Masks and gates that know details come from the guide; without either it is of no use.
        wanted = config.mask == "dual" or config.stochastic
        samples = tiles.plan.canonical[3]
        self.final = self._built(found.weights, samples, config, device)
        self.guide = None
        if found.guide is not None and wanted:
            self.guide = self._built(found.guide, samples, config, device)
        self.reach = Reach.of(
            self.final,
            config,
            found.context,
            guided=self.guide is not None,
            known=facts.known is not None,
        )

    def _built(self, weights: Weights, samples: int, config: Config, device: torch.device) -> UNet:
        network = build(samples, 2 * self.found.context * samples, config, 0)
        network.load_state_dict(dict(weights))
        network.standardise(self.found.center, self.found.spread)
        network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        network.eval()
        return network

    def number(self, tile: Tile, z: int, shape: tuple[int, ...]) -> int:
        """Return the running number of a plane among those of the network."""
        return (self.facts.channels.index(tile.c) * shape[1] + tile.t) * shape[2] + z


class _Column:
    """Predicts the planes of one tile in order, with no more of them in memory than must be."""

    def __init__(self, tiles: Tiles, network: _Network, tile: Tile) -> None:
        self.tiles, self.network, self.tile = tiles, network, tile
        self.config = tiles.plan.config
        self.shape = tiles.plan.canonical
        self.intensity = IntensityMap(*tiles.plan.maps[tile.c])
        reach, (height, width) = network.reach, self.shape[4:]
        self.predicted = reach.predicted(tile.y, height), reach.predicted(tile.x, width)
        self.read = reach.guided(tile.y, height), reach.guided(tile.x, width)
        # What is filtered: the result with what its blocks reach, without padding.
        self.kept: tuple[Span, Span] = tuple(  # type: ignore[assignment]
            (max(0, a - reach.refine), min(n, b + reach.refine))
            for (a, b), n in ((tile.y, height), (tile.x, width))
        )
        self._seen: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        self._passing: list[Passing] = []
        self._predictors: dict[UNet, Predictor] = {}
        self.noise = told(network.noise, self.config, self.intensity)

    def fill(self, out: Array) -> Generator[float, None, None]:
        """Fill `out` (Z, S, Y, X) and yield the share that is done."""
        reach, (first, last), depth = self.network.reach, self.tile.z, self.shape[2]
        low, high = max(0, first - reach.planes), min(depth, last + reach.planes)
        steps = (self.config.passes + 1) * (high - low)
        ready = low
        for start in range(low, high, CHUNK):
            stop = min(start + CHUNK, high)
            chunk = []
            for z in range(start, stop):
                chunk.append((yield from self._plane(z, steps)))  # noqa: PERF401 (no yield in those)
            noisy, final = (torch.stack([p[i] for p in chunk]) for i in (0, 1))  # (K, S, h, w)
            del chunk
            if reach.refine:
                final = self._refined(noisy, final, last=stop == high)
            span = max(ready, first), min(ready + len(final), last)
            if span[0] < span[1]:
                slab = out[span[0] - first : span[1] - first]
                self._put(slab, final[span[0] - ready : span[1] - ready], span)
                if self.tiles.early is not None:
                    self.tiles.early(replace(self.tile, z=span), slab)
            ready += len(final)

    def _put(self, out: Array, final: Tensor, z: Span) -> None:
        """Put the tile's part of finished planes (K, S, h, w) into `out` (K, S, Y, X), in image units."""
        source, tile = self.tiles.source, self.tile
        samples = final.shape[1]
        raw: Array = np.broadcast_to(np.zeros((), source.dtype), out.shape)
        if source.dtype.kind == "f" or source.has_alpha:  # what is not denoised is kept
            raw = source.read(tile.c, tile.t, slice(*z), slice(*tile.y), slice(*tile.x), alpha=True)
        values = self._inner(final, self.kept, (tile.y, tile.x)).cpu().numpy()
        for i, plane in enumerate(values):
            out[i, :samples] = in_image_units(
                plane, raw[i, :samples], self.intensity, self.tiles.values
            )
        out[:, samples:] = to_dtype(raw[:, samples:], self.tiles.values)

    def _refined(self, noisy: Tensor, final: Tensor, *, last: bool) -> Tensor:
        """Return the planes (K, S, h, w) that are ready, filtered as the engine's run does.

        Stacks are filtered along Z, where planes wait for those behind them, and others in all samples.
        """
        origin, share = (self.kept[0][0], self.kept[1][0]), self.network.facts.own
        if self.network.reach.context and self.shape[2] >= DEPTH:
            if not self._passing:
                samples = range(final.shape[1])
                self._passing = [Passing(self.noise, origin, share) for _ in samples]
            parts = [
                passing.add(noisy[:, s], final[:, s], last=last)
                for s, passing in enumerate(self._passing)
            ]
            return torch.stack(parts, 1)
        refined = torch.empty_like(final)
        every: list[Any] = [*range(len(final))]
        if self.network.reach.context:
            every = [(slice(None), s) for s in range(final.shape[1])]
        for part in every:
            pilot = final[part].contiguous()
            target = torch.empty_like(pilot)
            for _ in refine(noisy[part].contiguous(), pilot, self.noise, target, origin, share):
                pass
            refined[part] = target
        return refined

    def _plane(self, z: int, total: int) -> Generator[float, None, tuple[Tensor, Tensor]]:
        """Return plane `z`, noisy and denoised, in the kept region: shapes (S, h, w)."""
        network, config = self.network, self.config
        planes = self._planes(z)
        detail = torch.zeros_like(planes.valid)
        gate = torch.zeros_like(detail)
        if network.guide is not None:
            medium = self._predictor(network.guide, planes).forward(0, None).contiguous()
            strength = detail_strength(
                planes.noisy, planes.valid, medium, self.noise, config.detail
            )
            detail = strength >= config.eps_g / SCALE
            gate = edge_gate(edge_strength(medium), config.eps_s / SCALE)[:, None]
            yield 1 / total
        planes = self._cut(planes)
        detail, gate = (self._inner(m, self.read, self.predicted) for m in (detail, gate))
        edges = gate.float() if config.stochastic else None
        share = None
        if config.mask == "dual":
            share = network.facts.shares[network.facts.channels.index(self.tile.c)]
        predictor = self._predictor(network.final, planes)
        passes = Mean(planes.noisy, self.noise, config)
        for turn in range(config.passes):
            passes.add(*predictor.masked(0, turn, detail, edges, share))
            yield 1 / total
        mean = passes.value()
        noisy = torch.where(planes.valid, planes.noisy, mean)
        shown = [self._inner(m, self.predicted, self.kept)[0].clone() for m in (noisy, mean)]
        return shown[0], shown[1]

    def _predictor(self, network: UNet, planes: Planes) -> Predictor:
        found = self._predictors.get(network)
        if found is None:
            dtype, seed = self.tiles.dtype, self.network.seed
            found = self._predictors[network] = Predictor(network, planes, self.config, dtype, seed)
        # All planes of a tile lie alike, so that what was recorded for one serves all.
        found.planes = planes
        return found

    @staticmethod
    def _inner(image: Tensor, outer: tuple[Span, Span], inner: tuple[Span, Span]) -> Tensor:
        rows, columns = (slice(b[0] - a[0], b[1] - a[0]) for a, b in zip(outer, inner, strict=True))
        return image[..., rows, columns]

    def _planes(self, z: int) -> Planes:
        context = self.network.reach.context
        wanted = seen_with(z, self.shape[2], context)
        near = range(max(0, z - context), min(self.shape[2], z + context + 1))
        self._seen = {n: seen for n, seen in self._seen.items() if n in near}
        missing = [n for n in {z, *wanted} if n not in self._seen]
        for n in sorted(missing):
            values, valid = (
                part.to(self.tiles.device)
                for part in read_planes(
                    self.tiles.source,
                    self.intensity,
                    (self.tile.c, self.tile.t),
                    (n, n + 1),
                    *self.read,
                )
            )
            self._seen[n] = values, valid, as_context(values, valid) if context else values
        values, valid, _ = self._seen[z]
        return one_plane(
            values,
            valid,
            [self._seen[n][2][0] for n in wanted],
            (self.tile.c, self.tile.t, z),
            self.network.number(self.tile, z, self.shape),
            (self.read[0][0], self.read[1][0]),
        )

    def _cut(self, planes: Planes) -> Planes:
        """Return the part of `planes` that the passes see."""
        if self.read == self.predicted:
            return planes
        noisy, valid, context = (
            self._inner(part, self.read, self.predicted)
            for part in (planes.noisy, planes.valid, planes.context)
        )
        return Planes(
            noisy=noisy,
            valid=valid,
            neighbours=planes.neighbours,
            context=context,
            index=planes.index,
            height=noisy.shape[-2],
            width=noisy.shape[-1],
            numbers=planes.numbers,
            origin=(self.predicted[0][0], self.predicted[1][0]),
        )
