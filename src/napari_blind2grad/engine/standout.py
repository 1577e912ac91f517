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
        if self.rate == 0.0:
            return features
        keep = torch.empty_like(features).bernoulli_(1.0 - self.rate, generator=self.generator)
        keep = keep / (1.0 - self.rate)  # (B, C, y, x)
        if self.gate is not None:
            # A neuron at a coarse scale is protected if any pixel below it lies on an edge.
            gate = F.adaptive_max_pool2d(self.gate, features.shape[-2:]).to(features.dtype)
            keep = keep + gate * (1.0 - keep)
        return features * keep
