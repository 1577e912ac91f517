"""The input, checked and brought into the engine's form: planes of normalised float32 on the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..axes import Axes, parse_axes
from ..config import Config
from ..errors import InputError
from . import normalize
from .blur import blur

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Stack:
    """A checked input.

    Attributes
    ----------
    array
        The input viewed as ``CTZSYX``, native byte order, colour without alpha.
    original
        The input as it came, as a numpy array.
    axes
        Axes of `original`.
    maps
        One intensity map for each channel; scale 0 marks a blank channel.
    notes
        What the user should know.
    """

    array: Array
    original: Array
    axes: Axes
    maps: tuple[normalize.IntensityMap, ...]
    notes: tuple[str, ...]

    @property
    def has_alpha(self) -> bool:
        """Whether the last colour sample is an alpha that is passed through."""
        return self.axes.length("S") == 4

    def groups(self, networks: str) -> list[list[int]]:
        """Return the channels that each network is trained on, blank ones left out."""
        return grouped(self.maps, networks)


def grouped(maps: tuple[normalize.IntensityMap, ...], networks: str) -> list[list[int]]:
    """Return the channels with `maps` that each network is trained on, blank ones left out."""
    busy = [c for c, m in enumerate(maps) if m.scale > 0]
    return [busy] if networks == "one" else [[c] for c in busy]


def check(image: npt.ArrayLike, axes: str | None) -> Stack:
    """Check `image` and bring it into the engine's axes; nothing is copied unless it must be.

    Raises
    ------
    InputError
        If the image is empty, constant, complex, boolean or not numeric, has no finite value, or does
        not fit `axes`.
    """
    original = np.asarray(image)
    check_dtype(original.dtype)
    layout = parse_axes(axes, original.shape)
    if original.size == 0:
        raise InputError(
            f"The image is empty (shape {original.shape}): there is nothing to denoise."
        )
    array = layout.to_canonical(original)
    if layout.length("S") == 4:
        array = array[:, :, :, :3]
    notes: list[str] = []
    finite = np.isfinite(array) if array.dtype.kind == "f" else None
    if finite is not None and not finite.all():
        broken = finite.size - int(finite.sum())
        if broken == finite.size:
            raise InputError("The image has no finite value: every pixel is NaN or infinite.")
        notes.append(f"{broken} NaN or infinite values are ignored and kept as they are.")
    maps = tuple(_fit(array[c]) for c in range(array.shape[0]))
    blank = [c for c, m in enumerate(maps) if m.scale == 0]
    if len(blank) == len(maps):
        raise InputError(
            "The image is constant: all its pixels are equal, there is nothing to denoise."
        )
    if blank:
        named = ", ".join(str(c) for c in blank)
        notes.append(f"Channel {named} is constant and is passed through unchanged.")
    return Stack(array, original, layout, maps, tuple(notes))


def _fit(channel: Array) -> normalize.IntensityMap:
    if channel.dtype.kind == "f" and not np.isfinite(channel).any():
        return normalize.IntensityMap(0.0, 0.0)
    return normalize.fit(channel)


def check_dtype(dtype: np.dtype[np.generic]) -> None:
    """Raise :class:`InputError` where pixels of type `dtype` cannot be denoised."""
    if dtype.kind not in "uif":
        raise InputError(_refusal(dtype))


def _refusal(dtype: np.dtype[np.generic]) -> str:
    if dtype.kind == "c":
        return "The image is complex: denoise its magnitude, or its real and imaginary parts apart."
    if dtype.kind == "b":
        return "The image is a yes/no mask (bool): denoise the image that it was made from."
    return f"The image has the type {dtype}: only whole or real numbers can be denoised."


@dataclass(frozen=True)
class Planes:
    """What one network trains on: all planes of its channels, on the device.

    Rows and columns are padded at the end to what the network's poolings divide; padding, like NaN, is
    *invalid*: it is never visible to the network and never counts in the loss. (A reflected border would
    show the network a second copy of its blind pixels.)

    Attributes
    ----------
    noisy
        Shape (P, S, H, W), float32, 0 at invalid pixels.
    valid
        Shape (P, 1, H, W), bool.
    neighbours
        Plane numbers of each plane's context, shape (P, K), int64; K is 0 in 2D.
    context
        `noisy` with invalid pixels filled smoothly, for use as a neighbour; the same tensor as `noisy`
        where nothing is invalid.
    index
        (C, T, Z) of each plane.
    height, width
        Without the padding.
    maps
        The intensity map of each channel of the image.
    numbers
        Running number of each plane in the whole image, which its masks depend on; empty where that is
        its place here.
    origin
        Row and column of the whole planes at which these ones begin, where they are a part of them.
    """

    noisy: Tensor
    valid: Tensor
    neighbours: Tensor
    context: Tensor
    index: tuple[tuple[int, int, int], ...]
    height: int
    width: int
    maps: tuple[normalize.IntensityMap, ...] = ()
    numbers: tuple[int, ...] = ()
    origin: tuple[int, int] = (0, 0)

    def number(self, plane: int) -> int:
        """Return the running number of `plane` in the whole image."""
        return self.numbers[plane] if self.numbers else plane

    def __len__(self) -> int:
        return len(self.index)

    def volumes(self) -> Iterator[tuple[slice | int, slice | int]]:
        """Yield the index (P, S) of what may be filtered together: planes along Z, or a plane's samples."""
        depth = len({z for _, _, z in self.index}) if self.neighbours.shape[1] else 1
        for first in range(0, len(self), depth):
            if depth == 1:
                yield first, slice(None)
            else:
                for sample in range(self.noisy.shape[1]):
                    yield slice(first, first + depth), sample


def load(
    stack: Stack, channels: list[int], config: Config, device: torch.device, multiple: int
) -> Planes:
    """Normalise the planes of `channels` and move them to `device`.

    Parameters
    ----------
    stack
        The checked input.
    channels
        Channels of one network.
    config
        For the patch size and the number of neighbour planes.
    device
        Where they shall stay.
    multiple
        Rows and columns are padded to a multiple of this.
    """
    _, t, z, s, y, x = stack.array.shape
    height, width = (-(-n // multiple) * multiple for n in (y, x))
    noisy = np.zeros((len(channels) * t * z, s, height, width), np.float32)
    valid = np.zeros((len(noisy), 1, height, width), bool)
    for i, c in enumerate(channels):
        part = slice(i * t * z, (i + 1) * t * z)
        mapped = stack.maps[c].forward(stack.array[c].reshape(t * z, s, y, x))
        finite = np.isfinite(mapped)
        noisy[part, :, :y, :x] = np.where(finite, mapped, 0.0)
        valid[part, :, :y, :x] = finite.all(1, keepdims=True)
    index = tuple((c, i, j) for c in channels for i in range(t) for j in range(z))
    tensor, mask = torch.from_numpy(noisy).to(device), torch.from_numpy(valid).to(device)
    context = context_planes(config, z)
    return Planes(
        noisy=tensor * mask,
        valid=mask,
        neighbours=_neighbours(len(noisy), z, context).to(device),
        context=filled(tensor, mask) if context and not bool(mask.all()) else tensor,
        index=index,
        height=y,
        width=x,
        maps=stack.maps,
    )


def context_planes(config: Config, depth: int) -> int:
    """Return how many planes on each side the network sees in a stack of `depth` planes."""
    if config.dimensions == "2D" or depth < 2:
        return 0
    return min(config.context, depth - 1)


def _neighbours(planes: int, depth: int, context: int) -> Tensor:
    if not context:
        return torch.zeros((planes, 0), dtype=torch.long)
    z = torch.arange(planes) % depth
    return neighbouring(z, depth, context) + (torch.arange(planes) - z)[:, None]


def neighbouring(z: Tensor, depth: int, context: int) -> Tensor:
    """Return the planes that are seen with each plane `z` (P,) of a stack of `depth` planes: shape (P, K)."""
    offsets = torch.tensor([d for d in range(-context, context + 1) if d])
    wanted = z[:, None] + offsets[None, :]  # (P, K)
    wanted = wanted.abs()
    wanted = torch.where(wanted > depth - 1, 2 * (depth - 1) - wanted, wanted).clamp(0, depth - 1)
    # In thin stacks a reflected neighbour may be the plane itself, which would show its blind pixels.
    itself = wanted == z[:, None]
    return torch.where(itself, torch.where(z[:, None] > 0, z[:, None] - 1, z[:, None] + 1), wanted)


def filled(noisy: Tensor, valid: Tensor) -> Tensor:
    """Return planes (P, S, H, W) with pixels that are not `valid` (P, 1, H, W) filled smoothly."""
    out = noisy.clone()
    for i in range(len(noisy)):
        keep = valid[i : i + 1].float()
        smooth = blur(noisy[i : i + 1] * keep, 2.0, 6) / blur(keep, 2.0, 6).clamp_min(1e-3)
        out[i] = torch.where(valid[i], noisy[i], smooth[0])
    return out
