"""``blind2grad apply``: read, predict with a saved network, write."""

from __future__ import annotations

import argparse

from ..batch.results import check_room, cropped, default_target, file_dtype, write_result
from ..io import read_image
from .denoise import summary, tell, watched
from .interrupt import Interrupts
from .terminal import say

_INTERRUPTED = 130


def run_apply(args: argparse.Namespace) -> int:
    """Denoise the file that `args` name with a saved network, and return the exit code.

    Raises
    ------
    Blind2GradError
        In words for the user. What can be found out before the run is.
    KeyboardInterrupt
        If the user aborts; nothing unfinished is left under the final name.
    """
    from ..engine.apply import apply_iter
    from ..model import load_model

    with Interrupts() as interrupts:
        model = load_model(args.model)
        given = {name: getattr(args, name) for name in ("device", "precision", "threads")}
        config = model.config.replace(
            dtype="input" if args.dtype in (None, "input") else "float32",
            **{name: value for name, value in given.items() if value is not None},
        )
        image = cropped(read_image(args.input, args.axes), args.crop or {})
        dtype = file_dtype(args.dtype, config, image)
        target = args.output or default_target(image, dtype)
        check_room(target, image, dtype)
        if not args.quiet:
            tell(image.notes)
        events = apply_iter(
            model.state,
            image.data,
            image.axes,
            config,
            intensity=args.intensity,
            should_stop=interrupts.should_stop,
        )
        result = watched(events, interrupts, quiet=args.quiet)
        network = args.model.resolve().name
        write_result(target, image, result, dtype, args.ome_zarr, network=network)
    if not args.quiet:
        say(summary(target, image, result, dtype))
    return _INTERRUPTED if interrupts.asked else 0
