"""A saved network as one plain function of an image, which other programs can run: :class:`Plain`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..config import Config
from ..engine.grids import cut, join
from ..engine.inputs import FILL_RADIUS, assemble
from ..engine.network import build
from ..engine.tiling import orient, orient_back
from ..engine.warm import Trained

#: Seeing an image in all orientations and taking the mean, which a network that was trained on them gains by.
_ORIENTATIONS = 8


class Plain(nn.Module):
    """``f(y)``, the mean over all orientations: no masks, nothing random, no filter afterwards.

    A network that sees neighbouring planes takes stacks, and gathers them itself.

    Parameters
    ----------
    found
        The network.
    config
        Settings of its run.
    samples
        Colour samples of its images.
    """

    def __init__(self, found: Trained, config: Config, samples: int) -> None:
        super().__init__()
        self.config = config
        self.context = found.context
        self.network = build(samples, 2 * found.context * samples, config, 0)
        self.network.load_state_dict(dict(found.weights))
        self.network.standardise(found.center, found.spread)
        self.turns = _ORIENTATIONS if config.augment else 1
        self.eval()

    @property
    def halo(self) -> int:
        """How far a pixel can reach along Y and X."""
        return (self.network.radius() + FILL_RADIUS) * self.config.tap_distance

    def forward(self, image: Tensor) -> Tensor:
        """Return the denoised image.

        Parameters
        ----------
        image
            In the network's units, shape (B, S, Y, X), or (1, S, Z, Y, X) for one that sees neighbouring
            planes. Y and X are multiples of what the network needs, Z is more than its context.
        """
        if not self.context:
            return self._planes(image, image[:, :0])
        planes = image[0].transpose(0, 1)  # (Z, S, Y, X)
        near = torch.cat([planes[index] for index in self._neighbours(planes)], 1)
        return self._planes(planes, near).transpose(0, 1)[None]

    def _planes(self, planes: Tensor, context: Tensor) -> Tensor:
        distance = self.config.tap_distance
        grids, beside = cut(planes, distance), cut(context, distance)
        total = torch.zeros_like(grids)
        for turn in range(self.turns):
            noisy = orient(grids, turn)
            keep = torch.ones_like(noisy)
            near, center = orient(beside, turn), self.network.center
            inputs = assemble(noisy, keep, near, self.config, center)
            total = total + orient_back(self.network(*inputs), turn)
        return join(total / self.turns, distance)

    def _neighbours(self, planes: Tensor) -> list[Tensor]:
        """Return, for each offset, the planes that are seen: as :func:`~..engine.stack.neighbouring` does.

        The length of the stack is taken from a tensor, so that it is not fixed when the steps are recorded.
        """
        z = torch.ones_like(planes[:, 0, 0, 0], dtype=torch.long).cumsum(0) - 1
        last = z.amax()
        found = []
        for offset in (d for d in range(-self.context, self.context + 1) if d):
            wanted = (z + offset).abs()
            wanted = torch.where(wanted > last, 2 * last - wanted, wanted).clamp_min(0)
            wanted = torch.minimum(wanted, last)
            found.append(torch.where(wanted == z, torch.where(z > 0, z - 1, z + 1), wanted))
        return found
