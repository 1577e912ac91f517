"""Networks for other programs, in the format of the BioImage Model Zoo: :func:`export_model`."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import warnings
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import __version__
from ..engine.blur import blur
from ..engine.stack import grouped
from ..errors import ConfigError, InputError, OutputError
from ..io import check_place, whole_file
from .files import Model, load_model
from .plain import Plain

_FORM = "0.5.3"
#: Narrower ranges of values are refused by the format.
_NARROWEST = 1e-6
_PAPER = "Song, Shuai, Si, Li: Blind2Grad. AIMS Mathematics 10(6), 2025."
_DOI = "10.3934/math.2025637"


def export_model(
    model: str | os.PathLike[str] | Model,
    path: str | os.PathLike[str],
    *,
    channel: int | None = None,
    name: str = "",
    authors: Sequence[str] = (),
    license_id: str | None = None,
) -> Path:
    """Write a network as a package of the BioImage Model Zoo (format 0.5), for other programs.

    It holds TorchScript, the intensity map as steps before and after it, a test image with its result, and
    a description. What it computes is the network on the whole image, averaged over all orientations: without
    the masks, T-standout and the last filter of :func:`~napari_blind2grad.apply`.

    Parameters
    ----------
    model
        A folder made by :meth:`Result.save_model <napari_blind2grad.Result.save_model>`, or what
        :func:`load_model` made of it.
    path
        The file to write: ``.zip``. It appears when it is whole.
    channel
        Whose network, and whose intensity map; may be None where there is but one.
    name
        Of the model; that of its folder when empty.
    authors
        Names of those who trained it.
    license_id
        SPDX identifier of the licence under which it is passed on, such as ``CC-BY-4.0``.

    Returns
    -------
    pathlib.Path
        The file written.

    Raises
    ------
    InputError
        If the folder is no model, or the channel has no network.
    ConfigError
        If the channel must be named, or the licence is none.
    OutputError
        If the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".zip":
        raise OutputError(f"{path} must end in .zip.")
    check_place(path)
    if license_id is not None and not re.fullmatch(r"[A-Za-z0-9.+-]+", license_id):
        raise ConfigError(f"{license_id!r} is no SPDX identifier of a licence, such as CC-BY-4.0.")
    found = model if isinstance(model, Model) else load_model(model)
    name = name or ("denoiser" if isinstance(model, Model) else Path(model).resolve().name)
    channel, number = _network_of(found, channel)
    trained = found.state.networks[number]
    assert trained is not None
    plain = Plain(trained, found.config, found.state.samples)
    files = _files(found, channel, plain)
    about = {
        "name": _allowed(name),
        "authors": [{"name": author} for author in authors or ("unknown",)],
        "license": license_id,
    }
    content = _description(found, channel, plain, about, files)
    # JSON is YAML, and needs no package.
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    with (
        whole_file(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for member, data in {"bioimageio.yaml": text.encode(), **files}.items():
            archive.writestr(member, data)
    return path


def _network_of(model: Model, channel: int | None) -> tuple[int, int]:
    """Return the channel to export, and the number of its network."""
    numbers = {
        c: number
        for number, group in enumerate(grouped(model.state.maps, model.config.networks))
        if number < len(model.state.networks) and model.state.networks[number] is not None
        for c in group
    }
    if channel is None and len(numbers) > 1:
        raise ConfigError(
            f"The model has networks for the channels {', '.join(map(str, numbers))}, and a package holds "
            "one. Choose with --channel (in Python channel=)."
        )
    chosen = next(iter(numbers)) if channel is None else channel
    if chosen not in numbers:
        raise InputError(f"Channel {chosen} has no trained network.")
    if (scale := model.state.maps[chosen].scale) < _NARROWEST:
        raise InputError(
            f"The values of channel {chosen} lie within {scale:.3g}, narrower than the format can tell. "
            "Multiply the image by a number, and train anew."
        )
    return chosen, numbers[chosen]


def _files(model: Model, channel: int, plain: Plain) -> dict[str, bytes]:
    """Return what the package holds, by name, beside its description."""
    intensity = model.state.maps[channel]
    least = [size["min"] for size in _sizes(plain).values()]
    least[-1] += plain.network.multiple  # not square, so that a mixed-up axis is noticed
    shown = _test_image((1, model.state.samples, *least), plain)
    with torch.no_grad():
        result = plain(shown)
    found = {
        "weights.pt": _recorded(plain, shown),
        "README.md": _readme(model, channel, plain).encode(),
    }
    for name, tensor in (("test_input.npy", shown), ("test_output.npy", result)):
        data = io.BytesIO()
        values = tensor.numpy() * np.float32(intensity.scale) + np.float32(intensity.low)
        np.save(data, values, allow_pickle=False)
        found[name] = data.getvalue()
    return found


def _description(
    model: Model, channel: int, plain: Plain, about: dict[str, Any], files: dict[str, bytes]
) -> dict[str, Any]:
    """Return the content of ``bioimageio.yaml``."""
    intensity = model.state.maps[channel]
    mapped = dict(mean=intensity.low, std=intensity.scale)
    back = dict(gain=intensity.scale, offset=intensity.low)
    there = [{"id": "fixed_zero_mean_unit_variance", "kwargs": mapped}]
    again = [{"id": "scale_linear", "kwargs": back}]

    def file(name: str) -> dict[str, str]:
        return {"source": name, "sha256": hashlib.sha256(files[name]).hexdigest()}

    return {
        "format_version": _FORM,
        "type": "model",
        **{key: value for key, value in about.items() if value is not None},
        "description": "Denoises images like the one that it was trained on, with Blind2Grad.",
        "cite": [{"text": _PAPER, "doi": _DOI}],
        "documentation": "README.md",
        "tags": ["denoising", "self-supervised", "zero-shot", "blind2grad"],
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": [
            {
                "id": "noisy",
                "description": "The noisy image, in its own units.",
                "axes": _axes(plain, model.state.samples, out=False),
                "test_tensor": file("test_input.npy"),
                "data": {"type": "float32"},
                "preprocessing": there,
            }
        ],
        "outputs": [
            {
                "id": "denoised",
                "description": "The denoised image, in the same units.",
                "axes": _axes(plain, model.state.samples, out=True),
                "test_tensor": file("test_output.npy"),
                "data": {"type": "float32"},
                # The format takes no step that does nothing.
                "postprocessing": [] if back == dict(gain=1.0, offset=0.0) else again,
            }
        ],
        "weights": {
            "torchscript": {
                **file("weights.pt"),
                "pytorch_version": str(torch.__version__).split("+")[0],
            }
        },
    }


def _test_image(shape: tuple[int, ...], plain: Plain) -> torch.Tensor:
    """Return something smooth with noise, of the brightness and the contrast trained on."""
    generator = torch.Generator().manual_seed(0)
    planes = torch.randn(shape, generator=generator).reshape(-1, 1, *shape[-2:])
    smooth = blur(planes, 4.0, 12)
    smooth = smooth / smooth.std()
    noise = torch.randn(smooth.shape, generator=generator)
    network = plain.network
    return (network.center + network.spread * (0.8 * smooth + 0.3 * noise)).reshape(shape)


def _recorded(plain: Plain, example: torch.Tensor) -> bytes:
    """Return the steps of `plain` as TorchScript, for any size."""
    data = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # TorchScript is going out of fashion, but it is what the zoo's programs read.
        warnings.simplefilter("ignore", DeprecationWarning)
        # Decisions by the number of channels hold for all images.
        jit: Any = torch.jit
        warnings.simplefilter("ignore", jit.TracerWarning)
        jit.save(jit.trace(plain, example, check_trace=False), data)
    return data.getvalue()


def _around(plain: Plain) -> dict[str, int]:
    """Return, for each axis of space, how far around a tile the image is read."""
    step = plain.network.multiple
    halo = -(-plain.halo // step) * step
    return {**({"z": plain.context} if plain.context else {}), "y": halo, "x": halo}


def _sizes(plain: Plain) -> dict[str, dict[str, int]]:
    """Return, for each axis of space, its least length and the step between lengths."""
    steps = {"z": 1, "y": plain.network.multiple, "x": plain.network.multiple}
    # The format wants something to be left of the smallest tile without what lies around it.
    return {
        axis: {"min": 2 * around + steps[axis], "step": steps[axis]}
        for axis, around in _around(plain).items()
    }


def _axes(plain: Plain, samples: int, *, out: bool) -> list[dict[str, Any]]:
    names = ["red", "green", "blue"] if samples == 3 else [f"channel{i}" for i in range(samples)]
    batch = {"type": "batch", "size": 1} if plain.context else {"type": "batch"}
    axes: list[dict[str, Any]] = [batch, {"type": "channel", "channel_names": names}]
    around = _around(plain)
    for axis, size in _sizes(plain).items():
        same = {"size": {"tensor_id": "noisy", "axis_id": axis}, "halo": around[axis]}
        axes.append({"type": "space", "id": axis, **(same if out else {"size": size})})
    return axes


def _allowed(name: str) -> str:
    """Return `name` in the letters that the format allows."""
    kept = "".join(c if c.isalnum() or c in "_+- ()" else "-" for c in name)
    return kept[:128] if len(kept) >= 5 else f"{kept} denoiser"


def _readme(model: Model, channel: int, plain: Plain) -> str:
    sees = (
        f"It sees {plain.context} planes on each side and takes stacks. " if plain.context else ""
    )
    intensity = model.state.maps[channel]
    return f"""# Denoiser made by napari-blind2grad {__version__}

A small network that was trained on one noisy image, without any clean one, with Blind2Grad (doi {_DOI}),
preset {model.config.base}. {sees}It denoises images of the same sample, microscope and exposure.
On others it may fail.

Grey values around {intensity.low:.6g} to {intensity.low + intensity.scale:.6g} are what it was trained on.

## Validation

Nobody has validated it: there is no clean image. Compare its result with the noisy image, and look at their
difference: it should be noise alone. `napari_blind2grad.quality` has measures that need no clean image.
"""
