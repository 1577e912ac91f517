"""What was clicked, as Python and as a command that do the same."""

from __future__ import annotations

import shlex
from pathlib import Path

from ..cli.options import config_arguments
from ..config import Config


def python_text(config: Config, *, name: str, path: str | None, axes: str) -> str:
    """Return Python that denoises the whole image with `config`.

    Parameters
    ----------
    config
        The settings.
    name
        Name of the layer, read from napari's ``viewer`` if there is no file.
    path
        File that the layer came from.
    axes
        Axes of its data.
    """
    changes = "".join(f", {key}={value!r}" for key, value in config.changes().items())
    lines = ["from napari_blind2grad import Config, denoise"]
    if path:
        lines += [
            "from napari_blind2grad.io import read_image",
            "",
            f"image = read_image({path!r}, axes={axes!r}).data",
        ]
    else:
        lines += ["", f"image = viewer.layers[{name!r}].data"]
    lines += [
        f"config = Config.preset({config.base!r}{changes})",
        f"result = denoise(image, axes={axes!r}, config=config)",
    ]
    return "\n".join(lines) + "\n"


def command_text(config: Config, *, name: str, path: str | None, axes: str) -> str:
    """Return the command line that denoises the file `path` with `config`.

    Parameters
    ----------
    config
        The settings.
    name
        Name of the layer; stands for the file's name if there is none.
    path
        File that the layer came from.
    axes
        Axes of its data.
    """
    source = Path(path) if path else Path(f"{name}.tif")
    target = source.with_name(f"{source.name.split('.')[0]}_denoised.ome.tif")
    words = ["blind2grad", "denoise", str(source), "-o", str(target), "--axes", axes]
    return shlex.join(words + config_arguments(config))
