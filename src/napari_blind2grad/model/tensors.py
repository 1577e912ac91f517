"""``weights.safetensors``, read without trust: names, shapes and types are checked before any number is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..engine.network import UNet
from ..engine.warm import Weights
from ..errors import InputError
from .check import Description, Numbers, folder_files

_KINDS = {torch.float32: "F32", torch.int64: "I64"}


def tensor_names(number: int, part: str, weights: Weights) -> dict[str, Tensor]:
    """Return the `weights` of one network by the names that they have in the file."""
    return {f"{number}.{part}.{name}": value for name, value in weights.items()}


def read_networks(
    folder: Path, described: Description
) -> list[tuple[Weights, Weights | None] | None]:
    """Return weights and guide of each network that `described` names.

    Raises
    ------
    InputError
        If the file is no safetensors file, or its tensors are not those of the networks described.
    """
    path = folder_files(folder)[0]
    wanted: dict[str, tuple[tuple[int, ...], str]] = {}
    for number, network in enumerate(described.networks):
        if network is not None:
            wanted |= _wanted(number, network, described)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            _check(file, wanted, path)
            tensors = {name: file.get_tensor(name).clone() for name in wanted}
    except InputError:
        raise
    except (SafetensorError, OSError, ValueError, RuntimeError, MemoryError) as error:
        raise InputError(f"{path} is no safetensors file, or damaged ({error!s:.200}).") from error
    for name, value in tensors.items():
        if not bool(torch.isfinite(value).all()):
            raise InputError(f"{path} is damaged: {name} holds values that are no numbers.")
    return [
        None
        if network is None
        else (
            _part(tensors, f"{number}.final."),
            _part(tensors, f"{number}.guide.") if network.guide else None,
        )
        for number, network in enumerate(described.networks)
    ]


def _wanted(
    number: int, network: Numbers, described: Description
) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return shape and type of each tensor that one network has in the file."""
    neighbours = 2 * network.context * described.samples
    with torch.device("meta"):  # no memory, however wide the network claims to be
        weights = UNet(described.samples, neighbours, described.config).state_dict()
    parts = ("final", "guide") if network.guide else ("final",)
    return {
        f"{number}.{part}.{name}": (tuple(value.shape), _KINDS[value.dtype])
        for part in parts
        for name, value in weights.items()
    }


def _check(file: Any, wanted: dict[str, tuple[tuple[int, ...], str]], path: Path) -> None:
    names = set(file.keys())
    if missing := sorted(wanted.keys() - names):
        raise InputError(f"{path} lacks {len(missing)} tensors, such as {missing[0]}.")
    if unknown := sorted(names - wanted.keys()):
        raise InputError(f"{path} holds tensors that no network has, such as {unknown[0]:.100}.")
    for name, (shape, kind) in wanted.items():
        part = file.get_slice(name)
        if tuple(part.get_shape()) != shape:
            raise InputError(
                f"{path}: {name} has the shape {tuple(part.get_shape())}, the network {shape}."
            )
        if part.get_dtype() != kind:
            raise InputError(f"{path}: {name} has the type {part.get_dtype()}, not {kind}.")


def _part(tensors: dict[str, Tensor], start: str) -> Weights:
    return {n.removeprefix(start): v for n, v in tensors.items() if n.startswith(start)}
