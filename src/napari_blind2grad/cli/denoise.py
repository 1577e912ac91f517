"""``blind2grad denoise``: read, run, write."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..batch.results import (
    check_room,
    create_folder,
    default_target,
    file_dtype,
    steps,
    write_array,
    write_result,
)
from ..config import Config
from ..events import MAPS, Progress, Result, Started
from ..io import ImageFile, check_place, remove_leftovers, whole_file
from .interrupt import Interrupts
from .options import config_from
from .progress import ProgressBar
from .terminal import complain, say

if TYPE_CHECKING:
    from ..checkpoint import Keeper

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
        dtype = file_dtype(args.dtype, config, image)
        target = args.output or default_target(image, dtype)
        if is_large(image):
            start, keeper = _start(config, interrupts), _keeper_for(args, target)
            return run_volume(args, image, config, target, dtype, interrupts, start, keeper=keeper)
        check_room(target, image, dtype)
        if args.save_maps is not None:
            _prepare_folder(args.save_maps, image)
        if args.save_model is not None:
            check_place(args.save_model, replaces=MODEL_MARKS)
        keeper = _keeper_for(args, target)
        if args.resume:
            remove_leftovers(target)
        result = None
        try:
            result = _denoise(image, config, interrupts, keeper, quiet=args.quiet)
        finally:
            if result is None or result.stopped:
                tell_of_checkpoint(keeper)
        if result.stopped and result.iterations == 0:
            complain("Interrupted before the first step: nothing was written.")
            return _INTERRUPTED
        write_result(target, image, result, dtype, args.ome_zarr)
        if args.save_maps is not None:
            _write_maps(args.save_maps, image, result)
        if args.save_model is not None:
            result.save_model(args.save_model)
        if keeper is not None and not result.stopped:
            keeper.remove()
    if not args.quiet:
        say(summary(target, image, result, dtype))
    return _INTERRUPTED if interrupts.asked else 0


def _start(config: Config, interrupts: Interrupts) -> Any:
    def start(source: Any, sink: Any, tile: tuple[int, int, int] | None, **options: Any) -> Any:
        from ..volume import denoise_volume_iter

        stop = interrupts.should_stop
        return denoise_volume_iter(
            source, sink, None, config, tile=tile, should_stop=stop, **options
        )

    return start


def _keeper_for(args: argparse.Namespace, target: Path) -> Keeper | None:
    """Return what keeps the checkpoint of the run whose result goes to `target`, if `args` ask for one."""
    if args.checkpoint is None and not args.resume:
        return None
    from ..checkpoint import Keeper

    place = args.checkpoint or target.with_name(f"{target.name}.checkpoint")
    return Keeper(place, resume=args.resume, every=args.checkpoint_every, tell=complain)


def tell_of_checkpoint(keeper: Keeper | None) -> None:
    """Say where the state of a run that did not come to its end is kept, if it is."""
    if keeper is not None and keeper.kept:
        complain(
            f"The state of the run is kept in {keeper.folder.path}: the same command with --resume goes on."
        )


def summary(target: Path, image: ImageFile, result: Any, dtype: np.dtype[Any]) -> str:
    """Return the one line that ends a run."""
    shape = " × ".join(str(n) for n in image.shape)
    line = (
        f"{target}: {shape} {image.axes}, {dtype.name}, {result.seconds:.1f} s on {result.device}"
    )
    if result.stopped:
        line += ", interrupted"
        line += f" after {steps(result)} iterations" if result.started.iterations else ""
    return line


def _denoise(
    image: ImageFile,
    config: Config,
    interrupts: Interrupts,
    keeper: Keeper | None,
    *,
    quiet: bool,
) -> Result:
    from ..engine.run import denoise_iter

    if not quiet:
        tell(image.notes)
    stop = interrupts.should_stop
    options = {} if keeper is None else keeper.options(image.data, image.axes, config)
    events = denoise_iter(
        image.data, image.axes, config, should_stop=stop, previews=False, **options
    )
    result: Result = watched(events, interrupts, quiet=quiet)
    return result


def watched(
    events: Iterator[Any],
    interrupts: Interrupts,
    *,
    quiet: bool,
    last: type[Any] = Result,
) -> Any:
    """Go through the `events` of a run, show its progress and notes, and return its result."""
    told: tuple[str, ...] = ()
    interrupts.running = True
    with ProgressBar(quiet=quiet) as bar:
        for event in events:
            if isinstance(event, Started):
                told = event.notes
            elif isinstance(event, Progress):
                bar.show(event)
            elif isinstance(event, last):
                result = event
                bar.finish()
    if not quiet:
        tell(tuple(dict.fromkeys((*told, *result.notes))))
    return result


def tell(notes: tuple[str, ...]) -> None:
    """Print `notes` beside the output."""
    for note in notes:
        complain(f"Note: {note}")


def _map_path(folder: Path, image: ImageFile, name: str, ending: str = ".ome.tif") -> Path:
    return folder / f"{image.name}_{name}{ending}"


def _prepare_folder(folder: Path, image: ImageFile) -> None:
    """Create the folder of the maps, and check that they fit into it."""
    create_folder(folder)
    # Two maps of one byte and two of four for each pixel.
    check_place(_map_path(folder, image, MAPS[0]), nbytes=10 * image.data.size)


def _write_maps(folder: Path, image: ImageFile, result: Result) -> None:
    for name in MAPS:
        path = _map_path(folder, image, name)
        write_array(path, image, result, getattr(result, name), result.map_axes)
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
