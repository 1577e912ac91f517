"""Where the result of a file goes, and what is written with it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..axes import Axes
from ..config import Config
from ..crop import Crop, crop_slices, crop_text
from ..errors import OutputError
from ..events import Result
from ..io import ImageFile, check_target, is_zarr, write_image


def create_folder(folder: Path) -> None:
    """Create `folder`, unless it is there.

    Raises
    ------
    OutputError
        If it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {folder} cannot be created: {error.strerror}. Choose another."
        ) from error


def cropped(image: ImageFile, crop: Crop) -> ImageFile:
    """Return the part of `image` that shall be denoised."""
    if not crop:
        return image
    axes = Axes(image.axes, image.shape)
    region = crop_slices(crop, axes)
    names = image.channel_names
    if names and "C" in crop:
        names = names[slice(*crop["C"])]
    return replace(
        image, data=image.data[region], channel_names=names, crop=crop_text(axes, region)
    )


def default_target(image: ImageFile, dtype: np.dtype[Any]) -> Path:
    """Return where the result goes when nobody says: beside the input, ``<name>_denoised.ome.tif``.

    OME-Zarr gives OME-Zarr. Types that OME-TIFF lacks (64-bit integers, float16) go to ``.tif``.
    """
    if is_zarr(image.path):
        return image.path.with_name(f"{image.name}_denoised.ome.zarr")
    ome = dtype.name not in ("int64", "uint64", "float16")
    return image.path.with_name(f"{image.name}_denoised{'.ome' if ome else ''}.tif")


def check_room(target: Path, image: ImageFile, dtype: np.dtype[Any]) -> None:
    """Raise :class:`OutputError` if the result could not be written to `target`."""
    # Types that the engine refuses are left to its own, better words.
    if image.dtype.kind in "iuf":
        size = image.data.size * dtype.itemsize
        check_target(target, dtype=dtype, nbytes=size, source=image.path)


def file_dtype(name: str | None, config: Config, image: ImageFile) -> np.dtype[Any]:
    """Return the type of the pixels to write; by `config` when `name` is None."""
    name = name or config.dtype
    return image.dtype if name == "input" else np.dtype(name)


def write_result(
    target: Path,
    image: ImageFile,
    result: Result,
    dtype: np.dtype[Any],
    ome_zarr: str = "0.5",
    network: str = "",
) -> None:
    """Write the denoised image; `network` names where its network came from, if not from itself.

    Raises
    ------
    OutputError
        If it cannot be written; the result is kept elsewhere then, if that is possible.
    """
    try:
        write_array(target, image, result, result.image, result.axes, dtype, ome_zarr, network)
    except OutputError as error:
        # Minutes of work must not be lost because a disk filled up meanwhile.
        rescue = Path(tempfile.mkdtemp(prefix="blind2grad-")) / target.name
        try:
            write_array(rescue, image, result, result.image, result.axes, dtype, ome_zarr, network)
        except OutputError:
            rescue.parent.rmdir()
            raise error from None
        raise OutputError(f"{error} The result was kept in {rescue}.") from error


def write_array(
    target: Path,
    image: ImageFile,
    result: Result,
    array: Any,
    axes: str,
    dtype: np.dtype[Any] | None = None,
    ome_zarr: str = "0.5",
    network: str = "",
) -> None:
    """Write `array`, the image or a map of `result`, with the sizes and units of `image`."""
    write_image(
        target,
        array,
        axes=axes,
        scale=image.scale,
        units=image.units,
        dtype=dtype,
        channel_names=image.channel_names,
        description=_description(result, network),
        parameters=_parameters(image, result, network),
        source=image.path,
        ome_zarr=ome_zarr,
    )


def steps(result: Result) -> str:
    """Return how many training steps were done of how many."""
    return f"{result.iterations} of {result.started.iterations}"


def _parameters(image: ImageFile, result: Result, network: str) -> dict[str, Any]:
    """Return what a file must hold so that the run can be repeated."""
    values = {
        "version": result.version,
        "seed": result.seed,
        "device": result.device,
        "seconds": round(result.seconds, 3),
        "iterations": result.iterations,
        "stopped": result.stopped,
        "config": result.config.to_dict(),
    }
    return {**values, **parameters_of(image, network)}


def parameters_of(image: ImageFile, network: str) -> dict[str, Any]:
    """Return what a file must hold of the image that it was made from."""
    values = {"input": image.path.name, "axes": image.axes, "crop": image.crop}
    return {**values, "network": network} if network else values


def describe(version: str, config: Config, network: str) -> str:
    """Return the sentence for people that a file holds."""
    text = f"Denoised with napari-blind2grad {version}, preset {config.base}."
    return f"{text} Network from {network}." if network else text


def _description(result: Result, network: str) -> str:
    text = describe(result.version, result.config, network)
    if result.stopped and result.started.iterations:
        return f"{text} Interrupted after {steps(result)} iterations."
    return f"{text} Interrupted." if result.stopped else text
