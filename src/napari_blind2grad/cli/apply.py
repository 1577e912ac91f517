"""``blind2grad apply``: read, predict with a saved network, write."""

from __future__ import annotations

import argparse
from typing import Any

from ..batch.results import check_room, default_target, file_dtype, write_result
from ..config import Config
from .denoise import summary, tell, watched
from .interrupt import Interrupts
from .terminal import say
from .volume import is_large, read_for, run_volume

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
        image = read_for(args)
        dtype = file_dtype(args.dtype, config, image)
        target = args.output or default_target(image, dtype)
        check_room(target, image, dtype)
        name = args.model.resolve().name
        if is_large(image):
            start = _start(model.state, config, args.intensity, interrupts)
            return run_volume(args, image, config, target, dtype, interrupts, start, name)
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
        write_result(target, image, result, dtype, args.ome_zarr, network=name)
    if not args.quiet:
        say(summary(target, image, result, dtype))
    return _INTERRUPTED if interrupts.asked else 0


def _start(state: Any, config: Config, intensity: Any, interrupts: Interrupts) -> Any:
    def start(source: Any, sink: Any, tile: tuple[int, int, int] | None, **options: Any) -> Any:
        from ..volume import apply_volume_iter

        stop = interrupts.should_stop
        options.update(intensity=intensity, tile=tile, should_stop=stop)
        return apply_volume_iter(state, source, sink, None, config, **options)

    return start
