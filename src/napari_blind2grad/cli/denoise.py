"""``blind2grad denoise``: read, run, write."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..axes import Axes
from ..config import Config
from ..crop import Crop, crop_slices, crop_text
from ..errors import OutputError
from ..events import MAPS, Progress, Result, Started
from ..io import (
    ImageFile,
    check_place,
    check_target,
    is_zarr,
    whole_file,
    write_image,
)
from .interrupt import Interrupts
from .options import config_from
from .progress import ProgressBar
from .terminal import complain, say

_INTERRUPTED = 130
#: By this file an older model folder is known, which may be replaced.
MODEL_MARKS = ("model.json",)


def run_denoise(args: argparse.Namespace) -> int:
    """Denoise the file that `args` name, and return the exit code.

    Raises
    ------
    Blind2GradError
        In words for the user. What can be found out before the run is.
    KeyboardInterrupt
        If the user aborts; nothing unfinished is left under the final names.
    """
    from .volume import is_large, read_for, run_volume

    config = config_from(args)
    with Interrupts() as interrupts:
        image = read_for(args)
        dtype = file_dtype(args, config, image)
        target = args.output or default_target(image, dtype)
        check_room(target, image, dtype)
        if is_large(image):
            return run_volume(
                args, image, config, target, dtype, interrupts, _start(config, interrupts)
            )
        if args.save_maps is not None:
            _prepare_folder(args.save_maps, image)
        if args.save_model is not None:
            check_place(args.save_model, replaces=MODEL_MARKS)
        result = _denoise(image, config, interrupts, quiet=args.quiet)
        if result.stopped and result.iterations == 0:
            complain("Interrupted before the first step: nothing was written.")
            return _INTERRUPTED
        write_result(target, image, result, dtype, args.ome_zarr)
        if args.save_maps is not None:
            _write_maps(args.save_maps, image, result)
        if args.save_model is not None:
            result.save_model(args.save_model)
    if not args.quiet:
        say(summary(target, image, result, dtype))
    return _INTERRUPTED if interrupts.asked else 0


def _start(config: Config, interrupts: Interrupts) -> Any:
    def start(source: Any, sink: Any, tile: tuple[int, int, int] | None) -> Any:
        from ..volume import denoise_volume_iter

        stop = interrupts.should_stop
        return denoise_volume_iter(source, sink, None, config, tile=tile, should_stop=stop)

    return start


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


def summary(target: Path, image: ImageFile, result: Any, dtype: np.dtype[Any]) -> str:
    """Return the one line that ends a run."""
    shape = " × ".join(str(n) for n in image.shape)
    line = (
        f"{target}: {shape} {image.axes}, {dtype.name}, {result.seconds:.1f} s on {result.device}"
    )
    if result.stopped:
        line += ", interrupted"
        line += f" after {_steps(result)} iterations" if result.started.iterations else ""
    return line


def _steps(result: Result) -> str:
    return f"{result.iterations} of {result.started.iterations}"


def check_room(target: Path, image: ImageFile, dtype: np.dtype[Any]) -> None:
    """Raise :class:`OutputError` if the result could not be written to `target`."""
    # Types that the engine refuses are left to its own, better words.
    if image.dtype.kind in "iuf":
        size = image.data.size * dtype.itemsize
        check_target(target, dtype=dtype, nbytes=size, source=image.path)


def file_dtype(args: argparse.Namespace, config: Config, image: ImageFile) -> np.dtype[Any]:
    """Return the type of the pixels to write."""
    name = args.dtype or config.dtype
    return image.dtype if name == "input" else np.dtype(name)


def _denoise(image: ImageFile, config: Config, interrupts: Interrupts, *, quiet: bool) -> Result:
    from ..engine.run import denoise_iter

    if not quiet:
        tell(image.notes)
    stop = interrupts.should_stop
    events = denoise_iter(image.data, image.axes, config, should_stop=stop, previews=False)
    result: Result = watched(events, interrupts, quiet=quiet)
    return result


def watched(
    events: Iterator[Any],
    interrupts: Interrupts,
    *,
    quiet: bool,
    below: bool = False,
    last: type[Any] = Result,
) -> Any:
    """Go through the `events` of a run, show its progress and notes, and return its result."""
    told: tuple[str, ...] = ()
    interrupts.running = True
    with ProgressBar(quiet=quiet, below=below) as bar:
        for event in events:
            if isinstance(event, Started):
                told = event.notes
            elif isinstance(event, Progress):
                bar.show(event)
            elif isinstance(event, last):
                result = event
                bar.finish()
    if not quiet and not below:
        tell(tuple(dict.fromkeys((*told, *result.notes))))
    return result


def tell(notes: tuple[str, ...]) -> None:
    """Print `notes` beside the output."""
    for note in notes:
        complain(f"Note: {note}")


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
        return f"{text} Interrupted after {_steps(result)} iterations."
    return f"{text} Interrupted." if result.stopped else text


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
        _write(target, image, result, result.image, result.axes, dtype, ome_zarr, network)
    except OutputError as error:
        # Minutes of work must not be lost because a disk filled up meanwhile.
        rescue = Path(tempfile.mkdtemp(prefix="blind2grad-")) / target.name
        try:
            _write(rescue, image, result, result.image, result.axes, dtype, ome_zarr, network)
        except OutputError:
            rescue.parent.rmdir()
            raise error from None
        raise OutputError(f"{error} The result was kept in {rescue}.") from error


def _write(
    target: Path,
    image: ImageFile,
    result: Result,
    array: Any,
    axes: str,
    dtype: np.dtype[Any] | None = None,
    ome_zarr: str = "0.5",
    network: str = "",
) -> None:
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


def _map_path(folder: Path, image: ImageFile, name: str, ending: str = ".ome.tif") -> Path:
    return folder / f"{image.name}_{name}{ending}"


def _prepare_folder(folder: Path, image: ImageFile) -> None:
    """Create the folder of the maps, and check that they fit into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {folder} cannot be created: {error.strerror}. Choose another."
        ) from error
    # Two maps of one byte and two of four for each pixel.
    check_place(_map_path(folder, image, MAPS[0]), nbytes=10 * image.data.size)


def _write_maps(folder: Path, image: ImageFile, result: Result) -> None:
    for name in MAPS:
        path = _map_path(folder, image, name)
        _write(path, image, result, getattr(result, name), result.map_axes)
    names = list(result.losses)
    with whole_file(_map_path(folder, image, "losses", ".csv")) as temporary:
        np.savetxt(
            temporary,
            np.column_stack(
                [np.arange(1, len(result.losses[names[0]]) + 1), *result.losses.values()]
            ),
            fmt=["%d", *["%.8g"] * len(names)],
            delimiter=",",
            header=",".join(["iteration", *names]),
            comments="",
        )
    with whole_file(_map_path(folder, image, "settings", ".json")) as temporary:
        temporary.write_text(result.config.to_json() + "\n", encoding="utf-8")
