"""What the peers that train a network share."""

from __future__ import annotations

import os

import numpy as np
import torch


def device() -> torch.device:
    """Return the device of this measurement, from the variable ``BENCH_DEVICE``."""
    name = os.environ.get("BENCH_DEVICE", "auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def start(seed: int) -> torch.device:
    """Seed all draws and return the device."""
    torch.manual_seed(seed)
    return device()


def tensor(image: np.ndarray, axes: str) -> torch.Tensor:
    """Return a plane (YX or YXS) as a batch of one, channels first, on the device."""
    channels = image[None] if axes == "YX" else np.moveaxis(image, -1, 0)
    return torch.from_numpy(np.ascontiguousarray(channels, dtype=np.float32))[None].to(device())


def array(image: torch.Tensor, axes: str) -> np.ndarray:
    """Return what :func:`tensor` made as an array again."""
    channels = image.detach()[0].cpu().numpy()
    return channels[0] if axes == "YX" else np.moveaxis(channels, 0, -1)


def chain(channels: int, width: int, layers: int, out: int) -> torch.nn.Sequential:
    """Return `layers` 3×3 convolutions with ReLU between them; the last one makes `out` channels."""
    parts: list[torch.nn.Module] = []
    for layer in range(layers):
        last = layer == layers - 1
        source = channels if layer == 0 else width
        parts.append(torch.nn.Conv2d(source, out if last else width, 3, padding=1))
        if not last:
            parts.append(torch.nn.ReLU(inplace=True))
    return torch.nn.Sequential(*parts)
