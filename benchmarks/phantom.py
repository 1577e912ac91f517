"""A generated volume without noise: smooth blobs, filaments and sharp edges, in 0 to 1."""

from __future__ import annotations

import numpy as np

SHAPE = (16, 256, 256)


def volume(seed: int, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """Return the phantom of `seed`: what it holds is drawn anew for each, what kinds of things is not."""
    random = np.random.default_rng(seed)
    z, y, x = np.meshgrid(
        *(np.arange(n, dtype=np.float32) for n in shape), indexing="ij", sparse=True
    )
    image = np.broadcast_to(0.04 + 0.05 * y / shape[1] + 0.03 * x / shape[2], shape).copy()
    area = shape[1] * shape[2]
    for _ in range(max(2, area // 450)):
        _blob(image, (z, y, x), random)
    for _ in range(max(2, area // 1500)):
        _filament(image, random)
    for _ in range(max(2, area // 3000)):
        _block(image, random)
    return np.clip(image, 0, 1).astype(np.float32)


def _blob(image: np.ndarray, grid: tuple[np.ndarray, ...], random: np.random.Generator) -> None:
    """Add a Gaussian blob, wider in the plane than across planes."""
    centre = random.uniform(0, 1, 3) * image.shape
    width = random.uniform((1.0, 2.0, 2.0), (2.5, 8.0, 8.0))
    box = _box(centre, 4 * width, image.shape)
    parts = (
        ((g[tuple(s if n > 1 else slice(None) for s, n in zip(box, g.shape, strict=True))] - c) / w)
        ** 2
        for g, c, w in zip(grid, centre, width, strict=True)
    )
    image[box] += random.uniform(0.1, 0.7) * np.exp(-sum(parts) / 2)


def _filament(image: np.ndarray, random: np.random.Generator) -> None:
    """Paint a bent line about three voxels thick; the brighter of line and image stays."""
    steps = 4 * (image.shape[1] + image.shape[2])
    turn = np.cumsum(random.normal(0, 0.03, steps)) + random.uniform(0, 2 * np.pi)
    path = (
        np.stack(
            [
                np.cumsum(np.full(steps, random.normal(0, 0.02))),
                np.cumsum(0.25 * np.sin(turn)),
                np.cumsum(0.25 * np.cos(turn)),
            ],
            axis=1,
        )
        + random.uniform(0, 1, 3) * image.shape
    )
    bright, width = random.uniform(0.3, 0.9), random.uniform(0.6, 1.3)
    for centre in path[::2]:
        if not all(-2 < c < n + 1 for c, n in zip(centre, image.shape, strict=True)):
            break
        box = _box(centre, np.full(3, 4 * width), image.shape)
        axes = np.ogrid[box]
        distance = sum((g - c) ** 2 for g, c in zip(axes, centre, strict=True))
        np.maximum(image[box], bright * np.exp(-distance / (2 * width**2)), out=image[box])


def _block(image: np.ndarray, random: np.random.Generator) -> None:
    """Set a box or an ellipsoid to one value: an edge as sharp as voxels allow."""
    centre = random.uniform(0, 1, 3) * image.shape
    radius = random.uniform((1.5, 3, 3), (5, 14, 14))
    box = _box(centre, radius, image.shape)
    value = random.uniform(0.15, 0.8)
    if random.uniform() < 0.5:
        image[box] = value
        return
    parts = (((g - c) / r) ** 2 for g, c, r in zip(np.ogrid[box], centre, radius, strict=True))
    inside = sum(parts) <= 1
    image[box][inside] = value


def _box(centre: np.ndarray, reach: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, ...]:
    low = np.clip(np.floor(centre - reach), 0, shape).astype(int)
    high = np.clip(np.ceil(centre + reach) + 1, 0, shape).astype(int)
    return tuple(slice(a, max(a, b)) for a, b in zip(low, high, strict=True))
