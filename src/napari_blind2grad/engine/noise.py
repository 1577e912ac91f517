"""How strong the noise is, and how it grows with brightness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor

from ..config import Config
from .normalize import IntensityMap

#: Mean of z² over the lower 80 % of |z| for a standard normal z.
_TRIM, _TRIMMED_ENERGY = 0.8, 0.43767
_LEVELS = 12
_SAMPLE = 1_000_000
#: Of :meth:`NoiseCurve.line`: how often weights are adapted, what points above the line count against those
#: below, and the least variance, as a share of the largest, that counts.
_ROUNDS, _ABOVE, _FLOOR = 30, 0.1, 0.02
#: Least variance of a known noise, that of a pixel without light or read noise.
_LEAST = 1e-12


class Line(NamedTuple):
    """A camera's noise: variance ``gain · level + offset``, and not less than `least`."""

    gain: float
    offset: float
    least: float


@dataclass(frozen=True)
class NoiseCurve:
    """Noise variance as a function of brightness.

    Attributes
    ----------
    levels, variances
        Brightness and noise variance at a few quantiles, shape (L,), in the network's units.
    known
        The camera's noise, as the user told it, or as sure as if (:mod:`~napari_blind2grad.engine.floor`);
        None for an estimate.
    spectra
        Energy of each wave of noise that neighbouring pixels share, over `variances`: by the sides of
        blocks, as :func:`~napari_blind2grad.engine.spectrum.spectra` finds it. Empty for independent noise.
    """

    levels: Tensor
    variances: Tensor
    known: Line | None = None
    spectra: Mapping[int, Tensor] = field(default_factory=dict)

    @property
    def sigma(self) -> float:
        """Root of the mean variance over the levels."""
        return float(self.variances.mean().sqrt())

    def of_pixels(self, image: Tensor) -> Tensor:
        """Return the variance of a pixel's noise at each value of `image`.

        It is more than :meth:`variance` where neighbours share noise, of which an estimate sees but the rest.
        """
        found = self.variance(image)
        return found * next(iter(self.spectra.values())).mean() if self.spectra else found

    def line(self) -> tuple[float, float]:
        """Return gain and offset of the line ``variance = gain · level + offset`` below the curve's points.

        Structure makes a variance too large, never too small, so points above the line hardly count. Points
        with hardly any variance do not count at all: dark pixels are clipped there.
        """
        if self.known is not None:
            return self.known.gain, self.known.offset
        x, y = (part.cpu().double() for part in (self.levels, self.variances))
        floor = _FLOOR * y.max()
        use = y > floor
        if int(use.sum()) < 3:
            return 0.0, float(y.mean())
        x, y = x[use], y[use]
        weight = torch.ones_like(x)
        gain, offset = x.new_zeros(()), y.median()
        for _ in range(_ROUNDS):
            level = (gain * x + offset).maximum(floor)
            share = weight / level.square()
            mean_x, mean_y = ((share * part).sum() / share.sum() for part in (x, y))
            spread = (share * (x - mean_x).square()).sum().clamp_min(1e-30)
            gain = (share * (x - mean_x) * (y - mean_y)).sum() / spread
            offset = mean_y - gain * mean_x
            off = (y - gain * x - offset) / (gain * x + offset).maximum(floor)
            weight = torch.where(off > 0, _ABOVE, 1.0) / off.abs().clamp_min(0.05)
        return float(gain), float(offset)

    def variance(self, image: Tensor) -> Tensor:
        """Return the variance at each value of `image`; estimates are constant beyond their ends."""
        if self.known is not None:
            return (self.known.gain * image + self.known.offset).clamp_min(self.known.least)
        if self.levels.numel() == 1:
            return torch.full_like(image, float(self.variances))
        right = torch.bucketize(image, self.levels).clamp(1, self.levels.numel() - 1)
        x0, x1 = self.levels[right - 1], self.levels[right]
        t = ((image - x0) / (x1 - x0).clamp_min(1e-9)).clamp(0.0, 1.0)
        return torch.lerp(self.variances[right - 1], self.variances[right], t)


def told(noise: NoiseCurve, config: Config, intensity: IntensityMap) -> NoiseCurve:
    """Return the camera's noise where `config` tells it, and `noise` otherwise.

    The variance of a camera's noise is ``gain · (value − offset) + read_noise²``, in the dark the last term
    alone. A read noise that is not told beside a gain is what the estimate has more at its darkest level.

    Parameters
    ----------
    noise
        As estimated.
    config
        Settings, in grey values.
    intensity
        From grey values to the network's units.
    """
    if not config.knows_noise:
        return noise
    low, scale = intensity.low, intensity.scale
    gain, offset = config.gain / scale, config.gain * (low - config.offset) / scale**2
    read = config.read_noise**2 / scale**2
    if not config.read_noise:
        light = gain * float(noise.levels[0]) + offset
        read = max(0.0, float(noise.variances[0]) - max(0.0, light))
    line = Line(gain, offset + read, max(read, _LEAST))
    variances = (gain * noise.levels + line.offset).clamp_min(line.least)
    return replace(noise, variances=variances, known=line)


def estimate(planes: Tensor, valid: Tensor) -> NoiseCurve:
    """Estimate the noise of `planes` from the diagonal details of 2×2 blocks.

    The diagonal Haar coefficient of a block holds noise of unchanged variance and hardly any structure;
    a trimmed mean of its square is robust against what structure there is, and, unlike the median,
    does not collapse on images of few grey values.

    Parameters
    ----------
    planes
        Shape (P, S, Y, X).
    valid
        Booleans, shape (P, 1, Y, X): false pixels are left out.
    """
    y, x = planes.shape[-2] // 2 * 2, planes.shape[-1] // 2 * 2
    if min(y, x) < 2:
        return _constant(planes, valid)
    a, b = planes[..., 0:y:2, 0:x:2], planes[..., 0:y:2, 1:x:2]
    c, d = planes[..., 1:y:2, 0:x:2], planes[..., 1:y:2, 1:x:2]
    whole = valid[..., 0:y:2, 0:x:2] & valid[..., 0:y:2, 1:x:2]
    whole = whole & valid[..., 1:y:2, 0:x:2] & valid[..., 1:y:2, 1:x:2]
    whole = whole.expand_as(a)
    detail = ((a - b - c + d) / 2)[whole]  # (N,)
    level = ((a + b + c + d) / 4)[whole]
    if detail.numel() < 16 * _LEVELS:
        return _constant(planes, valid)
    step = max(1, detail.numel() // _SAMPLE)
    detail, level = detail[::step], level[::step]
    order = level.argsort()
    chunks = torch.tensor_split(order, _LEVELS)
    levels = torch.stack([level[i].mean() for i in chunks])
    variances = torch.stack([_trimmed_energy(detail[i]) for i in chunks])
    return NoiseCurve(levels, variances.clamp_min(0.0))


def _trimmed_energy(detail: Tensor) -> Tensor:
    energy = detail.square().sort().values
    return energy[: max(1, int(_TRIM * energy.numel()))].mean() / _TRIMMED_ENERGY


def _constant(planes: Tensor, valid: Tensor) -> NoiseCurve:
    # Too little to tell noise from signal: half the variance of neighbours' differences, or of all.
    values = planes[valid.expand_as(planes)]
    spread = values.diff().square().mean() / 2 if values.numel() > 1 else values.new_zeros(())
    return NoiseCurve(values.mean().reshape(1), spread.reshape(1))
