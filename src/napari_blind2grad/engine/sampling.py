"""Random patches in random orientations, gathered on the device without synchronising."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..config import Config
from .grids import cut
from .stack import Planes

#: Most patches in a batch whose size is left to us.
_MOST = 2
#: A run puts a pixel into at most so many patches for each pixel that there is. Beyond, the network learns
#: the noise by heart: on 192 × 192 pixels that cost up to 1.5 dB (docs/design/experiments.md). The second
#: is for stacks, where it sees a pixel from neighbour planes too.
_OFTEN, _OFTEN_IN_STACKS = 1 / 80, 1 / 240
#: Least side of a patch (with dilation, of each grid) that is made smaller for that.
_LEAST = 32


class Patches:
    """Where a batch of patches lies.

    With dilation, the grids of every so many pixels are patches of their own.

    Parameters
    ----------
    planes
        Which planes they are from, shape (B,).
    pixels
        Where in the flattened plane, shape (B, h, w).
    """

    def __init__(self, planes: Tensor, pixels: Tensor) -> None:
        self.planes = planes
        self.pixels = pixels
        self._places: dict[int, Tensor] = {}

    def take(self, maps: Tensor) -> Tensor:
        """Cut the patches out of `maps` (P, C, H, W): shape (B, C, h, w)."""
        c = maps.shape[1]
        if c not in self._places:
            self._places[c] = self._of(self.planes[:, None], maps)[:, 0]
        return _pick(maps, self._places[c])

    def take_context(self, context: Tensor, neighbours: Tensor) -> Tensor:
        """Cut the neighbour planes: shape (B, K·S, h, w) from `context` (P, S, H, W)."""
        near = neighbours[self.planes]  # (B, K)
        if near.shape[1] == 0:
            return context.new_zeros((len(near), 0, *self.pixels.shape[1:]))
        return _pick(context, self._of(near, context)).flatten(1, 2)

    def _of(self, planes: Tensor, maps: Tensor) -> Tensor:
        """Return places in the flattened `maps` (P, C, H, W), shape (B, K, C, h, w) for planes (B, K)."""
        _, c, h, w = maps.shape
        channels = torch.arange(c, device=planes.device)
        first = (planes[:, :, None] * c + channels) * (h * w)  # (B, K, C)
        return first[..., None, None] + self.pixels[:, None, None]


def _pick(maps: Tensor, places: Tensor) -> Tensor:
    """Return values of `maps` in the shape of `places`; with one index, which is faster than with three."""
    return maps.view(-1).index_select(0, places.flatten()).view(places.shape)


class Sampler:
    """Draws batches of patches.

    Parameters
    ----------
    planes
        What to draw from.
    config
        Patch size, batch size and whether to flip and rotate. A batch of size 0 becomes an eighth of the
        pixels, but one or two patches. Sizes that are the preset's become smaller where the iterations
        would see a small image too often; `patch` 0 stays whole planes.
    multiple
        Patch sides are multiples of this.
    generator
        Source of the draws, on the device of `planes`.
    """

    def __init__(
        self, planes: Planes, config: Config, multiple: int, generator: torch.Generator
    ) -> None:
        _, _, height, width = planes.noisy.shape
        self.count = len(planes)
        self.height, self.width = height, width
        self.multiple = multiple
        self.distance = config.tap_distance
        self._cut(-(-(config.patch or max(height, width)) // multiple))
        eighth = len(planes) * height * width // (8 * self.patch)
        self.batch = config.batch or min(_MOST, max(1, eighth))
        if config.patch and not {"patch", "batch"} & config.changes().keys():
            often = _OFTEN_IN_STACKS if planes.neighbours.shape[1] else _OFTEN
            self._spare(often, config.iterations)
        self.augment = config.augment
        self.generator = generator
        device = planes.noisy.device
        self.row = torch.arange(self.rows, device=device)[:, None]
        self.column = torch.arange(self.columns, device=device)[None, :]

    def _cut(self, steps: int) -> None:
        """Make patches whose side is `steps` multiples, or what the plane has of it."""
        side = steps * self.multiple
        self.rows, self.columns = min(side, self.height), min(side, self.width)

    def _spare(self, often: float, iterations: int) -> None:
        """Take fewer, then smaller patches, so that so many iterations see no pixel too often."""
        pixels = self.count * self.height * self.width
        room = often * pixels**2 / iterations  # pixels of a batch
        self.batch = max(1, min(self.batch, int(room / self.patch)))
        if self.pixels > room:
            side = max(_LEAST * self.distance, int(math.sqrt(room)))
            self._cut(max(1, side // self.multiple))

    @property
    def patch(self) -> int:
        """Pixels of one patch."""
        return self.rows * self.columns

    @property
    def pixels(self) -> int:
        """Pixels of one batch."""
        return self.batch * self.patch

    def draw(self) -> Patches:
        """Return the next batch, each patch in one of the 8 orientations (4 if it is not square)."""
        draw = torch.rand((6, self.batch, 1, 1), generator=self.generator, device=self.row.device)
        y0 = _start(draw[0], self.height, self.rows)  # (B, 1, 1)
        x0 = _start(draw[1], self.width, self.columns)
        plane = (draw[2, :, 0, 0] * self.count).long()  # (B,)
        row = self.row.expand(self.batch, self.rows, self.columns)
        column = self.column.expand(self.batch, self.rows, self.columns)
        if self.augment:
            if self.rows == self.columns:
                turned = draw[3] < 0.5
                row, column = torch.where(turned, column, row), torch.where(turned, row, column)
            row = torch.where(draw[4] < 0.5, self.rows - 1 - row, row)
            column = torch.where(draw[5] < 0.5, self.columns - 1 - column, column)
        pixels = (y0 + row) * self.width + x0 + column  # (B, h, w)
        if self.distance == 1:
            return Patches(plane, pixels)
        grids = cut(pixels[:, None], self.distance)[:, 0]
        planes = plane[:, None].expand(-1, self.distance**2).flatten()
        return Patches(planes, grids)


def _start(draw: Tensor, length: int, side: int) -> Tensor:
    """Return where patches begin, for numbers in 0 to 1, so that pixels at a border are in as many as others.

    Were all places within the image equally likely, its corner would be in one of them alone. Half a patch
    may hang over, and is pushed back inside.
    """
    room = length - side
    over = min(side // 2, room)
    return ((draw * (room + 1 + 2 * over)).long() - over).clamp_(0, room)
