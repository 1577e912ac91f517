"""The options are those of Config: same names, bounds and defaults."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_blind2grad import __version__
from napari_blind2grad.cli import main
from napari_blind2grad.cli.info import parameter_lines
from napari_blind2grad.cli.options import (
    build_parser,
    config_arguments,
    config_from,
    option_name,
)
from napari_blind2grad.config import PRESETS, Config, Parameter, parameters
from napari_blind2grad.errors import ConfigError, InputError
from napari_blind2grad.io import write_image

ALL = list(parameters())
NUMBERS = [p for p in ALL if p.kind in (int, float)]


def parsed(*options: str) -> Config:
    return config_from(build_parser().parse_args(["denoise", "in.tif", *options]))


def refused(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """Return what argparse says to `options`, after it exits with 2."""
    with pytest.raises(SystemExit) as caught:
        main(["denoise", "in.tif", *options])
    assert caught.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("parameter", ALL, ids=lambda p: p.name)
def test_defaults_are_those_of_config(parameter: Parameter) -> None:
    assert getattr(parsed(), parameter.name) == getattr(Config(), parameter.name)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets(name: str) -> None:
    assert parsed("--preset", name) == Config.preset(name)


@st.composite
def configs(draw: st.DrawFn) -> Config:
    """Any config: the text of `device` too, which begins with a dash at times."""
    values: dict[str, object] = {}
    for p in ALL:
        if p.kind is bool:
            values[p.name] = draw(st.booleans())
        elif p.name == "base":
            values[p.name] = draw(st.sampled_from(sorted(PRESETS)))
        elif p.choices:
            values[p.name] = draw(st.sampled_from(p.choices))
        elif p.kind is str:
            values[p.name] = draw(st.sampled_from(["auto", "cpu", "cuda:1", "-x", "a b"]))
        elif p.kind is int:
            values[p.name] = draw(st.integers(int(p.low), int(p.high)))
        else:
            values[p.name] = draw(st.floats(p.low, p.high))
    return Config(**values)


@given(configs())
def test_every_config_can_be_written_as_arguments(config: Config) -> None:
    assert parsed(*config_arguments(config)) == config


def test_arguments_name_only_what_differs() -> None:
    config = Config.preset("paper", omega=0.5, attention=False, device="cpu")
    assert config_arguments(config) == [
        "--preset=paper",
        "--omega=0.5",
        "--no-attention",
        "--device=cpu",
    ]


@pytest.mark.parametrize("parameter", NUMBERS, ids=lambda p: p.name)
def test_out_of_range(parameter: Parameter, capsys: pytest.CaptureFixture[str]) -> None:
    option = option_name(parameter)
    span = max(abs(parameter.low), abs(parameter.high), 1)
    for value in (parameter.low - span, parameter.high + span):
        words = refused(capsys, f"{option}={parameter.kind(value)}")
        assert f"argument {option}: {parameter.name} must lie between" in words
    for value in ("abc", "", "1,5", "nan", "inf", "1e999"):
        assert f"argument {option}:" in refused(capsys, f"{option}={value}")


@pytest.mark.parametrize("parameter", [p for p in ALL if p.kind is int], ids=lambda p: p.name)
def test_whole_numbers(parameter: Parameter, capsys: pytest.CaptureFixture[str]) -> None:
    assert "whole number" in refused(capsys, f"{option_name(parameter)}={parameter.low + 0.5}")


@pytest.mark.parametrize("parameter", [p for p in ALL if p.choices], ids=lambda p: p.name)
def test_wrong_choices(parameter: Parameter, capsys: pytest.CaptureFixture[str]) -> None:
    assert "argument" in refused(capsys, f"{option_name(parameter)}=nothing-like-it")


@pytest.mark.parametrize(
    "options",
    [
        ["--omga", "1"],
        ["--ome", "1"],  # no abbreviations: a later option could take the name
        ["--omega"],
        ["--preset", "nope"],
        ["--preset", "fast", "--settings", "a.json"],
        ["--axes", "QYX"],
        ["--axes", "ZX"],
        ["--axes", "YYX"],
        ["--dtype", "complex64"],
        ["--dtype", "bool"],
        ["--dtype", "nope"],
        ["--dtype", "U5"],
        ["-o", "out.png"],
        ["-o", "out"],
        ["another.tif"],
    ],
)
def test_wrong_arguments(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = refused(capsys, *options)
    assert "blind2grad denoise: error:" in words or "blind2grad: error:" in words


@pytest.mark.parametrize("argv", [[], ["nope"], ["denoise"], ["info", "--nope"]])
def test_wrong_commands(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("option", "value"),
    [
        (None, "input"),
        ("input", "input"),
        ("float32", "float32"),
        ("uint8", "float32"),
        ("int64", "float32"),
        ("float64", "float32"),
    ],
)
def test_output_types(option: str | None, value: str) -> None:
    assert parsed(*([f"--dtype={option}"] if option else [])).dtype == value


def test_axes_in_small_letters() -> None:
    args = build_parser().parse_args(["denoise", "in.tif", "--axes", "tzyx"])
    assert args.axes == "TZYX"


def test_help_tells_values_and_fits_every_parameter(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["denoise", "--help"])
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for parameter in ALL:
        assert option_name(parameter) in text
    assert f"0 to 4; default: {Config().omega}" in text
    assert "(default: yes)" in text
    assert "Exit codes: 0 done" in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"blind2grad {__version__}\n"


def test_help_loads_neither_torch_nor_numpy() -> None:
    code = (
        "import sys\n"
        "from napari_blind2grad.cli.options import build_parser\n"
        "build_parser().format_help()\n"
        "assert not {'torch', 'numpy', 'napari', 'qtpy'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------- settings


def test_settings_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    config = Config.preset("balanced", omega=1.5, seed=3)
    path.write_text(config.to_json(), encoding="utf-8")
    assert parsed("--settings", str(path)) == config
    assert parsed("--settings", str(path), "--omega", "0") == config.replace(omega=0)
    assert parsed("--settings", str(path), "--dtype", "uint8").dtype == "float32"


def test_settings_of_a_result(tmp_path: Path) -> None:
    config = Config.preset("paper", omega=1.5)
    for name in ("a.ome.tif", "a.tif"):
        parameters = {"version": "1", "config": config.to_dict()}
        path = write_image(tmp_path / name, np.zeros((4, 5), np.uint8), parameters=parameters)
        assert parsed("--settings", str(path)) == config


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("{", InputError, "are not JSON"),
        ("[1]", InputError, "holds no settings"),
        ("{}", InputError, "holds no settings"),
        ('{"omga": 1}', ConfigError, "no parameter 'omga'"),
        ('{"omega": 99}', ConfigError, "omega must lie between"),
        ('{"base": "nope"}', ConfigError, "no preset"),
        ('{"config": {"omega": "high"}}', ConfigError, "omega must be a number"),
    ],
)
def test_wrong_settings(
    tmp_path: Path,
    content: str,
    error: type[Exception],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "settings.json"
    path.write_text(content)
    with pytest.raises(error, match=message):
        parsed("--settings", str(path))
    code = main(["denoise", "in.tif", "--settings", str(path)])
    assert code == (2 if error is ConfigError else 1)
    assert capsys.readouterr().err.startswith("Error: ")


def test_settings_that_cannot_be_read(tmp_path: Path) -> None:
    for name in ("nope.json", "nope.tif"):
        with pytest.raises(InputError, match=r"cannot be read|There is no file"):
            parsed("--settings", str(tmp_path / name))
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="are not JSON"):
        parsed("--settings", str(binary))
    foreign = write_image(tmp_path / "foreign.tif", np.zeros((4, 5), np.uint8))
    with pytest.raises(InputError, match="holds no settings"):
        parsed("--settings", str(foreign))


def test_settings_are_json_that_people_can_edit() -> None:
    assert json.loads(Config().to_json())["omega"] == Config().omega


# ---------------------------------------------------------------- info


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"napari-blind2grad {__version__}\n")
    assert "PyTorch " in text
    assert "  cpu" in text
    for name in PRESETS:
        assert f"  {name}" in text


def test_info_lists_all_parameters() -> None:
    text = "\n".join(parameter_lines())
    for parameter in ALL:
        assert f"  {option_name(parameter)}  {parameter.label}" in text
    assert "paper: 2e-05" in text
