"""Photon counts: values that are whole multiples of a step, and vary just as counts do."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..config import Config
from .noise import estimate
from .stack import Stack

#: Planes and values that are looked at.
_PLANES, _VALUES = 8, 1_000_000
#: A count has no more different values than this.
_DIFFERENT = 4096
#: Counts below this say little: their noise is coarse.
_LEAST = 3.0
#: Variances over those of counts: what the mean over each third of the levels must exceed, or fall short of
#: by no more than so many standard errors, and what a quarter of the levels must not exceed. Texture adds to
#: a variance, and nothing takes from it.
_LOW, _ERRORS, _HIGH = 0.92, 3.0, 1.3
#: With so few pixels that less than this would do, nothing is believed.
_LOWEST = 0.8
#: Read noise in photons that is as good as none: 0 would mean that it is not known.
_NO_READ_NOISE = 1e-3
#: Brightness must change by this factor at least: noise of one strength has the right variance somewhere.
_RANGE = 2.0


def with_step(config: Config, step: float) -> Config:
    """Return `config` with the noise of photon counts of `step` told; as it is if `step` is 0.

    The noise of counts is known: their variance is their mean.
    """
    if not step or not _wanted(config):
        return config
    return config.replace(gain=step, offset=0.0, read_noise=_NO_READ_NOISE * step)


def step_if_wanted(stack: Stack, config: Config) -> float:
    """Return :func:`photon_step`, or 0 where `config` tells the noise, or does not want to know."""
    return photon_step(stack) if _wanted(config) else 0.0


def _wanted(config: Config) -> bool:
    return config.counts and not config.knows_noise


def photon_step(stack: Stack) -> float:
    """Return the grey values for each photon, or 0 if a channel of `stack` does not look like counts.

    Counts are whole multiples of a step, from 0 on, and their variance is the step times their mean at all
    levels, or somewhat more where there is fine texture.
    """
    if stack.array.shape[3] > 1:
        return 0.0
    steps = [_step_of(stack, c) for c, m in enumerate(stack.maps) if m.scale > 0]
    same = all(step and abs(step - steps[0]) <= 1e-3 * steps[0] for step in steps)
    return steps[0] if same else 0.0


def _step_of(stack: Stack, channel: int) -> float:
    array = stack.array[channel, :, :, 0].reshape(-1, *stack.array.shape[4:])  # (T·Z, Y, X)
    some = _middle(array[:: max(1, -(-len(array) // _PLANES))])
    step = step_between(some)
    if not step:
        return 0.0
    intensity = stack.maps[channel]
    mapped = torch.from_numpy(intensity.forward(some))[:, None]  # (P, 1, Y, X)
    curve = estimate(mapped, mapped.isfinite())
    means = (curve.levels.double() * intensity.scale + intensity.low) / step  # in counts
    ratios = (curve.variances.double() * (intensity.scale / step) ** 2 / means)[means >= _LEAST]
    means = means[means >= _LEAST]
    if len(means) < 3 or float(means.max()) < _RANGE * float(means.min()):
        return 0.0
    thirds = torch.tensor_split(ratios, 3)
    # Four pixels make one sample of the noise; a trimmed mean is a bit less exact than the mean.
    samples = mapped.numel() / 4 * len(ratios) / len(curve.levels) / 3
    low = min(_LOW, 1.0 - _ERRORS * 1.2 * (2 / samples) ** 0.5)
    least, usual = min(float(part.mean()) for part in thirds), float(ratios.quantile(0.25))
    return step if least >= low >= _LOWEST and usual <= _HIGH else 0.0


def _middle(planes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the middle of all planes, of no more than the usual number of values."""
    count, y, x = planes.shape
    side = int((_VALUES / count) ** 0.5)
    rows = min(y, max(side, _VALUES // (count * x)))
    columns = min(x, _VALUES // (count * rows))
    top, left = (y - rows) // 2, (x - columns) // 2
    return planes[:, top : top + rows, left : left + columns]


def step_between(values: npt.NDArray[Any]) -> float:
    """Return the step that all `values` are whole multiples of, or 0 if there is none.

    Rounding to whole grey values is allowed for, so that counts times 333.3 are found in integers.
    """
    found = np.unique(values[np.isfinite(values)]).astype(np.float64)
    if not 3 <= len(found) <= _DIFFERENT or found[0] < 0:
        return 0.0
    slack = 0.51 if values.dtype.kind in "ui" else 1e-6 * float(found[-1])
    gaps = np.diff(found)
    gaps = gaps[gaps > (slack if values.dtype.kind == "f" else 0)]
    if not len(gaps):
        return 0.0
    step = float(gaps.min())
    if step == 1.0 and values.dtype.kind in "ui":
        return step
    for most in (4, 16, 64, 256, 1024, np.inf):  # from a few on to all, ever more exactly
        near = found[found <= most * step]
        times = np.round(near / step)
        if times.any():
            step = float(near @ times / (times @ times))
    off = np.abs(found - step * np.round(found / step)).max()
    return step if off <= slack and off < 0.05 * step else 0.0
