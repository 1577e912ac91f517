"""Which device computes, and how."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..errors import ConfigError
from .allocator import kept


def available_devices() -> list[tuple[str, str]]:
    """Return names that ``Config.device`` takes and what they are, fastest first."""
    found = [
        (f"cuda:{i}", torch.cuda.get_device_name(i))
        for i in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    ]
    if torch.backends.mps.is_available():
        found.append(("mps", "Apple GPU"))
    return [*found, ("cpu", _cpu_name())]


def _cpu_name() -> str:
    cores = os.cpu_count() or 1
    name = platform.processor() or platform.machine() or "CPU"
    return f"{name}, {cores} cores" if cores > 1 else name


def choose_device(name: str) -> torch.device:
    """Return the device called `name`; ``"auto"`` takes the fastest there is.

    Raises
    ------
    ConfigError
        If this computer has no such device.
    """
    known = [device for device, _ in available_devices()]
    if name == "auto":
        return torch.device(known[0])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in known:
        raise ConfigError(
            f"There is no device {name!r} on this computer: choose one of {', '.join(known)} or auto."
        )
    return torch.device(wanted)


def describe(device: torch.device) -> str:
    """Return the device's name for people, such as ``"CPU (x86_64, 8 cores)"``."""
    label = device.type.upper()
    return next(
        (f"{label} ({text})" for name, text in available_devices() if name == str(device)), label
    )


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Return the type to compute in; ``"auto"`` takes bfloat16 where the hardware has it."""
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    if device.type == "cuda":
        fast = torch.cuda.get_device_capability(device)[0] >= 8
    elif device.type == "cpu":
        # oneDNN emulates bfloat16 without these, slower than float32.
        fast = _cpu_has("_is_avx512_bf16_supported") or _cpu_has("_is_amx_tile_supported")
    else:
        fast = False
    return torch.bfloat16 if fast else torch.float32


def _cpu_has(feature: str) -> bool:
    # These queries are private to PyTorch and young: absent means unknown, and float32 is always right.
    query = getattr(torch.cpu, feature, None)
    return bool(query is not None and query())


@contextmanager
def computing(count: int) -> Iterator[None]:
    """Compute with `count` CPU threads inside the block; 0 leaves their number as it is.

    The number belongs to the whole process, so it is given back. Freed memory is kept meanwhile.
    """
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        with kept():
            yield
    finally:
        if count:
            torch.set_num_threads(before)
