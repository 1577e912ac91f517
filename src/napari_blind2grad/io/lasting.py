"""Zarr arrays whose pixels outlive the process that writes them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def sync(array: Any, place: Sequence[slice]) -> None:
    """Have the blocks of `array` in `place` reach the disk."""
    folder = Path(array.store.root) / array.path
    spans = [
        range(s.indices(n)[0] // b, -(-s.indices(n)[1] // b))
        for s, n, b in zip(place, array.shape, array.chunks, strict=True)
    ]
    for block in itertools.product(*spans):
        handle = os.open(folder / array.metadata.encode_chunk_key(block), os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def group_again(path: Path, zarr_format: int) -> Any:
    """Return the group that a process which was killed has left in `path`; None if there is none."""
    import zarr

    for half in path.rglob("*.partial"):  # blocks that zarr was writing
        half.unlink()
    try:
        group = zarr.open_group(path, mode="r+")
    except (OSError, ValueError):
        return None
    return group if group.metadata.zarr_format == zarr_format else None


def array_again(
    group: Any, shape: tuple[int, ...], dtype: np.dtype[Any], blocks: tuple[int, ...]
) -> Any:
    """Return the array ``0`` of `group`, to be gone on with; None if it is not there, or another."""
    import zarr

    found = group.get("0")
    if not isinstance(found, zarr.Array):
        return None
    same = (found.shape, found.dtype, found.chunks) == (shape, dtype, blocks)
    return found.with_config({"write_empty_chunks": True}) if same else None
