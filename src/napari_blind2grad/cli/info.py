"""``blind2grad info``."""

from __future__ import annotations

import argparse
import platform
import textwrap

from .. import __version__
from ..config import PRESET_HELP, PRESETS, Config, parameters
from .options import describe_values, option_name
from .terminal import say


def run_info(args: argparse.Namespace) -> int:
    """Print version, devices and presets, and with ``--parameters`` all parameters."""
    import numpy as np
    import tifffile
    import torch

    from ..engine.device import available_devices

    say(f"napari-blind2grad {__version__}")
    say(
        f"Python {platform.python_version()}, PyTorch {torch.__version__}, NumPy {np.__version__}, "
        f"tifffile {tifffile.__version__}"
    )
    say("\nDevices (--device), fastest first")
    _table(available_devices())
    say("\nPresets (--preset)")
    _table([(name, PRESET_HELP[name]) for name in PRESETS])
    if args.parameters:
        say("\nParameters")
        for line in parameter_lines():
            say(line)
    return 0


def _table(rows: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        say(f"  {name:<{width}}  {text}")


def parameter_lines() -> list[str]:
    """Return a paragraph for each parameter: option, label, values, other presets and help."""
    presets = {name: Config.preset(name) for name in PRESETS}
    lines = []
    for parameter in parameters():
        others = [
            f"{name}: {value}"
            for name, config in presets.items()
            if name != "fast" and (value := getattr(config, parameter.name)) != parameter.default
        ]
        values = describe_values(parameter)
        if parameter.choices:
            values = f"{', '.join(parameter.choices)}; {values}"
        lines.append(
            f"  {option_name(parameter)}  {parameter.label} ({'; '.join([values, *others])})"
        )
        lines += textwrap.wrap(
            parameter.help, 96, initial_indent="      ", subsequent_indent="      "
        )
    return lines
