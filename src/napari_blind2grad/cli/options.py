"""The arguments of the command line; those of the method are derived from :class:`~..config.Config`."""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..config import PRESET_HELP, PRESETS, Config, Parameter, parameters
from ..crop import parse_crop
from ..errors import ConfigError, InputError
from ..preset_files import load_preset
from ..sizes import WHOLE

_GROUPS = {
    "method": "method",
    "noise": "camera noise",
    "sampling": "masks and loss",
    "network": "network",
    "training": "training and prediction",
    "run": "machine",
}
# These fields of Config have an option of their own making.
_SPECIAL = ("base", "dtype")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="blind2grad",
        description="Zero-shot denoising of microscopy images: a small network is trained on the very "
        "image that it denoises.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_denoise(commands)
    _add_apply(commands)
    _add_batch(commands)
    _add_export(commands)
    _add_info(commands)
    return parser


def option_name(parameter: Parameter) -> str:
    """Return the option of a parameter, such as ``--mask-rate``."""
    return "--preset" if parameter.name == "base" else "--" + parameter.name.replace("_", "-")


def config_from(args: argparse.Namespace) -> Config:
    """Return the settings that the parsed `args` of ``denoise`` ask for.

    Options win over ``--settings``, and both over the preset.

    Raises
    ------
    ConfigError
        If a value in the settings file is unknown or out of range.
    InputError
        If the settings file cannot be read.
    """
    given = {
        p.name: getattr(args, p.name)
        for p in parameters()
        if p.name not in _SPECIAL and getattr(args, p.name) is not None
    }
    if args.dtype is not None:
        # The engine knows two types; any other is converted from float32 when the file is written.
        given["dtype"] = "input" if args.dtype == "input" else "float32"
    if args.settings is not None:
        return Config.from_dict(read_settings(args.settings)).replace(**given)
    if isinstance(args.preset, Path):
        return load_preset(args.preset).replace(**given)
    return Config.preset(args.preset or "fast", **given)


def config_arguments(config: Config) -> list[str]:
    """Return the arguments that lead to `config`: its preset and what differs from it."""
    arguments = [f"--preset={config.base}"]
    kinds = {p.name: p for p in parameters()}
    for name, value in config.changes().items():
        option = option_name(kinds[name])
        if kinds[name].kind is bool:
            arguments.append(option if value else option.replace("--", "--no-", 1))
        else:
            arguments.append(f"{option}={value}")  # holds for values that start with a dash too
    return arguments


def read_settings(path: Path) -> Mapping[str, Any]:
    """Return the settings in a JSON file, or those that made an image file of ours.

    Raises
    ------
    InputError
        If there are none.
    """
    if path.suffix.lower() in (".tif", ".tiff", ".zarr"):
        from ..io import read_parameters

        values = read_parameters(path)
    else:
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"The settings {path} cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise InputError(f"The settings {path} are not JSON ({error}).") from error
    if isinstance(values, dict):
        values = values.get("config", values)
    if not isinstance(values, dict) or not values:
        raise InputError(f"{path} holds no settings of blind2grad.")
    return values


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    _add_debug(parser)


def _add_debug(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _add_info(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "info",
        help="print version, devices and presets",
        description="Print version, devices and presets.",
        allow_abbrev=False,
    )
    parser.add_argument("--parameters", action="store_true", help="print all parameters too")
    _add_debug(parser)


def _add_denoise(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "denoise",
        help="denoise one image file",
        usage="%(prog)s IN [-o OUT] [--preset NAME] [options]",
        description="Denoise one TIFF, ImageJ TIFF, OME-TIFF or OME-Zarr image: a plane, a stack or a "
        "time-lapse.",
        epilog="Ctrl-C stops and writes what is finished; a second Ctrl-C aborts. "
        "Exit codes: 0 done, 1 failure, 2 wrong arguments, 130 interrupted.",
        allow_abbrev=False,
    )
    _add_one_file(parser)
    _add_tiles(parser)
    _add_start(parser)
    _add_pixels(parser)
    parser.add_argument(
        "--save-maps",
        metavar="DIR",
        type=Path,
        help="also write dual mask, gradient, gradient deviation, standout gate, losses and settings "
        "into this folder, which is created",
    )
    parser.add_argument(
        "--save-model",
        metavar="DIR",
        type=Path,
        help="also save the trained network as this folder, for blind2grad apply",
    )
    _add_survival(
        parser,
        "keep a checkpoint while it runs, and go on from it if there is one: repeat the very command after "
        "the run was killed, and the result is that of one go",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="DIR",
        type=Path,
        help="keep the checkpoint in this folder, which is made, and removed when the run is done (default "
        "with --resume: OUT.checkpoint; without it none is kept)",
    )
    _add_common(parser)
    _add_method(parser)


def _add_apply(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "apply",
        help="denoise one image file with a network that was trained on another",
        usage="%(prog)s MODEL IN [-o OUT] [options]",
        description="Denoise one image file with a network saved by blind2grad denoise --save-model.",
        allow_abbrev=False,
    )
    parser.add_argument("model", metavar="MODEL", type=Path, help="the folder of the network")
    _add_one_file(parser)
    _add_tiles(parser)
    _add_pixels(parser)
    parser.add_argument(
        "--intensity",
        choices=("model", "image"),
        default="model",
        help="model: grey values mean what they meant in training; image: the range of this image is "
        "mapped to that of the image trained on, for other exposures (default: model)",
    )
    _add_common(parser)
    for parameter in parameters():
        if parameter.name in ("device", "precision", "threads"):
            _add_parameter(parser, parameter, "that of the training")


def _add_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "export",
        help="write a saved network for other programs",
        usage="%(prog)s MODEL OUT.zip [options]",
        description="Write a network saved by blind2grad denoise --save-model as a package of the BioImage "
        "Model Zoo (TorchScript with its description), which other programs can run.",
        allow_abbrev=False,
    )
    parser.add_argument("model", metavar="MODEL", type=Path, help="the folder of the network")
    parser.add_argument("output", metavar="OUT", type=Path, help="the file to write: .zip")
    parser.add_argument(
        "--channel",
        type=int,
        metavar="N",
        help="whose network, counted from 0, if the channels have one each",
    )
    parser.add_argument("--name", default="", help="name of the model (default: that of MODEL)")
    parser.add_argument(
        "--author",
        metavar="NAME",
        action="append",
        default=[],
        help="who trained it; may be given several times (default: unknown)",
    )
    parser.add_argument(
        "--license",
        metavar="ID",
        help="SPDX identifier of the licence under which you pass it on, such as CC-BY-4.0 (default: none)",
    )
    _add_common(parser)


def _add_batch(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "batch",
        help="denoise many image files",
        usage="%(prog)s PATTERN [PATTERN ...] -o OUT_DIR [--one-network] [options]",
        description="Denoise all files that match a pattern, such as 'folder/**/*.tif' (in quotation "
        "marks; ** goes through all folders below). Each result lies in OUT_DIR as its file lies below "
        "the part of the pattern that is fixed. A file that fails does not stop the others.",
        epilog="Ctrl-C stops; the files that are finished stay. "
        "Exit codes: 0 done, 1 a file failed, 2 wrong arguments, 130 interrupted.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "patterns",
        metavar="PATTERN",
        nargs="+",
        help="files, folders, or a pattern that matches files",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT_DIR",
        type=Path,
        required=True,
        help="the folder for the results, which is created",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--per-file",
        action="store_true",
        help="train one network for each file (default)",
    )
    which.add_argument(
        "--one-network",
        action="store_true",
        help="train on the first file that can be read, and denoise all others with its network: faster, "
        "for images of one kind and exposure",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="denoise files whose result is there already once more (default: skip them)",
    )
    _add_survival(
        parser,
        "denoise again what is damaged, interrupted or was made with other settings, and go on with the "
        "file in work where a killed batch left it",
    )
    _add_workers(
        parser,
        "denoise N files at a time, each in a process of one thread (needs dask.distributed; default: "
        "one after another in this process)",
        "denoise on the workers of this dask scheduler, such as tcp://node7:8786",
    )
    _add_start(parser)
    _add_pixels(parser)
    _add_common(parser)
    _add_method(parser)


def _add_workers(parser: argparse.ArgumentParser, cluster: str, scheduler: str) -> None:
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--cluster", metavar="local:N", type=_cluster, help=cluster)
    where.add_argument("--scheduler", metavar="ADDRESS", help=scheduler)


def _add_survival(parser: argparse.ArgumentParser, resume: str) -> None:
    parser.add_argument("--resume", action="store_true", help=resume)
    parser.add_argument(
        "--checkpoint-every",
        metavar="SECONDS",
        type=_seconds,
        default=30.0,
        help="least time between two checkpoints; they are rarer where writing them takes long (default: 30)",
    )


def _cluster(text: str) -> str:
    if not re.fullmatch(r"local:[1-9]\d{0,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not local:N, such as local:4")
    return text


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return value


def _add_one_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", metavar="IN", type=Path, help="the noisy image")
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        type=_output,
        help="where to write: .ome.tif gives OME-TIFF, .tif an ImageJ hyperstack, .ome.zarr OME-Zarr; its "
        "folder must exist (default: IN_denoised.ome.tif beside the input, .ome.zarr for OME-Zarr)",
    )


def _add_tiles(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out-of-core",
        action="store_true",
        help="read, denoise and write tile by tile, with little memory; done by itself for images of more "
        f"than {WHOLE // 2**20} million (2²⁰) values",
    )
    parser.add_argument(
        "--tile",
        type=_tile,
        metavar="Z,Y,X",
        help="largest sides of a tile; implies --out-of-core, and the result does not depend on it "
        "(default: by the free memory)",
    )
    _add_workers(
        parser,
        "make N tiles at a time, each in a process of one thread; implies --out-of-core, and the training "
        "stays in this process (needs dask.distributed; default: one tile after another in this process)",
        "make the tiles on the workers of this dask scheduler, such as tcp://node7:8786, which must see the "
        "image under the same path; implies --out-of-core",
    )


def _add_start(parser: argparse.ArgumentParser) -> None:
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        "--preset",
        type=_preset,
        metavar="NAME",
        help="; ".join(f"{name}: {PRESET_HELP[name].rstrip('.')}" for name in PRESETS)
        + "; or a preset saved as a JSON file: its path, ending in .json (default: fast)",
    )
    start.add_argument(
        "--settings",
        metavar="FILE",
        type=Path,
        help="start from the settings in a JSON file, or from those that an earlier result holds",
    )


def _add_pixels(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--axes",
        type=_axes,
        help="what the dimensions are, one letter of T, C, Z, Y, X and S (colour) for each, such as TZYX "
        "(default: what the file says)",
    )
    parser.add_argument(
        "--crop",
        type=_crop,
        metavar="Z=A:B,Y=A:B,X=A:B",
        help="denoise, and write, only this part: for each axis to cut, its first position and the one after "
        "the last, counted from 0 (default: everything)",
    )
    parser.add_argument(
        "--dtype",
        type=_dtype,
        help="type of the written pixels: input, float32 or any other integer or float type; integers "
        "are rounded and saturated (default: input)",
    )
    parser.add_argument(
        "--ome-zarr",
        choices=("0.5", "0.4"),
        default="0.5",
        help="version of OME-Zarr to write (default: 0.5; older programs read 0.4)",
    )


def _add_method(parser: argparse.ArgumentParser) -> None:
    groups: dict[str, argparse._ArgumentGroup] = {
        name: parser.add_argument_group(title) for name, title in _GROUPS.items()
    }
    for parameter in parameters():
        if parameter.name not in _SPECIAL:
            _add_parameter(groups[parameter.group], parameter)


def _add_parameter(
    group: argparse._ActionsContainer, parameter: Parameter, default: str = ""
) -> None:
    kind: dict[str, Any]
    if parameter.kind is bool:
        kind = {"action": argparse.BooleanOptionalAction}
    elif parameter.choices:
        kind = {"choices": parameter.choices}
    elif parameter.kind is str:
        kind = {"metavar": "NAME"}
    else:
        kind = {"type": _number(parameter), "metavar": "N"}
    values = f"default: {default}" if default else describe_values(parameter)
    text = f"{parameter.help.rstrip('.')} ({values})"
    group.add_argument(
        option_name(parameter), dest=parameter.name, help=text.replace("%", "%%"), **kind
    )


def describe_values(parameter: Parameter) -> str:
    """Return bounds and default of a parameter in words."""
    default = parameter.default
    if parameter.kind is bool:
        return f"default: {'yes' if default else 'no'}"
    if parameter.kind is str:
        return f"default: {default}"
    unit = f" {parameter.unit}" if parameter.unit else ""
    return f"{parameter.low:,g} to {parameter.high:,g}{unit}; default: {default:g}"


def _number(parameter: Parameter) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            value = int(text) if text.lstrip("+-").isdecimal() else float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        try:
            return parameter.check(value)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def _axes(text: str) -> str:
    from ..axes import Axes

    letters = text.upper()
    try:
        Axes(letters, (1,) * len(letters))
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return letters


def _preset(text: str) -> str | Path:
    if text.lower().endswith(".json"):
        return Path(text)
    if text not in PRESETS:
        raise argparse.ArgumentTypeError(
            f"there is no preset {text!r} (choose {', '.join(PRESETS)}, or a path that ends in .json)"
        )
    return text


def _tile(text: str) -> tuple[int, int, int]:
    parts = text.split(",")
    if len(parts) != 3 or not all(p.strip().isdecimal() and int(p) > 0 for p in parts):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not three lengths along Z, Y and X, such as 32,512,512"
        )
    z, y, x = (int(p) for p in parts)
    return z, y, x


def _crop(text: str) -> Mapping[str, tuple[int, int]]:
    try:
        return parse_crop(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _dtype(text: str) -> str:
    import numpy as np

    if text == "input":
        return text
    try:
        dtype = np.dtype(text)
    except TypeError:
        dtype = None
    if dtype is None or dtype.kind not in "iuf":
        raise argparse.ArgumentTypeError(
            f"{text!r} is not input, an integer type such as uint16 or a float type such as float32"
        )
    return dtype.name


def _output(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in (".tif", ".tiff", ".zarr"):
        raise argparse.ArgumentTypeError(
            f"{text} must end in .ome.tif, .ome.tiff, .tif, .tiff or .ome.zarr"
        )
    return path
