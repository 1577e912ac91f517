"""Reading of OME-Zarr folders that trusts none of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..axes import CANONICAL, Axes, guess_axes
from ..errors import InputError, OutOfMemory
from ..events import Array
from .lazy import LazyArray
from .metadata import NAMESPACE
from .read import ImageFile, stem
from .units import normalize_unit, usable_scale, usable_units

# What zarr and its codecs raise on folders that are broken; zarr's own errors are ValueErrors or OSErrors.
_BROKEN = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    OSError,
)


def read_ngff(path: Path, axes: str | None = None, *, lazy_above: int | None = None) -> ImageFile:
    """Read the full resolution of the OME-Zarr image (0.1 to 0.5) in the folder `path`.

    Parameters
    ----------
    path
        The folder that holds the image's own ``zarr.json`` or ``.zattrs``.
    axes
        What the dimensions are, in the order of the file; overrides what it says.
    lazy_above
        As in :func:`~napari_blind2grad.io.read_image`.

    Raises
    ------
    InputError
        If it holds no image, or a damaged one; the message says what to do.
    OutOfMemory
        If it does not fit into memory.
    """
    try:
        content, array = _opened(path)
        image: Mapping[str, Any] = content["multiscales"][0]
        names = _letters(image, array.ndim)
        data, notes = _pixels(array, path, lazy_above)
        scale = _scale(image, names)
        units = {
            letter: normalize_unit(str(axis["unit"]))
            for letter, axis in zip(names, image.get("axes", ()), strict=False)
            if isinstance(axis, Mapping) and axis.get("unit")
        }
        channels = _channel_names(content)
        parameters = content.get(NAMESPACE, {}).get("parameters", {})
    except (InputError, OutOfMemory):
        raise
    except PermissionError as error:
        raise InputError(f"{path} may not be read. Ask its owner for the permission.") from error
    except MemoryError as error:
        raise OutOfMemory(
            f"{path} needs more memory than is free. Close other programs, or denoise a part of the "
            "image."
        ) from error
    except _BROKEN as error:
        raise InputError(_broken(path, error)) from error
    letters = names if axes is None else axes.upper()
    layout = Axes(letters, data.shape)
    same = {o for o, n in zip(names, letters, strict=True) if o == n}
    return ImageFile(
        data=data,
        axes=letters,
        scale={k: v for k, v in usable_scale(scale, letters).items() if k in same},
        units={k: v for k, v in usable_units(units, letters).items() if k in same},
        channel_names=channels if len(channels) == layout.length("C") and any(channels) else (),
        name=stem(path),
        path=path,
        parameters=parameters,
        notes=tuple(notes),
    )


def read_ngff_parameters(path: Path) -> Mapping[str, Any]:
    """Return the parameters with which this package made the folder `path`; empty if it did not.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        content, _ = _opened(path)
        parameters: Mapping[str, Any] = content.get(NAMESPACE, {}).get("parameters", {})
    except InputError:
        raise
    except _BROKEN as error:
        raise InputError(_broken(path, error)) from error
    return parameters


def _broken(path: Path, error: Exception) -> str:
    return (
        f"{path} is damaged or incomplete ({type(error).__name__}: {error!s:.200}). "
        "Copy or export it again."
    )


def _opened(path: Path) -> tuple[dict[str, Any], Any]:
    """Return the image's metadata and its array of full resolution, which is not read yet."""
    import zarr

    try:
        group = zarr.open_group(path, mode="r")
    except (FileNotFoundError, zarr.errors.BaseZarrError) as error:
        raise InputError(
            f"{path} is no OME-Zarr image. Give the folder that holds its zarr.json or .zattrs."
        ) from error
    attributes = dict(group.attrs)
    inner = attributes.get("ome")
    content = {**attributes, **(inner if isinstance(inner, dict) else {})}
    images = content.get("multiscales")
    if not images:
        several = "plate" in content or "bioformats2raw.layout" in content or "0" in group
        hint = " It holds several images: give the folder of one, such as 0 in it." * several
        raise InputError(f"{path} is not an OME-Zarr image.{hint}")
    array = group[str(images[0]["datasets"][0]["path"])]
    if not isinstance(array, zarr.Array):
        raise InputError(_broken(path, ValueError("its full resolution is no array")))
    if content.get(NAMESPACE) is not None and not isinstance(content[NAMESPACE], dict):
        del content[NAMESPACE]
    return content, array


def _pixels(array: Any, path: Path, lazy_above: int | None) -> tuple[Array, list[str]]:
    dtype = np.dtype(array.dtype)
    codecs = " ".join(str(codec) for codec in _codecs(array))
    if "pickle" in codecs.lower() or dtype.kind not in "biufc":
        # Such pixels would be made by running what the file says.
        raise InputError(
            f"{path} holds {dtype} values in a form that is no image, and is not read."
        )
    if 0 in array.shape:
        raise InputError(f"{path} holds an empty image (shape {array.shape}).")
    notes = []
    stored = array.nchunks_initialized
    if stored == 0:
        raise InputError(_broken(path, ValueError("no pixels are stored")))
    if stored < array.nchunks:
        notes.append(
            f"{array.nchunks - stored} of {array.nchunks} blocks are not stored; they were read as "
            f"{array.fill_value}."
        )
    if lazy_above is not None and array.size > lazy_above:
        return LazyArray(array, name=str(path)), notes  # type: ignore[return-value]
    data = np.asarray(array[...])
    return data.astype(dtype.newbyteorder("="), copy=False), notes


def _codecs(array: Any) -> list[Any]:
    metadata = array.metadata.to_dict()
    parts = [metadata.get("compressor"), *(metadata.get("filters") or ())]
    return [part for part in [*parts, *(metadata.get("codecs") or ())] if part is not None]


def _letters(image: Mapping[str, Any], ndim: int) -> str:
    """Return a letter for each dimension; before 0.4 axes were names alone, before 0.3 always TCZYX."""
    axes = image.get("axes")
    if axes is None:
        return guess_axes(ndim)
    names = [str(a.get("name") if isinstance(a, Mapping) else a).upper() for a in axes]
    if len(names) != ndim or any(len(n) != 1 or n not in CANONICAL for n in names):
        raise InputError(
            f"The axes {', '.join(names)} of an image with {ndim} dimensions cannot be denoised as they "
            "are. Say what each is with one letter of T, C, Z, Y, X: --axes on the command line, axes= "
            "in Python."
        )
    return "".join(names)


def _scale(image: Mapping[str, Any], letters: str) -> dict[str, float]:
    """Return the pixel sizes: the scale of the full resolution times that of all."""
    sizes = dict.fromkeys(letters, 1.0)
    found = False
    for holder in (image["datasets"][0], image):
        for step in holder.get("coordinateTransformations") or ():
            if step.get("type") == "scale" and len(step.get("scale", ())) == len(letters):
                found = True
                for letter, size in zip(letters, step["scale"], strict=True):
                    sizes[letter] *= float(size)
    # Channels have no size, and 1 without a unit says nothing.
    units = {
        letter
        for letter, axis in zip(letters, image.get("axes") or (), strict=False)
        if isinstance(axis, Mapping) and axis.get("unit")
    }
    if not found:
        return {}
    return {k: v for k, v in sizes.items() if k != "C" and (v != 1.0 or k in units)}


def _channel_names(content: Mapping[str, Any]) -> tuple[str, ...]:
    omero = content.get("omero")
    channels = omero.get("channels", ()) if isinstance(omero, Mapping) else ()
    return tuple(str(c.get("label") or "") for c in channels if isinstance(c, Mapping))
