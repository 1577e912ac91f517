"""Each parameter is declared once, and a config is valid or does not exist."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_blind2grad.config import PRESET_HELP, PRESETS, Config, Parameter, parameters
from napari_blind2grad.errors import ConfigError

ALL = list(parameters())
NUMBERS = [p for p in ALL if p.kind in (int, float)]
names = [p.name for p in ALL]


def values_of(parameter: Parameter) -> st.SearchStrategy[object]:
    """Every value that a parameter may take."""
    if parameter.name == "base":
        return st.sampled_from(sorted(PRESETS))
    if parameter.kind is bool:
        return st.booleans()
    if parameter.kind is str:
        return st.sampled_from(parameter.choices) if parameter.choices else st.text()
    if parameter.kind is int:
        return st.integers(int(parameter.low), int(parameter.high))
    return st.floats(parameter.low, parameter.high)


configs = st.fixed_dictionaries({p.name: values_of(p) for p in ALL}).map(lambda d: Config(**d))


@given(configs)
def test_json_round_trip(config: Config) -> None:
    assert Config.from_dict(json.loads(config.to_json())) == config


@given(configs)
def test_a_run_may_have_made_its_own_settings_alone(config: Config) -> None:
    assert config.made(config.to_dict())
    assert config.made(config.to_dict() | dict(dilation=3)) == (config.dilation in (0, 3))
    assert not config.made(config.to_dict() | dict(depth=config.depth + 1))
    assert not config.made({})


@given(configs)
def test_a_config_is_its_preset_and_changes(config: Config) -> None:
    assert Config.preset(config.base, **config.changes()) == config


@pytest.mark.parametrize("parameter", ALL, ids=names)
def test_declarations_are_complete(parameter: Parameter) -> None:
    assert parameter.label
    assert parameter.help.endswith((".", "!", "?"))
    assert parameter.default == getattr(Config(), parameter.name)
    if parameter.kind in (int, float):
        assert parameter.low <= parameter.default <= parameter.high
        assert math.isfinite(parameter.low)
        assert math.isfinite(parameter.high)
        assert parameter.step > 0
    if parameter.choices:
        assert parameter.default in parameter.choices


@pytest.mark.parametrize("parameter", NUMBERS, ids=lambda p: p.name)
def test_bounds_are_inclusive(parameter: Parameter) -> None:
    for bound in (parameter.low, parameter.high):
        assert getattr(Config(**{parameter.name: parameter.kind(bound)}), parameter.name) == bound
    span = max(abs(parameter.low), abs(parameter.high), 1)
    for outside in (parameter.low - span, parameter.high + span):
        with pytest.raises(ConfigError, match=f"{parameter.name} must lie between"):
            Config(**{parameter.name: parameter.kind(outside)})


@pytest.mark.parametrize("parameter", NUMBERS, ids=lambda p: p.name)
@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, None, "1", True, 1j, [1], np.array([1, 2]), 10**400]
)
def test_no_number_is_refused(parameter: Parameter, value: object) -> None:
    with pytest.raises(ConfigError, match=f"^{parameter.name} must be"):
        Config(**{parameter.name: value})


@pytest.mark.parametrize("parameter", [p for p in ALL if p.kind is int], ids=lambda p: p.name)
def test_whole_numbers_stay_whole(parameter: Parameter) -> None:
    value = getattr(Config(**{parameter.name: float(parameter.low)}), parameter.name)
    assert type(value) is int
    with pytest.raises(ConfigError, match="whole number"):
        Config(**{parameter.name: parameter.low + 0.5})


@pytest.mark.parametrize("parameter", [p for p in ALL if p.kind is bool], ids=lambda p: p.name)
@pytest.mark.parametrize("value", [0, 1, "yes", None])
def test_switches_take_booleans_only(parameter: Parameter, value: object) -> None:
    with pytest.raises(ConfigError, match="true or false"):
        Config(**{parameter.name: value})


@pytest.mark.parametrize("parameter", [p for p in ALL if p.kind is str], ids=lambda p: p.name)
@pytest.mark.parametrize("value", [3, None, ["fast"]])
def test_text_is_text(parameter: Parameter, value: object) -> None:
    with pytest.raises(ConfigError, match="must be text"):
        Config(**{parameter.name: value})


@pytest.mark.parametrize("parameter", [p for p in ALL if p.choices], ids=lambda p: p.name)
def test_choices(parameter: Parameter) -> None:
    for choice in parameter.choices:
        assert getattr(Config(**{parameter.name: choice}), parameter.name) == choice
    with pytest.raises(ConfigError, match="must be one of"):
        Config(**{parameter.name: "no such choice"})


def test_numpy_numbers_become_pythons() -> None:
    config = Config(omega=np.float32(0.5), iterations=np.int64(7))  # type: ignore[arg-type]
    assert (type(config.omega), type(config.iterations)) == (float, int)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets(name: str) -> None:
    config = Config.preset(name)
    assert config.base == name
    assert PRESET_HELP[name]
    assert config.changes() == {}
    for field, value in PRESETS[name].items():
        assert getattr(config, field) == value
    assert Config.preset(name, omega=1.25).changes() == {"omega": 1.25}


def test_fast_is_the_default() -> None:
    assert Config() == Config.preset() == Config.preset("fast")


def test_the_paper_preset_is_the_papers_table() -> None:
    """DESIGN section 1: equations 3.1 to 3.14 and section 5.1.1."""
    paper = Config.preset("paper")
    table = dict(
        omega=0.8, gamma=0.5, eps_g=40, eps_s=25, mask_rate=0.25, depth=5, passes=40, lr=2e-5
    )
    assert {name: getattr(paper, name) for name in table} == table
    assert paper.mask == "dual"
    assert paper.detail == "literal"
    assert paper.architecture == "paper"
    assert paper.optimizer == "adam"
    assert paper.attention
    assert paper.gradient_layer
    assert paper.stochastic


def test_unknown_names_are_refused() -> None:
    for make in (
        lambda: Config.preset("nope"),
        lambda: Config(base="nope"),
        lambda: Config.from_dict({"base": "nope"}),
    ):
        with pytest.raises(ConfigError, match="no preset 'nope'"):
            make()
    for make in (
        lambda: Config.preset("fast", omga=1),
        lambda: Config().replace(omga=1),
        lambda: Config.from_dict({"omga": 1}),
    ):
        with pytest.raises(ConfigError, match="no parameter 'omga'"):
            make()


def test_configs_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().omega = 1.0  # type: ignore[misc]


def test_replace_validates() -> None:
    assert Config().replace(omega=1).omega == 1.0
    with pytest.raises(ConfigError, match="omega must lie between"):
        Config().replace(omega=-1)
