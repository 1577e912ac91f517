"""T-standout: dropout that spares neurons on edges (eq. 3.11)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .masks import coordinate_bits, coordinate_key
from .tiling import orient


def edge_gate(strength: Tensor, eps_s: float) -> Tensor:
    """Return η: true where ``|∇f| ≥ ε_s``, so that the neuron may not be dropped (eq. 3.11)."""
    return strength >= eps_s


class Standout:
    """One draw of T-standout for one forward pass, at every scale of the decoder.

    Parameters
    ----------
    gate
        η as floats 0 or 1, shape (B, 1, Y, X); None drops everywhere alike.
    rate
        Chance that an unprotected neuron is dropped, 0 to below 1.
    generator
        Source of the draws, on the device of the features.
    """

    def __init__(self, gate: Tensor | None, rate: float, generator: torch.Generator) -> None:
        self.gate = gate
        self.rate = rate
        self.generator = generator

    def __call__(self, features: Tensor) -> Tensor:
        """Return `features` (B, C, y, x) with unprotected neurons dropped, the mean kept."""
        threshold = round(256 * self.rate)
        if threshold == 0:
            return features
        scale = features.new_full((1, 1, 1, 1), 256 / (256 - threshold))
        if self.gate is None:
            return features * ((self._bytes(features) >= threshold) * scale)
        # A neuron at a coarse scale is protected if any pixel below it lies on an edge.
        gate = (
            F.max_pool2d(self.gate, self.gate.shape[-1] // features.shape[-1]) > 0
        )  # (B, 1, y, x)
        least = (~gate).to(torch.uint8) * threshold
        keep = self._bytes(features) >= least  # (B, C, y, x)
        return features * (keep * torch.where(gate, torch.ones_like(scale), scale))

    def _bytes(self, features: Tensor) -> Tensor:
        # A byte for each neuron, eight from each draw: several times faster on a CPU than floats.
        count = -(-features.numel() // 8)
        draws = torch.empty(count, dtype=torch.int64, device=features.device)
        # The full range of 64 bits, so that all eight bytes are uniform.
        draws.random_(-(2**63), None, generator=self.generator)
        flat = draws.view(torch.uint8)[: features.numel()]
        b, c, y, x = features.shape
        return flat.view(b, y, x, c).permute(0, 3, 1, 2)  # channels-last, like the features


class PlacedStandout(Standout):
    """T-standout of a prediction: its draws depend on the places of the neurons, not on the tile they are in.

    Parameters
    ----------
    gate
        η as floats 0 or 1, shape (1, 1, Y, X), as the plane lies; it is brought into the orientation `turn`.
    rate
        As in :class:`Standout`.
    draws
        Seed, running number of the plane, of the pass, and of the grid (0 to 15).
    origin
        Row and column of the whole plane at which the gate begins, multiples of what the network needs.
    turn
        Orientation in which the network sees the plane, 0 to 7.
    """

    def __init__(
        self,
        gate: Tensor,
        rate: float,
        draws: tuple[int, int, int, int],
        origin: tuple[int, int],
        turn: int,
    ) -> None:
        self.gate = orient(gate, turn)
        self.rate = rate
        self.draws = draws
        self.origin = origin
        self.turn = turn
        self._layer = 0

    def _bytes(self, features: Tensor) -> Tensor:
        assert self.gate is not None
        self._layer += 1
        _, channels, *sides = features.shape
        step = self.gate.shape[-1] // sides[1]  # pixels per neuron
        sides = sides[::-1] if self.turn & 4 else sides
        rows, columns = (
            torch.arange(first // step, first // step + n, device=features.device)
            for first, n in zip(self.origin, sides, strict=True)
        )
        seed, plane, draw, grid = self.draws
        parts = []
        for group in range(-(-channels // 4)):  # four bytes from each draw
            turn = (draw << 20) + (self._layer << 12) + (grid << 8) + group + 1
            key = coordinate_key(seed + 1, plane, turn)
            bits = coordinate_bits(key, rows, columns)  # (y, x)
            parts += [(bits >> (8 * k) & 0xFF).to(torch.uint8) for k in range(4)]
        return orient(torch.stack(parts[:channels]), self.turn)[None]
