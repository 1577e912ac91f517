"""Trained networks, kept in memory to go on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

#: Where in its schedule the learning rate of a continued run begins: the network has learnt most already, and
#: the full rate would undo it.
LATE = 0.6

Weights = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Warm:
    """The networks of a run, in its order; opaque to whoever carries it from a Result to the next run.

    Attributes
    ----------
    networks
        Weights on the CPU; None for a network that was not trained.
    """

    networks: tuple[Weights | None, ...]

    def into(self, group: int, network: nn.Module) -> bool:
        """Load the weights of network number `group` into `network`; return whether they fit."""
        weights = self.networks[group] if group < len(self.networks) else None
        if weights is None:
            return False
        shapes = {name: value.shape for name, value in network.state_dict().items()}
        if {name: value.shape for name, value in weights.items()} != shapes:
            return False
        network.load_state_dict(dict(weights))
        return True


def weights_of(network: nn.Module) -> Weights:
    """Return a copy of the weights of `network`, on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
