"""A collaborative filter: like blocks of a noisy image together, guided by a cleaner one.

The guide says which small blocks are alike, and in which waves of them there is signal, and how strong; an
empirical Wiener filter then takes those from the noisy blocks, all like ones together (the second stage of
K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian, "Image denoising by sparse 3-D transform-domain collaborative
filtering", 2007; in stacks the blocks are cubes).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

#: Most places of a block along the third axis.
DEPTH = 4
#: Stands for blocks outside the image.
_FAR = 1e6
#: Sides of a tile: its spectra fit a CPU's cache, and keep a GPU busy.
_CORE = {"cpu": 128}
_CORE_ELSEWHERE = 512
#: Groups that are filtered at a time.
_AT_ONCE = {"cpu": 2048}
_AT_ONCE_ELSEWHERE = 1 << 16


class Shape(NamedTuple):
    """Sizes in the filter, in pixels.

    Attributes
    ----------
    side
        Of a block in Y and X.
    step
        Between blocks that groups are searched for.
    radius
        How far away the blocks of a group may lie.
    members
        Most blocks in a group.
    order
        Waves up to this sum of frequencies decide how alike two blocks are: they hold nearly all of the
        energy in the network's image.
    noisy
        Share of the noisy image in what is filtered; the rest is the network's.
    energy
        Noise energy counted in the gain, in variances.
    """

    side: int
    step: int
    radius: int
    members: int
    order: int
    noisy: float = 0.75
    energy: float = 1.0

    @property
    def reach(self) -> int:
        """How far away a pixel may lie that a result depends on."""
        return 2 * (self.radius + self.side)


#: Single images and thin stacks; stacks; single images whose noise was made even.
FLAT = Shape(side=8, step=4, radius=8, members=16, order=4)
DEEP = Shape(side=5, step=2, radius=5, members=8, order=2)
EVEN = Shape(side=8, step=4, radius=8, members=32, order=4, noisy=0.7, energy=1.15)


def cosines(n: int, like: Tensor) -> Tensor:
    """Return the orthonormal cosine transform (DCT-II) of `n` values as a matrix (frequency, place)."""
    k = torch.arange(n, device=like.device, dtype=like.dtype)
    matrix = torch.cos(math.pi / n * (k + 0.5) * k[:, None]) * math.sqrt(2.0 / n)
    matrix[0] /= math.sqrt(2.0)
    return matrix


def collaborate(
    noisy: Tensor,
    pilot: Tensor,
    variance: Tensor,
    out: Tensor,
    sizes: Shape,
    origin: tuple[int, int] = (0, 0),
    kept: Tensor | None = None,
    spectrum: Tensor | None = None,
) -> Iterator[int]:
    """Filter like blocks together: fill `out`, and yield as :func:`refine` does.

    The spectra Y of a group of noisy blocks and P of the network's give ``g (P + c (Y − P))`` with the gain
    ``g = P² / (P² + a σ²)``, c and a as :attr:`Shape.noisy` and :attr:`Shape.energy`; overlapping blocks are
    averaged with the weights ``1 / (σ² Σ g²)`` of their groups. A group's mean always passes.

    Parameters
    ----------
    noisy, pilot
        ``y`` and the network's image, shape (K, H, W). K are neighbouring planes, or the colour samples of
        one plane.
    variance
        Noise variance of each value of `noisy`, same shape.
    out
        Where the result goes, same shape.
    sizes
        Of blocks and groups.
    origin
        Row and column at which these pixels lie in a larger image. The same blocks are then taken as there,
        so that what lies farther than :attr:`Shape.reach` from the cut becomes the same.
    kept
        Takes the share of each pixel's own noise that is left in `out`, same shape, if it is asked for. What
        comes back through other blocks of its group, where they overlap, is not counted.
    spectrum
        Noise energy of each wave of a block, over `variance`, shape (1 or D, side, side); None for
        independent noise, whose waves all have it.
    """
    sums = [out, torch.empty_like(out), *([] if kept is None else [kept])]
    for total in sums:
        total.zero_()
    yield from gather(noisy, pilot, variance, sums, sizes, origin, spectrum)
    divide(sums)


def divide(sums: list[Tensor]) -> None:
    """Turn the sums of :func:`gather` into means."""
    for total in (sums[0], *sums[2:]):
        total.div_(sums[1])


def gather(
    noisy: Tensor,
    pilot: Tensor,
    variance: Tensor,
    sums: list[Tensor],
    sizes: Shape,
    origin: tuple[int, int],
    spectrum: Tensor | None = None,
) -> Iterator[int]:
    """Add all filtered blocks, their weights and, if there is a third tensor, the noise they keep to `sums`.

    The parameters are those of :func:`collaborate`, and so is what is yielded.
    """
    _, h, w = noisy.shape
    side = min(sizes.side, h, w)
    sizes = sizes._replace(side=side, step=min(sizes.step, max(1, side // 2)))
    core = _CORE.get(noisy.device.type, _CORE_ELSEWHERE)
    most = max(1, core // sizes.step)
    rows = _places(h - sizes.side + 1, sizes.step, origin[0], most)
    columns = _places(w - sizes.side + 1, sizes.step, origin[1], most)
    told, done = 0, 0
    for ys in rows:
        for xs in columns:
            tile = _Tile(sizes, ys, xs, (h, w), spectrum)
            for share in tile.add(noisy, pilot, variance, sums):
                part = share / (len(rows) * len(columns))
                now = int(noisy.numel() * (done / (len(rows) * len(columns)) + part))
                yield now - told
                told = now
            done += 1
    yield noisy.numel() - told


def _places(n: int, step: int, origin: int, most: int) -> list[Tensor]:
    """Return where blocks begin along an axis with `n` places, at most so many in each tensor.

    There is one every `step`, and at the first and the last place.
    """
    places = torch.tensor(sorted({0, n - 1, *range(-origin % step, n, step)}))
    return [places[i : i + most] for i in range(0, len(places), most)]


class _Tile:
    """The blocks at `ys` and `xs`, on the CPU, and the part of the image that their groups lie in."""

    def __init__(
        self,
        sizes: Shape,
        ys: Tensor,
        xs: Tensor,
        image: tuple[int, int],
        spectrum: Tensor | None,
    ) -> None:
        self.sizes = sizes
        self.spectrum = spectrum
        reach = sizes.radius + sizes.side
        spans = [
            (max(0, int(at[0]) - sizes.radius), min(n, int(at[-1]) + reach))
            for at, n in zip((ys, xs), image, strict=True)
        ]
        self.cut = (slice(None), *(slice(*span) for span in spans))
        self.ys, self.xs = ys - spans[0][0], xs - spans[1][0]
        # Places of blocks in the part.
        self.h, self.w = (high - low - sizes.side + 1 for low, high in spans)

    def add(
        self, noisy: Tensor, pilot: Tensor, variance: Tensor, sums: list[Tensor]
    ) -> Iterator[float]:
        """Add the filtered blocks, their weights and the noise they keep to `sums`; yield the share done."""
        noisy, pilot, variance = (part[self.cut] for part in (noisy, pilot, variance))
        out, *others = (part[self.cut] for part in sums)
        side, planes = self.sizes.side, len(noisy)
        depth = min(DEPTH, planes)
        waves = cosines(side, noisy)
        bank = torch.einsum("ai,bj->abij", waves, waves).reshape(side**2, 1, side, side)
        along = cosines(depth, noisy)
        shares = None
        if self.spectrum is not None:
            shares = self.spectrum.expand(depth, -1, -1).flatten()  # (D·side²,)
        box = noisy.new_ones((1, 1, side, side))
        window: list[tuple[Tensor, Tensor, Tensor]] = []  # spectra of the block's planes
        slow: list[dict[tuple[int, int], Tensor]] = []  # their low waves
        for last in range(planes):
            plane = slice(last, last + 1)
            p, y = (F.conv2d(part[plane, None], bank)[0] for part in (pilot, noisy))
            window.append((p, y, F.avg_pool2d(variance[plane], side, 1)[0]))
            slow.append(_low_waves(pilot[last], waves, self.sizes.order))
            if len(window) < depth:
                continue
            p = torch.tensordot(along, torch.stack([part[0] for part in window]), 1)
            y = torch.tensordot(along, torch.stack([part[1] for part in window]), 1)
            noise = torch.stack([part[2] for part in window]).mean(0).clamp_min(1e-12)  # (h, w)
            p, y = p.flatten(0, 1).flatten(1), y.flatten(0, 1).flatten(1)  # (D·side², h·w)
            groups = self._groups(_low_blocks(slow, along, self.sizes.order))  # (N, G)
            spectrum, *means = _filtered(p.T, y.T, noise.flatten(), groups, self.sizes, shares)
            spectrum = spectrum.T.reshape(depth, side**2, self.h, self.w)
            spectrum = torch.tensordot(along.T, spectrum, 1)
            block = slice(last - depth + 1, last + 1)
            out[block] += F.conv_transpose2d(spectrum, bank)[:, 0]
            for total, mean in zip(others, means, strict=False):
                total[block] += F.conv_transpose2d(mean.reshape(1, 1, self.h, self.w), box)[0]
            window.pop(0)
            slow.pop(0)
            yield (last - depth + 2) / (planes - depth + 1)

    def _groups(self, low: Tensor) -> Tensor:
        """Return the places (N, G) of the blocks most like each of the N, itself among them.

        Parameters
        ----------
        low
            The waves that decide of all blocks, shape (F, h, w).
        """
        radius, device = self.sizes.radius, low.device
        side = 2 * radius + 1
        # Farther off than any block, all around.
        padded = F.pad(low, (radius,) * 4, value=_FAR).permute(1, 2, 0)  # (h', w', F)
        rows, columns = self.ys.to(device), self.xs.to(device)
        own = padded[rows[:, None] + radius, columns + radius]  # (Y, X, F)
        distance = low.new_empty((side, side, len(rows), len(columns)))
        for dx in range(side):
            near = padded.index_select(1, columns + dx)  # (h', X, F)
            for dy in range(side):
                off = near.index_select(0, rows + dy).sub_(own).square_()
                torch.sum(off, 2, out=distance[dy, dx])
        distance[radius, radius] = -1.0  # itself, whatever else is just as like
        distance = distance.flatten(0, 1).flatten(1)  # (side², N)
        # In a corner of the image, fewer blocks than this lie near.
        least = min(radius + 1, self.h) * min(radius + 1, self.w)
        best = distance.topk(min(self.sizes.members, least), 0, largest=False).indices  # (G, N)
        own_place = (rows[:, None] * self.w + columns).flatten()
        moved = (best // side - radius) * self.w + best % side - radius
        return (own_place + moved).T.contiguous()


def _low_waves(plane: Tensor, waves: Tensor, order: int) -> dict[tuple[int, int], Tensor]:
    """Return the waves of all blocks of a plane up to the sum `order` of their frequencies along Y and X."""
    return {
        (a, b): half
        for b, line in enumerate(_moving(plane, 1, waves[: order + 1]))
        for a, half in enumerate(_moving(line, 0, waves[: order + 1 - b]))
    }


def _low_blocks(planes: list[dict[tuple[int, int], Tensor]], along: Tensor, order: int) -> Tensor:
    """Return the same of blocks of several planes, shape (F, h, w); the frequency along them counts too."""
    rows: list[list[float]] = along[: order + 1].tolist()
    return torch.stack(
        [
            _weighted([plane[a, b] for plane in planes], row)
            for (a, b) in planes[0]
            for row in rows[: order + 1 - a - b]
        ]
    )


def _moving(part: Tensor, axis: int, waves: Tensor) -> Iterator[Tensor]:
    """Yield the products of each of the `waves` (F, side) with all pieces of `part` along `axis`."""
    side = waves.shape[1]
    pieces = [part.narrow(axis, i, part.shape[axis] - side + 1) for i in range(side)]
    for wave in waves.tolist():
        yield _weighted(pieces, wave)


def _weighted(parts: list[Tensor], weights: list[float]) -> Tensor:
    """Return the weighted sum of `parts`.

    Value by value, so that it is the same to the last bit however the image is cut; a convolution's is not,
    and a rounding error may put another block into a group.
    """
    total = parts[0] * weights[0]
    for part, weight in zip(parts[1:], weights[1:], strict=True):
        total += part * weight
    return total


def _filtered(
    pilot: Tensor,
    noisy: Tensor,
    noise: Tensor,
    groups: Tensor,
    sizes: Shape,
    shares: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sums of weighted spectra (h·w, S), of weights and of weighted shares of noise kept (h·w,).

    Parameters
    ----------
    pilot, noisy
        Spectra of the blocks at all places, shape (h·w, S).
    noise
        Noise variance of each block, shape (h·w,).
    groups
        Places of the blocks of each group, shape (N, G).
    sizes
        For the share of the noisy image and the energy of the noise.
    shares
        Noise energy of each wave over `noise`, shape (S,); None where all have it.
    """
    pilot, noisy = pilot.contiguous(), noisy.contiguous()
    total, weights, kept = (torch.zeros_like(part) for part in (pilot, noise, noise))
    members = groups.shape[1]
    across = cosines(members, pilot)
    most = _AT_ONCE.get(pilot.device.type, _AT_ONCE_ELSEWHERE)
    for some in (groups[i : i + most] for i in range(0, len(groups), most)):
        p, y = across @ pilot[some], across @ noisy[some]  # (n, G, S)
        level = noise[some].mean(1)  # (n,)
        energy = p.square()
        counted = sizes.energy * level[:, None, None]  # (n, 1, 1)
        gain = energy.div_(energy + (counted if shares is None else counted * shares))
        gain[:, 0, 0] = 1.0
        left = gain.square()
        left = left.sum((1, 2)) if shares is None else (left * shares).sum((1, 2))
        weight = 1.0 / (left * level)  # (n,)
        spectrum = torch.lerp(p, y, sizes.noisy).mul_(gain).mul_(weight[:, None, None])
        _add(total, some.flatten(), (across.T @ spectrum).flatten(0, 1))
        share = sizes.noisy * gain.mean((1, 2))  # (n,)
        _add(weights, some.flatten(), weight.repeat_interleave(members))
        _add(kept, some.flatten(), (weight * share).repeat_interleave(members))
    return total, weights, kept


def _add(total: Tensor, places: Tensor, values: Tensor) -> None:
    """Add `values` to `total` at `places`, in the same order every time."""
    if total.device.type == "cpu":
        total.index_add_(0, places, values)
    else:
        total.index_put_((places,), values, accumulate=True)
