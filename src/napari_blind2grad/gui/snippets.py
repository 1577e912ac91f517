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
from .record import reasons
from .worker import leave_a_core

#: Files that :func:`~napari_blind2grad.io.read_image` reads.
_READABLE = (".tif", ".tiff")


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
    """

    config: Config
    name: str = "image"
    path: str | None = None
    axes: str = "YX"
    crop: str = ""
    multiscale: bool = False
    notes: tuple[str, ...] = ()


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
        the view, so while the settings are still those of that run, its crop is taken.
    """
    config = leave_a_core(config)
    notes: tuple[str, ...] = ()
    if record is not None:
        same = record.get("config") == config.to_dict() and record.get("axes") == axes
        if same and bool(record.get("crop")) == bool(crop):
            crop, notes = record.get("crop", ""), reasons(record)
        else:
            notes = ("The image shown was made with other settings or another region.",)
    if layer is None:
        return Recipe(config, axes=axes or "YX", crop=crop, notes=notes)
    path = layer.source.path
    readable = path is not None and Path(path).suffix.lower() in _READABLE
    return Recipe(
        config,
        name=layer.name,
        path=str(path) if readable else None,
        axes=axes,
        crop=crop,
        multiscale=layer.multiscale,
        notes=notes,
    )


def python_text(run: Recipe) -> str:
    """Return Python that repeats `run`; without a file it reads from napari's ``viewer``."""
    changes = "".join(f", {key}={value!r}" for key, value in run.config.changes().items())
    lines = [*_comments(run.notes), "from napari_blind2grad import Config, denoise"]
    if run.path:
        lines += [
            "from napari_blind2grad.io import read_image",
            "",
            f"image = read_image({run.path!r}, axes={run.axes!r}).data",
        ]
    else:
        level = "[0]" if run.multiscale else ""
        lines += ["", f"image = viewer.layers[{run.name!r}].data{level}"]
    if run.crop:
        index = index_text(parse_crop(run.crop), run.axes)
        lines.append(f"image = image{index}  # {run.crop}")
    lines += [
        f"config = Config.preset({run.config.base!r}{changes})",
        f"result = denoise(image, axes={run.axes!r}, config=config)",
    ]
    return "\n".join(lines) + "\n"


def command_text(run: Recipe) -> str:
    """Return the command line that repeats `run`; without a file, one that is named like the layer."""
    source = Path(run.path) if run.path else Path(f"{run.name}.tif")
    target = source.with_name(f"{source.name.split('.')[0]}_denoised.ome.tif")
    words = ["blind2grad", "denoise", str(source), "-o", str(target), "--axes", run.axes]
    if run.crop:
        words += ["--crop", run.crop]
    notes = list(run.notes)
    if not run.path:
        notes.append(f"Save the layer “{run.name}” as {source} first: it came from no TIFF file.")
    command = shlex.join(words + config_arguments(run.config))
    return "\n".join([*_comments(notes), command])


def _comments(notes: tuple[str, ...] | list[str]) -> list[str]:
    return [f"# {' '.join(note.split())}" for note in notes]  # on one line each
