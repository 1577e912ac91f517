"""``blind2grad denoise`` and ``apply`` for images that are not to be in memory as a whole."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__, sizes
from ..batch.results import cropped, describe, parameters_of
from ..config import Config
from ..crop import Crop
from ..errors import InputError
from ..io import ImageFile, LazyArray, check_place, read_image
from .denoise import MODEL_MARKS, summary, tell, watched
from .interrupt import Interrupts
from .terminal import complain, say

if TYPE_CHECKING:
    from ..volume import Source
    from ..volume.stream import Sink, VolumeEvents

    Start = Callable[[Source, Sink, tuple[int, int, int] | None], VolumeEvents]

_INTERRUPTED = 130


def read_for(args: argparse.Namespace) -> ImageFile:
    """Read the image that `args` name, but not the pixels of one that is to go tile by tile."""
    forced = args.out_of_core or args.tile is not None
    crop: Crop = args.crop or {}
    above = 0 if forced else sizes.WHOLE
    image = cropped(read_image(args.input, args.axes, lazy_above=above), crop)
    if is_large(image) and not forced and image.data.size <= sizes.WHOLE:
        return replace(image, data=np.asarray(image.data))
    return image


def is_large(image: ImageFile) -> bool:
    """Whether `image` is to go tile by tile."""
    data: object = image.data
    return isinstance(data, LazyArray)


def run_volume(
    args: argparse.Namespace,
    image: ImageFile,
    config: Config,
    target: Path,
    dtype: np.dtype[Any],
    interrupts: Interrupts,
    start: Start,
    network: str = "",
) -> int:
    """Denoise `image` into `target` tile by tile, and return the exit code.

    Parameters
    ----------
    args, image, config, interrupts
        What the command works with.
    target, dtype
        The file to write, and the type of its pixels.
    start
        Starts the run for a source, a sink and the size of tiles.
    network
        Name of the network, if it is not trained on this image.

    Raises
    ------
    Blind2GradError
        In words for the user.
    """
    from ..volume import Finished, Source, store

    if getattr(args, "save_maps", None) is not None:
        raise InputError(
            "The maps of an image that is denoised tile by tile cannot be saved. Leave --save-maps out, or "
            "look at a part of the image with --crop."
        )
    if getattr(args, "checkpoint", None) is not None or getattr(args, "resume", False):
        raise InputError(
            "Images that are denoised tile by tile keep no checkpoints yet. Leave --resume and "
            "--checkpoint out."
        )
    model = getattr(args, "save_model", None)
    if model is not None:
        check_place(model, replaces=MODEL_MARKS)
    if not args.quiet:
        tell(image.notes)
    source = Source.of(image.data, image.axes)
    values = {"version": __version__, "seed": config.seed, "config": config.to_dict()}
    values |= parameters_of(image, network)
    events = store(
        target,
        source,
        lambda sink: start(source, sink, args.tile),
        config,
        scale=image.scale,
        units=image.units,
        channel_names=image.channel_names,
        dtype=dtype,
        ome_zarr=args.ome_zarr,
        description=describe(__version__, config, network),
        parameters=values,
        input_path=image.path,
    )
    result = watched(events, interrupts, quiet=args.quiet, last=Finished)
    if result.stopped:
        complain("Interrupted before the last tile: nothing was written.")
        return _INTERRUPTED
    if model is not None:
        from ..model import save_model

        save_model(model, result)
    if not args.quiet:
        say(summary(target, image, result, dtype))
    return _INTERRUPTED if interrupts.asked else 0
