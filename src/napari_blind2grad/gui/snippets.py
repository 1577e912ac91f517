"""A run, as Python and as a command that do the same."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari.layers import Image

from ..cli.options import config_arguments
from ..config import Config
from ..crop import index_text, parse_crop
from ..sizes import goes_by_tiles
from .adapter import finest
from .record import reasons
from .worker import leave_a_core

#: Files that :func:`~napari_blind2grad.io.read_image` reads.
_READABLE = (".tif", ".tiff")
#: Stands for the folder of a network that was not saved.
UNSAVED = "my-network"


@dataclass(frozen=True)
class Recipe:
    """All that it takes to repeat a run.

    Attributes
    ----------
    config
        The settings, the number of threads among them: sums depend on it in their last bits.
    name, path
        Of the layer: its name, and its file if that can be read without napari.
    axes
        Of its data.
    crop
        The part that is denoised, by :mod:`~napari_blind2grad.crop`; empty for everything.
    multiscale
        Whether the layer's data are a pyramid.
    notes
        Why the text will not give what the window shows; empty if it will.
    applied
        Whether a trained network is applied and none is trained; `config` are then the settings that it is
        applied with.
    network
        The folder of that network; None if it is saved nowhere.
    intensity
        How the image's grey values are taken by it.
    by_tiles
        Whether the image is too large for memory.
    """

    config: Config
    name: str = "image"
    path: str | None = None
    axes: str = "YX"
    crop: str = ""
    multiscale: bool = False
    notes: tuple[str, ...] = ()
    applied: bool = False
    network: str | None = None
    intensity: str = "model"
    by_tiles: bool = False


def recipe(
    config: Config, layer: Image | None, axes: str, crop: str, record: Mapping[str, Any] | None
) -> Recipe:
    """Return how to repeat the run that the window shows, or the one that Run would start now.

    Parameters
    ----------
    config, layer, axes, crop
        What Run would take now; the crop is the chosen region's.
    record
        What the layers' metadata say about the last run on `layer`, if there was one. A region moves with
        the view, so while the settings are still those of that run, its crop is taken. If it applied a
        network, that is repeated, whatever the form shows.
    """
    config = leave_a_core(config)
    notes: tuple[str, ...] = ()
    more: dict[str, Any] = {}
    if record is not None and "network" in record:
        folder = record["network"]["folder"]
        config = Config.from_dict(record["config"])
        axes, crop, notes = record["axes"], record["crop"], reasons(record)
        more = {"applied": True, "network": folder, "intensity": record.get("intensity", "model")}
        if folder is None:
            name = record["network"]["name"]
            notes += (
                f"The network of “{name}” is saved nowhere yet: press Save network… while it is in hand, "
                "copy again, and this works as it stands.",
            )
    elif record is not None:
        same = config.made(record.get("config", {})) and record.get("axes") == axes
        if same and bool(record.get("crop")) == bool(crop):
            crop, notes = record.get("crop", ""), reasons(record)
        else:
            notes = ("The image shown was made with other settings or another region.",)
    if layer is None:
        return Recipe(config, axes=axes or "YX", crop=crop, notes=notes, **more)
    path = layer.source.path
    readable = path is not None and Path(path).suffix.lower() in _READABLE
    more["by_tiles"] = _by_tiles(layer, axes, crop)
    return Recipe(
        config,
        name=layer.name,
        path=str(path) if readable else None,
        axes=axes,
        crop=crop,
        multiscale=layer.multiscale,
        notes=notes,
        **more,
    )


def _by_tiles(layer: Image, axes: str, crop: str) -> bool:
    """Whether the part `crop` of `layer` goes by tiles."""
    data = finest(layer)
    lengths = dict(zip(axes, data.shape, strict=True))
    lengths |= {c: stop - start for c, (start, stop) in parse_crop(crop).items()} if crop else {}
    return goes_by_tiles(data, tuple(lengths.values()))


def python_text(run: Recipe) -> str:
    """Return Python that repeats `run`; without a file it reads from napari's ``viewer``."""
    names = "apply" if run.applied else "Config, denoise"
    if run.by_tiles:
        names += "_volume"
    lines = [*_comments(run.notes), f"from napari_blind2grad import {names}"]
    lazily = ", lazy_above=0" if run.by_tiles else ""
    if run.path:
        lines += [
            "from napari_blind2grad.io import read_image",
            "",
            f"image = read_image({run.path!r}, axes={run.axes!r}{lazily}).data",
        ]
    else:
        level = "[0]" if run.multiscale else ""
        lines += ["", f"image = viewer.layers[{run.name!r}].data{level}"]
    if run.crop:
        index = index_text(parse_crop(run.crop), run.axes)
        lines.append(f"image = image{index}  # {run.crop}")
    target = f", {f'{run.name}_denoised.ome.zarr'!r}" if run.by_tiles else ""
    if run.applied and run.by_tiles:
        given = f"axes={run.axes!r}, intensity={run.intensity!r}"
        lines.append(f"apply_volume({run.network or UNSAVED!r}, image{target}, {given})")
        return "\n".join(lines) + "\n"
    if run.applied:
        given = "".join(f", {key}={value!r}" for key, value in _application(run).items())
        lines.append(f"result = apply({run.network or UNSAVED!r}, image, axes={run.axes!r}{given})")
        return "\n".join(lines) + "\n"
    changes = "".join(f", {key}={value!r}" for key, value in run.config.changes().items())
    lines += [
        f"config = Config.preset({run.config.base!r}{changes})",
        f"denoise_volume(image{target}, axes={run.axes!r}, config=config)"
        if run.by_tiles
        else f"result = denoise(image, axes={run.axes!r}, config=config)",
    ]
    return "\n".join(lines) + "\n"


def command_text(run: Recipe) -> str:
    """Return the command line that repeats `run`; without a file, one that is named like the layer."""
    source = Path(run.path) if run.path else Path(f"{run.name}.tif")
    target = source.with_name(f"{source.name.split('.')[0]}_denoised.ome.tif")
    does = ["apply", run.network or UNSAVED] if run.applied else ["denoise"]
    words = ["blind2grad", *does, str(source), "-o", str(target), "--axes", run.axes]
    if run.crop:
        words += ["--crop", run.crop]
    notes = list(run.notes)
    if not run.path:
        notes.append(f"Save the layer “{run.name}” as {source} first: it came from no TIFF file.")
    if run.applied:
        words += [f"--{name}={value}" for name, value in _application(run).items()]
    else:
        words += config_arguments(run.config)
    command = shlex.join(words)
    return "\n".join([*_comments(notes), command])


def _application(run: Recipe) -> dict[str, Any]:
    """Return what may differ from the training when a network is applied."""
    config = run.config
    return {
        "intensity": run.intensity,
        "device": config.device,
        "precision": config.precision,
        "threads": config.threads,
        "dtype": config.dtype,
    }


def _comments(notes: tuple[str, ...] | list[str]) -> list[str]:
    return [f"# {' '.join(note.split())}" for note in notes]  # on one line each
