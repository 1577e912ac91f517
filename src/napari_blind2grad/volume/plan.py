"""What is to be done to a volume: its tiles, and all that they need to know of the whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .. import __version__
from ..axes import CANONICAL, Axes
from ..config import Config
from ..errors import InputError

Span = tuple[int, int]


@dataclass(frozen=True)
class Tile:
    """A part of the result that is made by itself; all indices are those of the whole image.

    Attributes
    ----------
    number
        Its place among all tiles.
    c, t
        Channel and time point.
    z, y, x
        First position and the one after the last.
    """

    number: int
    c: int
    t: int
    z: Span
    y: Span
    x: Span

    @property
    def shape(self) -> tuple[int, int, int]:
        """Lengths along Z, Y and X."""
        return tuple(b - a for a, b in (self.z, self.y, self.x))  # type: ignore[return-value]

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        z, y, x = self.shape
        return z * y * x


def nested(values: Any) -> Any:
    """Return nested lists of numbers as nested tuples."""
    return tuple(map(nested, values)) if isinstance(values, list | tuple) else float(values)


@dataclass(frozen=True)
class NetworkFacts:
    """What the predictions of one network depend on, beside its weights and the pixels near them.

    Attributes
    ----------
    number
        Of the network in its run.
    channels
        Those that it denoises.
    levels, variances
        The noise: see :class:`~napari_blind2grad.engine.noise.NoiseCurve`.
    shares
        Share of detail pixels in each of `channels`.
    spectra
        Spectra of the noise, as pairs of the side of blocks and nested tuples; none for independent noise.
    own
        Share of the network's image in the result:
        :func:`~napari_blind2grad.engine.refine.network_share`.
    known
        Gain, offset and least variance of a noise that counts as known; None for any other.
    """

    number: int
    channels: tuple[int, ...]
    levels: tuple[float, ...]
    variances: tuple[float, ...]
    shares: tuple[float, ...]
    spectra: tuple[tuple[int, Any], ...]
    own: float
    known: tuple[float, float, float] | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> NetworkFacts:
        """Rebuild them from what JSON holds of them."""
        channels, levels, variances, shares = (
            tuple(values[k]) for k in ("channels", "levels", "variances", "shares")
        )
        spectra = tuple((int(side), nested(waves)) for side, waves in values["spectra"])
        own, line = float(values["own"]), values.get("known")
        known = (float(line[0]), float(line[1]), float(line[2])) if line else None
        return cls(int(values["number"]), channels, levels, variances, shares, spectra, own, known)


@dataclass(frozen=True)
class Plan:
    """All tiles of a volume and what they share, in plain numbers that JSON holds exactly.

    With the trained networks and the image, any tile can be made from it, anywhere, in any order.

    Attributes
    ----------
    shape, axes, dtype
        Of the image.
    config
        Settings of the run.
    maps
        ``low`` and ``scale`` of each channel's intensity map.
    networks
        One for each network.
    tile
        Largest lengths of a tile along Z, Y and X. The result does not depend on it.
    version
        Version of this package.
    """

    shape: tuple[int, ...]
    axes: str
    dtype: str
    config: Config
    maps: tuple[tuple[float, float], ...]
    networks: tuple[NetworkFacts, ...]
    tile: tuple[int, int, int]
    version: str = __version__

    @property
    def canonical(self) -> tuple[int, ...]:
        """Lengths of C, T, Z, S, Y and X, alpha left out."""
        axes = Axes(self.axes, self.shape)
        c, t, z, s, y, x = (axes.length(letter) for letter in CANONICAL)
        return c, t, z, 3 if s == 4 else s, y, x

    def tiles(self) -> tuple[Tile, ...]:
        """Return all tiles, in the order C, T, Z, Y, X; together they cover the image once."""
        channels, times, *sides = self.canonical
        del sides[1]
        spans = [
            [(a, min(a + step, n)) for a in range(0, n, step)]
            for n, step in zip(sides, self.tile, strict=True)
        ]
        places = [
            (c, t, z, y, x)
            for c in range(channels)
            for t in range(times)
            for z in spans[0]
            for y in spans[1]
            for x in spans[2]
        ]
        return tuple(Tile(i, *place) for i, place in enumerate(places))

    def to_json(self) -> str:
        """Return the plan as text."""
        return json.dumps({**asdict(self), "config": self.config.to_dict()}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Rebuild a plan from :meth:`to_json`.

        Raises
        ------
        InputError
            If `text` is no plan.
        """
        try:
            values: Mapping[str, Any] = json.loads(text)
            return cls(
                shape=tuple(values["shape"]),
                axes=values["axes"],
                dtype=values["dtype"],
                config=Config.from_dict(values["config"]),
                maps=tuple((low, scale) for low, scale in values["maps"]),
                networks=tuple(NetworkFacts.of(n) for n in values["networks"]),
                tile=tuple(values["tile"]),
                version=values["version"],
            )
        except (ValueError, TypeError, LookupError) as error:
            raise InputError(f"This is no plan of a volume ({error!s:.200}).") from error
