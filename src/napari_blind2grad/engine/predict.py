"""Predictions: one plane under one mask, and the mean of many (section 5.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import Config
from .grids import cut, join
from .inputs import FILL_RADIUS, assemble
from .masks import (
    blind_probability,
    coordinate_key,
    coordinate_noise,
    even_scores,
    masks_drawn,
    uniform_blind,
)
from .network import UNet
from .noise import NoiseCurve
from .replay import Recorded
from .stack import Planes
from .standout import PlacedStandout, Standout
from .tiling import orient, orient_back, tiles

#: Sides of a tile's kept part: what fits a laptop's memory in one forward pass, and a GPU's.
_CORE = {"cpu": 768, "cuda": 2048, "mps": 1024}
#: Weight of a prediction that did not see the pixel, where the noise is known, against 1 of those that did.
_HIDDEN = 1e-3


def window(device: str, margin: int) -> int:
    """Return about the side of the largest part that is seen at once, by a network that reaches so far."""
    return max(largest(device), _CORE[device] + 2 * margin)


def overlap(device: str, margin: int) -> float:
    """Return how many times the pixels of a large plane are seen, by a network that reaches so far."""
    return (1.0 + 2.0 * margin / _CORE[device]) ** 2


def largest(device: str) -> int:
    """Return the side of the largest plane that is seen at once on a device of type `device`."""
    return _CORE[device] * 3 // 2


def mask_scores(planes: Planes, seed: int, plane: int, turn: int, samples: int = 1) -> Tensor:
    """Return uniform numbers for the mask of pass `turn` of one plane: shape (samples, H, W)."""
    return _scores(planes, _keys(planes, seed, plane, turn, samples))


def _keys(planes: Planes, seed: int, plane: int, turn: int, samples: int) -> Tensor:
    number = planes.number(plane)
    keys = [coordinate_key(seed, number, turn * 4 + s) for s in range(samples)]
    return torch.tensor(keys).to(planes.noisy.device, non_blocking=True)  # (S,)


def _scores(planes: Planes, keys: Tensor) -> Tensor:
    rows, columns = (
        torch.arange(first, first + n, device=keys.device)
        for first, n in zip(planes.origin, planes.noisy.shape[-2:], strict=True)
    )
    return torch.stack([coordinate_noise(key, rows, columns) for key in keys])  # (S, H, W)


class Mean:
    """The mean of predictions under fresh masks (section 5.1.1).

    Where the noise is known, it is known to be independent from pixel to pixel. Those predictions count then
    that saw the pixel itself, of which the last step makes more. An estimated noise may be correlated, which
    a network that sees the pixel takes for signal.

    Parameters
    ----------
    like
        A plane, shape (1, S, H, W).
    noise
        Its noise.
    config
        Whether there is a last step, and the distance of the pixels that a network sees together.
    """

    def __init__(self, like: Tensor, noise: NoiseCurve, config: Config) -> None:
        self._hidden = (
            _HIDDEN if config.refine and config.tap_distance == 1 and noise.known else 1.0
        )
        self._total = torch.zeros_like(like)
        self._weight = torch.zeros_like(like)

    def add(self, estimate: Tensor, keep: Tensor) -> None:
        """Take a prediction and its mask Ω, both of shape (1, S, H, W)."""
        weight = keep + self._hidden * (1.0 - keep)
        self._total.addcmul_(estimate, weight)
        self._weight += weight

    def value(self) -> Tensor:
        """Return the mean, shape (1, S, H, W)."""
        return self._total / self._weight


@dataclass
class Predictor:
    """Runs a network over whole planes.

    Attributes
    ----------
    network, planes, config
        What to run, on what, and how.
    dtype
        Type to compute in.
    seed
        Start of the masks of prediction.
    """

    network: UNet
    planes: Planes
    config: Config
    dtype: torch.dtype
    seed: int

    def __post_init__(self) -> None:
        self._drawn, self._shown = Recorded(), Recorded()

    def draw_keep(
        self, plane: int, turn: int, detail: Tensor, share: float | Tensor | None = None
    ) -> Tensor:
        """Return the keep-mask Ω of one stochastic pass: floats, shape (1, S, H, W).

        Parameters
        ----------
        plane, turn
            Numbers of the plane and of the pass.
        detail
            Its detail map, bool, shape (1, 1, H, W).
        share
            As in :func:`~napari_blind2grad.engine.masks.class_probabilities`.
        """
        samples = self.planes.noisy.shape[1]
        keys = _keys(self.planes, self.seed, plane, turn, masks_drawn(samples, self.config))
        if share is None:
            share = detail.float().mean()
        config = self.config
        setting = (config.mask, config.mask_rate, config.even, config.rho, self.planes.origin)
        keep = self._drawn(self._draw, detail, keys, share, setting=setting)
        return keep.expand(-1, samples, -1, -1)

    def _draw(self, detail: Tensor, keys: Tensor, share: Tensor | float) -> Tensor:
        distance = self.config.tap_distance
        scores = cut(_scores(self.planes, keys)[None], distance)  # (d², S, H / d, W / d)
        if self.config.mask == "uniform":
            blind = join(uniform_blind(scores, self.config.mask_rate), distance)
        else:
            if self.config.even:
                scores = even_scores(scores)
            rho = self.config.rho if self.config.mask == "dual" else 0.0
            chance = blind_probability(detail, self.config.mask_rate, rho, share)
            blind = join(scores, distance) < chance
        return (~blind).float()

    def masked(
        self, plane: int, turn: int, detail: Tensor, gate: Tensor | None, share: float | None
    ) -> tuple[Tensor, Tensor]:
        """Return one of the predictions under fresh masks whose :class:`Mean` is the denoised plane, and Ω.

        Parameters
        ----------
        plane, turn
            Numbers of the plane and of the pass, from 0.
        detail, share
            As in :meth:`draw_keep`.
        gate
            As in :meth:`forward`.
        """
        keep = self.draw_keep(plane, turn + 1, detail, share)
        return self.forward(plane, keep, turn % 8 if self.config.augment else 0, gate, turn), keep

    @torch.no_grad()
    def forward(
        self,
        plane: int,
        keep: Tensor | None,
        turn: int = 0,
        gate: Tensor | None = None,
        draw: int = 0,
    ) -> Tensor:
        """Return ``f(Ωy)`` of one plane.

        Parameters
        ----------
        plane
            Its number.
        keep
            Ω, floats, shape (1, S, H, W); None shows every pixel, ``f(y)``.
        turn
            Orientation in which the network sees the plane, 0 to 7.
        gate
            T-standout gate, floats, shape (1, 1, H, W); None switches T-standout off. Its draws depend
            on the seed, the plane and `draw` alone.
        draw
            Number of the pass.

        Returns
        -------
        Tensor
            float32, shape (1, S, H, W), in the network's units.
        """
        planes = self.planes
        noisy = planes.noisy[plane : plane + 1]
        visible = planes.valid[plane : plane + 1].float().expand_as(noisy)
        keep = visible if keep is None else keep * visible
        context = planes.context[planes.neighbours[plane]].flatten(0, 1)[None]  # (1, K·S, H, W)
        _, _, h, w = noisy.shape
        draws = (self.seed, planes.number(plane), draw)
        core = _CORE[noisy.device.type]
        out = torch.empty_like(noisy)
        if max(h, w) <= largest(noisy.device.type):
            return self._run(noisy, keep, context, turn, gate, draws, planes.origin)
        margin = (self.network.radius() + FILL_RADIUS) * self.config.tap_distance
        for tile in tiles(h, w, core, margin, self.network.multiple):
            o, i, t = ((..., *spans) for spans in tile)
            part = None if gate is None else gate[o]
            begins = [
                first + span.start for first, span in zip(planes.origin, tile.outer, strict=True)
            ]
            place = (begins[0], begins[1])
            out[t] = self._run(noisy[o], keep[o], context[o], turn, part, draws, place)[i]
        return out

    def _run(
        self,
        noisy: Tensor,
        keep: Tensor,
        context: Tensor,
        turn: int,
        gate: Tensor | None,
        draws: tuple[int, int, int],
        origin: tuple[int, int],
    ) -> Tensor:
        d = self.config.tap_distance
        grids = [orient(cut(part, d), turn) for part in (noisy, keep, context)]
        if gate is None:
            out = self._shown(self._show, *grids)
        else:
            place = (origin[0] // d, origin[1] // d)
            gates, rate, parts = cut(gate, d), self.config.dropout, []
            for i in range(len(gates)):  # each grid draws for itself
                standout = PlacedStandout(gates[i : i + 1], rate, (*draws, i), place, turn)
                y, seen, near = (part[i : i + 1] for part in grids)
                parts.append(self._show(y, seen, near, standout))
            out = torch.cat(parts)
        return join(orient_back(out, turn), d)

    def _show(
        self, noisy: Tensor, keep: Tensor, context: Tensor, standout: Standout | None = None
    ) -> Tensor:
        inputs = assemble(noisy, keep, context, self.config, self.network.center)
        training = self.network.training
        self.network.eval()
        with torch.autocast(noisy.device.type, self.dtype, enabled=self.dtype != torch.float32):
            out: Tensor = self.network(inputs.x, inputs.mask, inputs.filled, standout)
        self.network.train(training)
        return out.float()
