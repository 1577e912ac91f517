"""T-standout: dropout that spares neurons on edges (eq. 3.11)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


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
        keep = self._bytes(features) >= threshold  # (B, C, y, x)
        scale = features.new_full((1, 1, 1, 1), 256 / (256 - threshold))
        if self.gate is not None:
            # A neuron at a coarse scale is protected if any pixel below it lies on an edge.
            gate = F.adaptive_max_pool2d(self.gate, features.shape[-2:]) > 0  # (B, 1, y, x)
            keep = keep | gate
            scale = torch.where(gate, torch.ones_like(scale), scale)
        return features * (keep * scale)

    def _bytes(self, features: Tensor) -> Tensor:
        # A byte for each neuron, eight from each draw: several times faster on a CPU than floats.
        count = -(-features.numel() // 8)
        draws = torch.empty(count, dtype=torch.int64, device=features.device)
        # The full range of 64 bits, so that all eight bytes are uniform.
        draws.random_(-(2**63), None, generator=self.generator)
        flat = draws.view(torch.uint8)[: features.numel()]
        b, c, y, x = features.shape
        return flat.view(b, y, x, c).permute(0, 3, 1, 2)  # channels-last, like the features
