"""How far around a tile the image is read, and which tile fits the memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

from ..config import Config
from ..engine.collaborate import DEPTH, EVEN, FLAT
from ..engine.inputs import FILL_RADIUS
from ..engine.network import UNet, fold, multiple
from ..engine.predict import largest, overlap, window
from ..engine.texture import TEXTURE_REACH
from .plan import Span
from .planes import FILL_REACH, padded

#: How far the detail map and the edge gate look around a pixel of ``x_m``.
DETAIL_REACH = 3
#: Planes that are filtered at once.
CHUNK = 8
#: Tiles begin at multiples of this along Y and X, so that each stored block is written by one.
GRID = 512
#: Most values of a tile, so that large images have many: to share among workers.
MOST = 32 * 2**20
_SLABS = (128, 64, 32, 16, 8)


@dataclass(frozen=True)
class Reach:
    """Distances in pixels by which the regions of a prediction exceed each other along Y and X.

    Attributes
    ----------
    network
        From a prediction to the pixels that it depends on.
    detail
        From a mask to the ``x_m`` that it depends on, with the image that this depends on; 0 where masks
        know no details.
    refine
        From the result to the predictions that it depends on.
    planes
        The same along Z.
    context
        Neighbouring planes that the network sees on each side.
    multiple
        Regions begin and end at multiples of this.
    known
        Whether the noise counts as known, so that texture is given back.
    """

    network: int
    detail: int
    refine: int
    planes: int
    context: int
    multiple: int
    known: bool

    @classmethod
    def of(
        cls, network: UNet, config: Config, context: int, *, guided: bool, known: bool = False
    ) -> Reach:
        """Return the distances for a network; the noise is `known` by the settings, too."""
        distance = config.tap_distance
        own = network.radius() * distance + max(FILL_RADIUS * distance, FILL_REACH)
        refine, known = config.refine, known or config.knows_noise
        return cls(
            network=own,
            detail=own + DETAIL_REACH if guided else 0,
            refine=max(FLAT.reach, EVEN.reach) + TEXTURE_REACH * known if refine else 0,
            planes=DEPTH - 1 if refine and context else 0,
            context=context,
            multiple=multiple(config),
            known=known,
        )

    def grown(self, span: Span, by: int, length: int) -> Span:
        """Return `span` grown by so many pixels, to multiples, within the padded `length`."""
        m = self.multiple
        low = max(0, span[0] - by) // m * m
        return low, min(padded(span[1] + by, m), padded(length, m))

    def predicted(self, span: Span, length: int) -> Span:
        """Return what the network must see so that `span` of the result is right."""
        return self.grown(span, self.refine + self.network, length)

    def guided(self, span: Span, length: int) -> Span:
        """Return what must be read so that `span` of the result is right."""
        first = self.predicted(span, length)
        return self.grown(first, self.detail, length) if self.detail else first


def choose_tile(
    shape: tuple[int, ...],
    reach: Reach,
    config: Config,
    budget: int,
    value_bytes: int,
    most: int = MOST,
) -> tuple[int, int, int]:
    """Return the lengths of tiles along Z, Y and X that cost least and fit into `budget` bytes.

    Parameters
    ----------
    shape
        Of the image, ``CTZSYX``.
    reach
        Of its network; the widest, where there are several.
    config
        For what is computed.
    budget
        Bytes that may be used.
    value_bytes
        Size of a value of the result.
    most
        Most values of a tile.
    """
    _, _, z, s, y, x = shape
    deep = sorted({z, *(n for n in _SLABS if n < z)}, reverse=True)
    sides = [[n, *(g for g in range(GRID, n, GRID) if g <= 8 * GRID)] for n in (y, x)]
    smallest = deep[-1], min(sides[0]), min(sides[1])
    best, least = smallest, float("inf")
    for tile in product(deep, sides[0], sides[1]):
        if tile[0] * tile[1] * tile[2] * s > most and tile != smallest:
            continue
        if memory(tile, shape, reach, config, value_bytes) > budget:
            continue
        if (price := cost(tile, shape, reach, config)) < least * 0.999:
            best, least = tile, price
    return best


def cost(tile: tuple[int, int, int], shape: tuple[int, ...], reach: Reach, config: Config) -> float:
    """Return the pixels that pass through the network for each pixel of the result."""
    _, _, z, _, y, x = shape
    middle = [
        (max(0, (n - t) // 2), max(0, (n - t) // 2) + t) for n, t in ((y, tile[1]), (x, tile[2]))
    ]
    core = [b - a for a, b in middle]
    spans = [reach.predicted(span, n) for span, n in zip(middle, (y, x), strict=True)]
    wide = [reach.guided(span, n) for span, n in zip(middle, (y, x), strict=True)]
    slabs = -(-z // tile[0])
    planes = (z + 2 * reach.planes * (slabs - 1)) / z
    once = _forward([b - a for a, b in spans], reach.network) * config.passes
    first = _forward([b - a for a, b in wide], reach.network) * (reach.detail > 0)
    return planes * (once + first) / (core[0] * core[1])


def _forward(sides: list[int], margin: int) -> float:
    """Return the pixels of the windows in which a network that reaches so far sees a region."""
    once = float(math.prod(sides))
    return once if max(sides) <= largest("cpu") else once * overlap("cpu", margin)


def memory(
    tile: tuple[int, int, int],
    shape: tuple[int, ...],
    reach: Reach,
    config: Config,
    value_bytes: int,
) -> int:
    """Return roughly how many bytes a tile takes while it is made."""
    _, _, z, s, y, x = shape
    far = 10**9  # in the middle of a large image
    sides = [(far, far + n) if n < whole else (0, n) for n, whole in ((tile[1], y), (tile[2], x))]
    ends = [2 * far if n < whole else whole for n, whole in ((tile[1], y), (tile[2], x))]
    predicted = [b - a for a, b in map(reach.predicted, sides, ends)]
    guided = [b - a for a, b in map(reach.guided, sides, ends)]
    wide, once = guided[0] * guided[1], predicted[0] * predicted[1]
    seen_at_once = min(wide, window("cpu", reach.network) ** 2)
    features = 4 * _FEATURES * config.width * seen_at_once // fold(config, s) ** 2
    planes = min(z, CHUNK + reach.planes)
    seen = 2 * reach.context + 1
    held = wide * s * (5 * seen + 40) + once * s * (4 * seen + 24)
    kept = [min(n + 2 * reach.refine, whole) for n, whole in ((tile[1], y), (tile[2], x))]
    filtered = planes * kept[0] * kept[1] * s * (70 if reach.known else 28)
    return features + held + filtered + tile[0] * tile[1] * tile[2] * s * value_bytes


#: Feature maps of full width that are alive at once in a forward pass.
_FEATURES = 16
