"""Trained networks, in memory: to go on from, to save, and to apply to other images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from .normalize import IntensityMap

if TYPE_CHECKING:
    from ..config import Config
    from .network import UNet
    from .training import Training

#: Where in its schedule the learning rate of a continued run begins: the network has learnt most already, and
#: the full rate would undo it.
LATE = 0.6

Weights = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Trained:
    """One trained network, and what its predictions depend on beside the image.

    Attributes
    ----------
    weights
        At the end of the run, on the CPU.
    guide
        At the start of the last cycle: this network makes ``x_m``, from which the last masks come. None if
        the run had one cycle, whose masks know no details.
    center, spread
        Mean and standard deviation of the images that it was trained on, in its own units.
    context
        How many neighbouring planes it sees on each side.
    dilation
        Distance in pixels between the pixels that it sees together.
    """

    weights: Weights
    guide: Weights | None
    center: float
    spread: float
    context: int
    dilation: int


@dataclass(frozen=True, eq=False)
class Warm:
    """The networks of a run, in its order; opaque to whoever carries it from a Result to the next run.

    Attributes
    ----------
    networks
        None for a network that was not trained.
    maps
        Intensity map of each channel; scale 0 marks a blank one, which has no network.
    samples
        Colour samples of the image, alpha left out; 1 for a grey one.
    """

    networks: tuple[Trained | None, ...]
    maps: tuple[IntensityMap, ...]
    samples: int

    def into(self, group: int, network: UNet, config: Config) -> bool:
        """Load the weights of network number `group` into that of `config`; return whether they fit."""
        found = self.networks[group] if group < len(self.networks) else None
        if found is None:
            return False
        shapes = {name: value.shape for name, value in network.state_dict().items()}
        if {name: value.shape for name, value in found.weights.items()} != shapes:
            return False
        if found.dilation != config.tap_distance:
            return False
        network.load_state_dict(dict(found.weights))
        return True


def weights_of(network: nn.Module) -> Weights:
    """Return a copy of the weights of `network`, on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}


def trained(training: Training, guide: Weights | None) -> Trained:
    """Return the network of `training` as it is now."""
    network = training.network
    return Trained(
        weights=weights_of(network),
        guide=guide,
        center=network.center,
        spread=network.spread,
        context=training.planes.neighbours.shape[1] // 2,
        dilation=training.config.tap_distance,
    )
