"""``blind2grad denoise`` and ``apply`` for images that are not to be in memory as a whole."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from .denoise import MODEL_MARKS, summary, tell, tell_of_checkpoint, watched
from .interrupt import Interrupts
from .terminal import complain, say

if TYPE_CHECKING:
    from ..checkpoint import Keeper
    from ..volume.stream import VolumeEvents

    Start = Callable[..., VolumeEvents]

_INTERRUPTED = 130


def read_for(args: argparse.Namespace) -> ImageFile:
    """Read the image that `args` name, but not the pixels of one that is to go tile by tile."""
    forced = args.out_of_core or args.tile is not None or _asks_for_workers(args)
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


def _asks_for_workers(args: argparse.Namespace) -> bool:
    return args.cluster is not None or args.scheduler is not None


@contextmanager
def _workers(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Give the options of a run with the workers that `args` ask for, and end them with the block."""
    if not _asks_for_workers(args):
        yield {}
        return
    from ..cluster import open_executor

    # Before the training: if there are none, that is known at once.
    with open_executor(args.cluster, args.scheduler) as executor:
        if not args.quiet:
            complain(f"{executor.workers} workers.")
        yield {"executor": executor}


def run_volume(
    args: argparse.Namespace,
    image: ImageFile,
    config: Config,
    target: Path,
    dtype: np.dtype[Any],
    interrupts: Interrupts,
    start: Start,
    network: str = "",
    keeper: Keeper | None = None,
) -> int:
    """Denoise `image` into `target` tile by tile, and return the exit code.

    Parameters
    ----------
    args, image, config, interrupts
        What the command works with.
    target, dtype
        The file to write, and the type of its pixels.
    start
        Starts the run for a source, a sink and the size of tiles, and with what makes it keep a checkpoint.
    network
        Name of the network, if it is not trained on this image.
    keeper
        What keeps the run's checkpoint, if there is to be one.

    Raises
    ------
    Blind2GradError
        In words for the user.
    """
    from ..volume import Finished, Source, identify_volume, store

    if getattr(args, "save_maps", None) is not None:
        raise InputError(
            "The maps of an image that is denoised tile by tile cannot be saved. Leave --save-maps out, or "
            "look at a part of the image with --crop."
        )
    model = getattr(args, "save_model", None)
    if model is not None:
        check_place(model, replaces=MODEL_MARKS)
    if not args.quiet:
        tell(image.notes)
    source = Source.of(image.data, image.axes)
    values = {"version": __version__, "seed": config.seed, "config": config.to_dict()}
    values |= parameters_of(image, network)
    options: dict[str, Any] = {}
    if keeper is not None:
        keeper.check()
        options = keeper.options_for(identify_volume(source, config))
    events = store(
        target,
        source,
        lambda sink: start(source, sink, args.tile, **options),
        config,
        scale=image.scale,
        units=image.units,
        channel_names=image.channel_names,
        dtype=dtype,
        ome_zarr=args.ome_zarr,
        description=describe(__version__, config, network),
        parameters=values,
        input_path=image.path,
        keeper=keeper,
    )
    result = None
    try:
        with _workers(args) as more:
            options |= more
            result = watched(events, interrupts, quiet=args.quiet, last=Finished)
    finally:
        if result is None or result.stopped:
            tell_of_checkpoint(keeper)
    if result.stopped:
        complain("Interrupted before the last tile: nothing was written.")
        return _INTERRUPTED
    if model is not None:
        from ..model import save_model

        save_model(model, result)
    if keeper is not None:
        keeper.remove()
    if not args.quiet:
        say(summary(target, image, result, dtype))
    return _INTERRUPTED if interrupts.asked else 0
