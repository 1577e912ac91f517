"""``blind2grad denoise``: read, run, write."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..axes import Axes
from ..config import Config
from ..crop import Crop, crop_slices, crop_text
from ..errors import OutputError
from ..events import MAPS, Progress, Result, Started
from ..io import ImageFile, check_place, check_target, read_image, whole_file, write_image
from .interrupt import Interrupts
from .options import config_from
from .progress import ProgressBar
from .terminal import complain, say

_INTERRUPTED = 130


def run_denoise(args: argparse.Namespace) -> int:
    """Denoise the file that `args` name, and return the exit code.

    Raises
    ------
    Blind2GradError
        In words for the user. What can be found out before the run is.
    KeyboardInterrupt
        If the user aborts; nothing unfinished is left under the final names.
    """
    config = config_from(args)
    with Interrupts() as interrupts:
        image = _cropped(read_image(args.input, args.axes), args.crop or {})
        dtype = _file_dtype(args, config, image)
        target = args.output or default_target(image, dtype)
        # Types that the engine refuses are left to its own, better words.
        if image.dtype.kind in "iuf":
            size = image.data.size * dtype.itemsize
            check_target(target, dtype=dtype, nbytes=size, source=image.path)
        if args.save_maps is not None:
            _prepare_folder(args.save_maps, image)
        result = _denoise(image, config, interrupts, quiet=args.quiet)
        if result.stopped and result.iterations == 0:
            complain("Interrupted before the first step: nothing was written.")
            return _INTERRUPTED
        _write_result(target, image, result, dtype)
        if args.save_maps is not None:
            _write_maps(args.save_maps, image, result)
    if not args.quiet:
        say(summary(target, image, result, dtype))
    return _INTERRUPTED if interrupts.asked else 0


def _cropped(image: ImageFile, crop: Crop) -> ImageFile:
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

    Types that OME-TIFF lacks (64-bit integers, float16) go to ``.tif``.
    """
    ome = dtype.name not in ("int64", "uint64", "float16")
    return image.path.with_name(f"{image.name}_denoised{'.ome' if ome else ''}.tif")


def summary(target: Path, image: ImageFile, result: Result, dtype: np.dtype[Any]) -> str:
    """Return the one line that ends a run."""
    shape = " × ".join(str(n) for n in image.shape)
    line = (
        f"{target}: {shape} {image.axes}, {dtype.name}, {result.seconds:.1f} s on {result.device}"
    )
    if result.stopped:
        line += f", interrupted after {_steps(result)} iterations"
    return line


def _steps(result: Result) -> str:
    return f"{result.iterations} of {result.started.iterations}"


def _file_dtype(args: argparse.Namespace, config: Config, image: ImageFile) -> np.dtype[Any]:
    name = args.dtype or config.dtype
    return image.dtype if name == "input" else np.dtype(name)


def _denoise(image: ImageFile, config: Config, interrupts: Interrupts, *, quiet: bool) -> Result:
    if not quiet:
        _tell(image.notes)
    from ..engine.run import denoise_iter

    told: tuple[str, ...] = ()
    interrupts.running = True
    with ProgressBar(quiet=quiet) as bar:
        for event in denoise_iter(
            image.data, image.axes, config, should_stop=interrupts.should_stop, previews=False
        ):
            if isinstance(event, Started):
                told = event.notes
            elif isinstance(event, Progress):
                bar.show(event)
            elif isinstance(event, Result):
                result = event
                bar.finish()
    if not quiet:
        _tell(tuple(dict.fromkeys((*told, *result.notes))))
    return result


def _tell(notes: tuple[str, ...]) -> None:
    for note in notes:
        complain(f"Note: {note}")


def _parameters(image: ImageFile, result: Result) -> dict[str, Any]:
    """Return what a file must hold so that the run can be repeated."""
    return {
        "version": result.version,
        "input": image.path.name,
        "axes": image.axes,
        "crop": image.crop,
        "seed": result.seed,
        "device": result.device,
        "seconds": round(result.seconds, 3),
        "iterations": result.iterations,
        "stopped": result.stopped,
        "config": result.config.to_dict(),
    }


def _description(result: Result) -> str:
    text = f"Denoised with napari-blind2grad {result.version}, preset {result.config.base}."
    return text + (f" Interrupted after {_steps(result)} iterations." if result.stopped else "")


def _write_result(target: Path, image: ImageFile, result: Result, dtype: np.dtype[Any]) -> None:
    try:
        _write(target, image, result, result.image, result.axes, dtype)
    except OutputError as error:
        # Minutes of work must not be lost because a disk filled up meanwhile.
        rescue = Path(tempfile.mkdtemp(prefix="blind2grad-")) / target.name
        try:
            _write(rescue, image, result, result.image, result.axes, dtype)
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
) -> None:
    write_image(
        target,
        array,
        axes=axes,
        scale=image.scale,
        units=image.units,
        dtype=dtype,
        channel_names=image.channel_names,
        description=_description(result),
        parameters=_parameters(image, result),
        source=image.path,
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
