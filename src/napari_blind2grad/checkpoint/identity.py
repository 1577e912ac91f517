"""What a checkpoint belongs to: one image, its settings, this version."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import __version__
from ..axes import parse_axes
from ..config import Config
from ..errors import InputError

#: The engine itself sees to these: a run may go on with others.
_FREE = ("device", "threads")
_WAYS = {True: "tile by tile", False: "in memory"}


def identify(image: npt.ArrayLike, axes: str | None, config: Config) -> dict[str, Any]:
    """Return what tells a run from all others, as JSON can hold it.

    Parameters
    ----------
    image, axes, config
        As in :func:`napari_blind2grad.denoise`.

    Raises
    ------
    InputError
        If `axes` do not fit `image`.
    """
    array = np.asarray(image)
    digest = hashlib.sha256()
    for part in (
        array if array.ndim > 2 else [array]
    ):  # plane by plane: a view may not be contiguous
        digest.update(np.ascontiguousarray(part).tobytes())
    return describe(
        array.shape,
        array.dtype,
        parse_axes(axes, array.shape).letters,
        digest.hexdigest(),
        config,
    )


def describe(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    axes: str,
    digest: str,
    config: Config,
    *,
    tiled: bool = False,
) -> dict[str, Any]:
    """Return the same from what is known of the image already.

    Parameters
    ----------
    shape, dtype, axes
        Of the image.
    digest
        A hash of its pixels, or of enough of them.
    config
        Settings of the run.
    tiled
        Whether it goes tile by tile.
    """
    settings = config.to_dict()
    return {
        "version": __version__,
        "shape": list(shape),
        "dtype": dtype.str,
        "axes": axes,
        "image": digest,
        "tiled": tiled,
        "config": {name: value for name, value in settings.items() if name not in _FREE},
    }


def check_identity(stored: Mapping[str, Any], own: Mapping[str, Any], folder: Path) -> None:
    """Refuse a checkpoint of another run.

    Raises
    ------
    InputError
        If `stored`, from the checkpoint in `folder`, is not `own`; the message says in what they differ.
    """
    way_out = f"Go on as it was begun, choose another folder, or delete {folder} to begin anew."
    if stored.get("version") != own["version"]:
        raise InputError(
            f"The checkpoint {folder} was made by version {stored.get('version')!s:.40} of blind2grad, and "
            f"this is {own['version']}. Use that version, or delete the folder to begin anew."
        )
    if bool(stored.get("tiled")) != bool(own["tiled"]):
        raise InputError(
            f"The checkpoint {folder} belongs to a run {_WAYS[not own['tiled']]}, and this one goes "
            f"{_WAYS[own['tiled']]} (see --out-of-core and --tile). {way_out}"
        )
    if any(stored.get(name) != own[name] for name in ("shape", "dtype", "axes", "image")):
        raise InputError(f"The checkpoint {folder} belongs to another image. {way_out}")
    theirs, ours = stored.get("config"), own["config"]
    if theirs != ours:
        theirs = theirs if isinstance(theirs, dict) else {}
        differ = [
            f"{name} {theirs.get(name)!s:.40} and not {ours.get(name)}"
            for name in sorted(theirs.keys() | ours.keys())
            if theirs.get(name) != ours.get(name)
        ]
        raise InputError(
            f"The checkpoint {folder} belongs to a run with other settings: "
            f"{', '.join(differ):.400}. {way_out}"
        )
