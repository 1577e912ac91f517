"""The last step: filter the noisy image itself, guided by the network's image.

It brings back fine detail that a small network misses, and smooths what it left over.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..config import Config
from .collaborate import DEEP, DEPTH, EVEN, FLAT, Shape, collaborate, divide, gather
from .even import root_of
from .noise import NoiseCurve
from .stack import Planes
from .texture import give_back
from .whiteness import whiteness

#: Share of the network's image in the result, of a network with `fold` 1 that was trained for so many steps,
#: on so many pixels: it is as good as the filter's then, and errs in other places.
_NETWORK, _STEPS, _PIXELS = 0.5, 400, 256**2


def network_share(config: Config, noise: NoiseCurve, planes: Planes, steps: int) -> float:
    """Return the part that the network's image has in the result.

    Where neighbouring pixels share their noise, it has none: the network takes some of it for signal. A noise
    that is known is independent. After fewer steps, or in an image of fewer pixels, it has less.

    Parameters
    ----------
    config
        For the kind of network.
    noise
        Of the image.
    planes
        The image.
    steps
        That the network was trained for.
    """
    if config.fold > 1 or config.tap_distance > 1 or not config.refine:
        return 0.0
    learnt = min(1.0, steps / _STEPS)
    seen = min(1.0, len(planes) * planes.height * planes.width / _PIXELS)
    return _NETWORK * learnt * seen * (1.0 if noise.known else whiteness(planes))


def shape(planes: int) -> Shape:
    """Return the sizes for so many planes that are filtered together."""
    return FLAT if planes < DEPTH else DEEP


def _spectrum(noise: NoiseCurve, sizes: Shape, image: Tensor) -> Tensor | None:
    """Return the energies of the noise's waves in blocks of `image` (K, H, W); None for independent noise."""
    return noise.spectra.get(min(sizes.side, *image.shape[1:]))


def refine(
    noisy: Tensor,
    pilot: Tensor,
    noise: NoiseCurve,
    out: Tensor,
    origin: tuple[int, int] = (0, 0),
    share: float = 0.0,
) -> Iterator[int]:
    """Fill `out` with the refined image; yield, now and then, how many values are done since the last time.

    A single plane with noise that grows with brightness is filtered under the root that makes it even.

    Parameters
    ----------
    noisy, pilot
        ``y`` and the network's image, shape (K, H, W). K are neighbouring planes, or the colour samples of
        one plane.
    noise
        The noise of the whole image.
    out, origin
        As in :func:`~napari_blind2grad.engine.collaborate.collaborate`.
    share
        Of the network's image in `out`: see :func:`network_share`.
    """
    root = root_of(noise) if len(noisy) == 1 else None
    sizes = shape(len(noisy)) if root is None else EVEN
    spectrum = _spectrum(noise, sizes, noisy)
    kept = torch.empty_like(out) if noise.known and spectrum is None else None
    if root is None:
        variance = _variance(noise, pilot)
        yield from collaborate(noisy, pilot, variance, out, sizes, origin, kept, spectrum)
    else:
        even, guide = root.forward(noisy), root.of_mean(pilot)
        ones = torch.ones_like(guide)
        yield from collaborate(even, guide, ones, out, sizes, origin, kept, spectrum)
        out.copy_(root.inverse(out))
    out.lerp_(pilot, share)
    if kept is not None:
        out.copy_(_with_texture(noisy, out, noise, kept))


def _with_texture(noisy: Tensor, out: Tensor, noise: NoiseCurve, kept: Tensor) -> Tensor:
    return give_back(noisy, out, _variance(noise, out), kept)


def _variance(noise: NoiseCurve, image: Tensor) -> Tensor:
    """Return the noise variance at each value of `image` (K, H, W)."""
    return torch.stack([noise.variance(plane) for plane in image.contiguous()])


class Passing:
    """Refines a stack whose planes come one after another, as :func:`refine` does when it has them all.

    Parameters
    ----------
    noise
        The noise of the whole image.
    origin, share
        As in :func:`refine`.
    """

    def __init__(
        self, noise: NoiseCurve, origin: tuple[int, int] = (0, 0), share: float = 0.0
    ) -> None:
        self.noise = noise
        self.origin = origin
        self.share = share
        self._held: list[
            Tensor
        ] = []  # noisy planes and pilots of blocks that are not complete, and sums

    def add(self, noisy: Tensor, pilot: Tensor, *, last: bool) -> Tensor:
        """Take the next planes, and return those that are ready, in their order.

        Parameters
        ----------
        noisy, pilot
            The next planes of ``y`` and of the network's image, shape (K, H, W). Together there must be
            :data:`DEPTH` of them at least.
        last
            Whether they are the last ones: all are ready then.

        Raises
        ------
        ValueError
            If there are fewer planes in all.
        """
        keeps = self.noise.known is not None and not self.noise.spectra
        sums = [torch.zeros_like(noisy) for _ in range(3 if keeps else 2)]
        planes = [noisy, pilot, *sums]
        if self._held:
            planes = [torch.cat(pair) for pair in zip(self._held, planes, strict=True)]
            self._held = []
        elif last and len(noisy) < DEPTH:
            raise ValueError(f"{len(noisy)} planes are no stack: there must be {DEPTH}")
        noisy, pilot, *sums = planes
        ready = len(noisy) if last else max(0, len(noisy) - DEPTH + 1)
        if len(noisy) >= DEPTH:
            variance = _variance(self.noise, pilot)
            spectrum = _spectrum(self.noise, DEEP, noisy)
            for _ in gather(noisy, pilot, variance, sums, DEEP, self.origin, spectrum):
                pass
        self._held = [part[ready:].clone() for part in planes]
        done = [part[:ready] for part in sums]
        divide(done)
        done[0].lerp_(pilot[:ready], self.share)
        if len(sums) == 3 and ready:
            return _with_texture(noisy[:ready], done[0], self.noise, done[2])
        return done[0]
