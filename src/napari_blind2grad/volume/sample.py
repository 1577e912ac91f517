"""What a network is trained on where the image is too large to be held: crops from all over it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .. import sizes
from ..config import Config
from ..engine import normalize
from ..engine.network import multiple
from ..engine.normalize import IntensityMap
from ..engine.stack import Planes, Stack, check, context_planes
from ..errors import InputError
from ..events import Array
from .planes import as_context, padded, read_planes, seen_with
from .source import Source

#: Values in the crops that stand for a larger image: a third of what a run of `fast` looks at, all told.
SIZE = 8 * 2**20
#: Least side of a crop, and its side where the patches are whole planes.
SIDE, SIDE_OF_WHOLE = 256, 512
#: Neighbouring planes of a crop that are trained on; those that they are seen with come on top.
PLANES = 2
#: Values that are read at once to find out whether a channel is constant.
_SCAN = 8 * 2**20
#: Crops from which the noise that is told at the start is estimated.
_SHOWN = 8


@dataclass(frozen=True)
class Sample:
    """Places of crops, spread evenly over an image; they depend on its size and the settings alone.

    Attributes
    ----------
    places
        (T, Z, Y, X) of the first pixel of each crop.
    size
        Lengths of a crop along Z, Y and X.
    """

    places: tuple[tuple[int, int, int, int], ...]
    size: tuple[int, int, int]

    def read(self, source: Source, channel: int, number: int) -> Array:
        """Return crop `number` of a channel: shape (Z, S, Y, X)."""
        t, *start = self.places[number]
        spans = [slice(a, a + n) for a, n in zip(start, self.size, strict=True)]
        return source.read(channel, t, *spans)

    def load(
        self,
        source: Source,
        maps: tuple[IntensityMap, ...],
        channels: list[int],
        config: Config,
        device: torch.device,
        multiple: int,
    ) -> Planes:
        """Return the crops of `channels` as planes to train on, as :func:`~..engine.stack.load` does.

        With several channels, each takes its turn of the places.
        """
        depth = source.shape[2]
        reach = context_planes(config, depth)
        noisy, valid, context, neighbours, index = [], [], [], [], []
        behind = 0
        for i, (t, z, y, x) in enumerate(self.places):
            channel = channels[i % len(channels)]
            own = list(range(z, z + self.size[0]))
            wanted = [seen_with(p, depth, reach) for p in own]
            every = {*own, *(n for seen in wanted for n in seen)}
            low, high = min(every), max(every) + 1
            spans = [
                (a, a + padded(n, multiple)) for a, n in ((y, self.size[1]), (x, self.size[2]))
            ]
            values, known = read_planes(source, maps[channel], (channel, t), (low, high), *spans)
            inner = slice(z - low, z - low + len(own))
            noisy.append(values[inner] * known[inner])
            valid.append(known[inner])
            if reach:
                context.append(as_context(values, known))
                neighbours += [[behind + n - low for n in seen] for seen in wanted]
                behind += len(values)
            index += [(channel, i, p) for p in own]
        tensor = torch.cat(noisy).to(device)
        return Planes(
            noisy=tensor,
            valid=torch.cat(valid).to(device),
            neighbours=torch.tensor(neighbours or [[]] * len(tensor), dtype=torch.long).to(device),
            context=torch.cat(context).to(device) if reach else tensor,
            index=tuple(index),
            height=self.size[1],
            width=self.size[2],
            maps=tuple(maps),
        )


def sample(shape: tuple[int, ...], config: Config) -> Sample:
    """Return the crops for an image of `shape`, ``CTZSYX``.

    Their places are those of a Kronecker sequence in four dimensions, which fills a box evenly however many
    are taken, shifted by the seed.
    """
    _, t, z, s, y, x = shape
    # The dilation does not count: a run finds it in the crops, and its networks are applied to the same ones.
    step = multiple(config.replace(dilation=1))
    side = padded(max(SIDE, config.patch) if config.patch else SIDE_OF_WHOLE, step)
    size = (min(PLANES, z), min(side, y), min(side, x))
    count = max(1, SIZE // (s * size[0] * size[1] * size[2]))
    ratio = 1.1673039782614187  # the root of r⁵ = r + 1
    steps = ratio ** -np.arange(1.0, 5.0)
    shift = np.random.default_rng(config.seed).random(4)
    unit = (shift + np.arange(1, count + 1)[:, None] * steps) % 1.0
    sides = np.array([1, *size])
    room = np.array([t, z, y, x]) - sides
    # Half a crop may hang over, and is pushed back inside, so that the image's corners are in some too.
    over = np.minimum(sides // 2, room)
    start = np.floor(unit * (room + 1 + 2 * over)).astype(int) - over
    places = np.unique(np.clip(start, 0, room), axis=0)
    return Sample(tuple((int(a), int(b), int(c), int(d)) for a, b, c, d in places), size)


def survey(source: Source, config: Config) -> tuple[Stack, Sample | None]:
    """Return what is known of an image before a run, and its sample unless it is small enough.

    The arrays of a sampled stack hold but a few crops.

    Raises
    ------
    InputError
        If it cannot be denoised.
    """
    if source.voxels <= sizes.WHOLE:
        return check(np.asarray(source.array), source.axes.letters), None
    crops = sample(source.shape, config)
    fits = [_fit(source, c, crops) for c in range(source.shape[0])]
    notes = []
    blank = [c for c, m in enumerate(fits) if m.scale == 0]
    if len(blank) == len(fits):
        raise InputError(
            "The image is constant, or has no finite value: there is nothing to denoise."
        )
    if blank:
        named = ", ".join(str(c) for c in blank)
        notes.append(f"Channel {named} is constant and is passed through unchanged.")
    some = range(0, len(crops.places), max(1, len(crops.places) // _SHOWN))
    shown = np.stack(
        [np.stack([crops.read(source, c, i)[:1] for i in some]) for c in range(source.shape[0])]
    )  # (C, N, 1, S, h, w)
    return Stack(shown, shown, source.axes, tuple(fits), tuple(notes)), crops


def _fit(source: Source, channel: int, crops: Sample) -> IntensityMap:
    values = np.concatenate(
        [crops.read(source, channel, i).ravel() for i in range(len(crops.places))]
    )
    if np.isfinite(values).any():
        found = normalize.fit(values)
        if found.scale > 0:
            return found
    return _full_range(source, channel)


def _full_range(source: Source, channel: int) -> IntensityMap:
    """Return the map from the least to the greatest value: what is rare escapes a sample."""
    _, t, z, s, y, x = source.shape
    low, high = np.inf, -np.inf
    rows = max(1, _SCAN // (s * x))
    for i in range(t):
        for j in range(z):
            for first in range(0, y, rows):
                part = source.read(
                    channel, i, slice(j, j + 1), slice(first, first + rows), slice(x)
                )
                finite = part[np.isfinite(part)]
                if finite.size:
                    low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return IntensityMap(low, high - low) if high > low else IntensityMap(0.0, 0.0)
