"""Model folders in and out."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from .. import __version__
from ..config import Config
from ..engine.normalize import IntensityMap
from ..engine.warm import Trained, Warm
from ..errors import OutputError
from ..events import Result
from ..io import whole_folder
from .check import FIELDS, FORM, folder_files, parse, read_description
from .tensors import read_networks, tensor_names

#: By this file a model folder is known.
MARKS = ("model.json",)


@dataclass(frozen=True, eq=False)
class Model:
    """Trained networks and what they were trained with.

    Attributes
    ----------
    config
        Settings of the run.
    axes
        Axes of the image trained on.
    version
        Version of this package that trained them.
    state
        The networks: what :attr:`Result.state <napari_blind2grad.Result.state>` was.
    """

    config: Config
    axes: str
    version: str
    state: Warm


def save_model(path: str | os.PathLike[str], result: Result | Model) -> Path:
    """Save the networks of `result`, or of a loaded model, as the folder `path`: whole or not at all.

    Raises
    ------
    OutputError
        If there is no trained network, or the folder cannot be written.
    """
    path = Path(path)
    state = result.state
    if not isinstance(state, Warm) or not any(state.networks):
        raise OutputError("There is no trained network to save: the run was stopped too early.")
    tensors: dict[str, Tensor] = {}
    for number, network in enumerate(state.networks):
        if network is not None:
            tensors |= tensor_names(number, "final", network.weights)
            tensors |= tensor_names(number, "guide", network.guide or {})
    text = json.dumps(_description(result, state), indent=2, ensure_ascii=False) + "\n"
    with whole_folder(path, replaces=MARKS) as temporary:
        weights, description = folder_files(temporary)
        # Not its save_file, which has an error of its own for a full disk.
        weights.write_bytes(save({name: value.contiguous() for name, value in tensors.items()}))
        description.write_text(text, encoding="utf-8")
        for written in (weights, description):
            with written.open("rb+") as handle:
                os.fsync(handle.fileno())
    return path


def _description(result: Result | Model, state: Warm) -> dict[str, Any]:
    return {
        FIELDS[0]: FORM,
        "version": __version__,
        "config": result.config.to_dict(),
        "axes": result.axes,
        "samples": state.samples,
        "channels": [{"low": m.low, "scale": m.scale} for m in state.maps],
        "networks": [
            {
                "center": n.center,
                "spread": n.spread,
                "context": n.context,
                "guide": n.guide is not None,
            }
            if n is not None
            else None
            for n in state.networks
        ],
    }


def load_model(path: str | os.PathLike[str]) -> Model:
    """Return the model in the folder `path`. Nothing in it is trusted, and nothing is executed.

    Raises
    ------
    InputError
        If the folder is missing or is no model of ours; the message says why.
    """
    path = Path(path)
    described = parse(read_description(path), path)
    weights = read_networks(path, described)
    networks = tuple(
        None
        if found is None or numbers is None
        else Trained(
            weights=found[0],
            guide=found[1],
            center=numbers.center,
            spread=numbers.spread,
            context=numbers.context,
            dilation=described.config.tap_distance,
        )
        for found, numbers in zip(weights, described.networks, strict=True)
    )
    maps = tuple(IntensityMap(low, scale) for low, scale in described.channels)
    state = Warm(networks, maps, described.samples)
    return Model(described.config, described.axes, described.version, state)
