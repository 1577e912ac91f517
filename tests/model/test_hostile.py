"""Model folders that want harm, or are broken, are refused in words, and nothing of them is run."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_blind2grad import Config, apply, denoise, load_model
from napari_blind2grad.cli import main
from napari_blind2grad.errors import InputError

TINY = Config(iterations=3, cycles=2, width=4, depth=1, patch=32, passes=1, threads=1, device="cpu")
NOISY = np.random.default_rng(0).normal(100, 10, (32, 32)).astype(np.float32)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return denoise(NOISY, "YX", TINY).save_model(tmp_path_factory.mktemp("good") / "model")


@pytest.fixture
def model(good: Path, tmp_path: Path) -> Path:
    """A copy that may be spoilt."""
    return Path(shutil.copytree(good, tmp_path / "model"))


def refused(model: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_model(model)
    words = str(caught.value)
    assert len(words) < 600
    return words


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.mark),)


def test_the_good_one_is_read(model: Path) -> None:
    assert load_model(model).config == TINY


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_pickles(model: Path, tmp_path: Path, how: str) -> None:
    mark = tmp_path / "ran"
    path = model / "weights.safetensors"
    if how == "pickle":
        path.write_bytes(pickle.dumps(Bomb(mark)))
    else:
        torch.save(Bomb(mark), path)
    assert "no safetensors file" in refused(model)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Bomb(mark)))
    assert mark.exists()  # it would have worked


@pytest.mark.parametrize("name", ["weights.safetensors", "model.json"])
def test_links_that_lead_out(model: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / f"outside-{name}"
    (model / name).rename(outside)
    (model / name).symlink_to(outside)
    assert "leads out of its folder" in refused(model)


@pytest.mark.parametrize("field", ["weights", "path", "../../etc/passwd", "__class__"])
def test_unknown_fields(model: Path, field: str) -> None:
    """Paths cannot even be given."""
    change(model, lambda c: c.update({field: "../../secret.safetensors"}))
    words = refused(model)
    assert "holds what no model has" in words
    assert field in words


def change(model: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = model / "model.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    edit(content)
    path.write_text(json.dumps(content), encoding="utf-8")


CASES: list[tuple[str, Callable[[dict[str, Any]], object], str]] = [
    ("setting", lambda c: c["config"].update(exec="rm"), "There is no parameter 'exec'"),
    ("range", lambda c: c["config"].update(width=10**9), "width must lie between"),
    ("type", lambda c: c["config"].update(depth="3"), "depth must be"),
    ("huge", lambda c: c["config"].update(width=10**400), "width must be one number"),
    ("wider", lambda c: c["config"].update(width=256, depth=6), "lacks"),
    ("no settings", lambda c: c.update(config=[]), "holds no settings"),
    ("form", lambda c: c.update(blind2grad_model=99), "another version of blind2grad"),
    ("true form", lambda c: c.update(blind2grad_model=True), "another version of blind2grad"),
    ("not ours", lambda c: c.pop("blind2grad_model"), "is no model of blind2grad"),
    ("lacking", lambda c: c.pop("channels"), "lacks channels"),
    ("axes", lambda c: c.update(axes="QX"), "Unknown axis"),
    ("axes number", lambda c: c.update(axes=7), "axes must be a short text"),
    ("axes long", lambda c: c.update(axes="Y" * 5000), "axes must be a short text"),
    ("samples", lambda c: c.update(samples=10**6), "samples must be a whole number from 1 to 4"),
    ("samples half", lambda c: c.update(samples=1.5), "samples must be a whole number"),
    ("samples other", lambda c: c.update(samples=3), "has the shape"),
    ("context", lambda c: c["networks"][0].update(context=-1), "context must be a whole number"),
    ("context other", lambda c: c["networks"][0].update(context=2), "has the shape"),
    ("spread", lambda c: c["networks"][0].update(spread=0), "spread is out of range"),
    ("center", lambda c: c["networks"][0].update(center="0"), "center must be a number"),
    ("center huge", lambda c: c["networks"][0].update(center=10**400), "center is out of range"),
    ("guide", lambda c: c["networks"][0].update(guide=1), "guide must be true or false"),
    ("guide gone", lambda c: c["networks"][0].update(guide=False), "tensors that no network has"),
    ("network field", lambda c: c["networks"][0].update(code="x"), "what no model has: code"),
    ("network text", lambda c: c.update(networks=["x"]), "a network has no description"),
    ("networks many", lambda c: c.update(networks=c["networks"] * 3), "3 networks for 1 channels"),
    ("networks none", lambda c: c.update(networks=[None]), "names 1 networks"),
    ("networks object", lambda c: c.update(networks={}), "networks must be a list"),
    ("scale", lambda c: c["channels"][0].update(scale=-1), "scale is out of range"),
    ("channel", lambda c: c.update(channels=[3]), "a channel has no intensity map"),
    ("blank", lambda c: c["channels"][0].update(scale=0), "1 networks for 0 channels"),
]


@pytest.mark.parametrize(("edit", "words"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_descriptions(model: Path, edit: Callable[[dict[str, Any]], object], words: str) -> None:
    change(model, edit)
    assert words in refused(model)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 150_000, "nested too deeply"),
        ("{" + " " * 1_100_000 + "}", "too long"),
        ("", "is not JSON"),
        ("[]", "is no model of blind2grad"),
        ("null", "is no model of blind2grad"),
        ('{"blind2grad_model": 1, "blind2grad_model": 1}', "stands there twice"),
        ('{"blind2grad_model": NaN}', "NaN is no number"),
        ('{"blind2grad_model": ' + "9" * 10_000 + "}", "is not JSON"),
        ("\x80\x04", "is not JSON"),
    ],
)
def test_json(model: Path, text: str, words: str) -> None:
    (model / "model.json").write_bytes(text.encode("latin-1"))
    assert words in refused(model)


def spoil(model: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(model / "weights.safetensors")
    edit(tensors)
    save_file(tensors, model / "weights.safetensors")


NAME = "0.final.last.weight"
TENSORS: list[tuple[str, Callable[[dict[str, torch.Tensor]], object], str]] = [
    ("missing", lambda t: t.pop(NAME), "lacks 1 tensors, such as 0.final.last.weight"),
    (
        "unknown",
        lambda t: t.update(evil=torch.zeros(1)),
        "tensors that no network has, such as evil",
    ),
    ("shape", lambda t: t.update({NAME: torch.zeros(9, 9)}), "has the shape (9, 9)"),
    ("turned", lambda t: t.update({NAME: t[NAME].flatten()}), "has the shape"),
    ("type", lambda t: t.update({NAME: t[NAME].double()}), "has the type F64, not F32"),
    ("half", lambda t: t.update({NAME: t[NAME].half()}), "has the type F16"),
    ("whole", lambda t: t.update({NAME: t[NAME].int()}), "has the type I32"),
    ("nan", lambda t: t[NAME].fill_(float("nan")), "values that are no numbers"),
    ("infinite", lambda t: t[NAME].fill_(float("inf")), "values that are no numbers"),
]


@pytest.mark.parametrize(("edit", "words"), [c[1:] for c in TENSORS], ids=[c[0] for c in TENSORS])
def test_tensors(
    model: Path, edit: Callable[[dict[str, torch.Tensor]], object], words: str
) -> None:
    spoil(model, edit)
    assert words in refused(model)


@pytest.mark.parametrize(
    "header",
    [
        {NAME: {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 16]}},
        {NAME: {"dtype": "F32", "shape": [4], "data_offsets": [0, 2**62]}},
        {NAME: {"dtype": "F32", "shape": [2**63, 8], "data_offsets": [0, 16]}},
        {NAME: {"dtype": "O", "shape": [4], "data_offsets": [0, 16]}},
        {NAME: {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}},
        {},
    ],
)
def test_headers(model: Path, header: dict[str, Any]) -> None:
    text = json.dumps(header).encode()
    (model / "weights.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(16))
    refused(model)


@pytest.mark.parametrize("length", [0, 4, 2**63, 2**40])
def test_header_lengths(model: Path, length: int) -> None:
    (model / "weights.safetensors").write_bytes(struct.pack("<Q", length) + b"{}")
    assert "no safetensors file" in refused(model)


def test_cut_off(model: Path) -> None:
    path = model / "weights.safetensors"
    whole = path.read_bytes()
    for keep in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:keep])
        assert "no safetensors file" in refused(model)


def test_folders_that_are_none(model: Path, tmp_path: Path) -> None:
    assert "There is no model folder" in refused(tmp_path / "missing")
    assert "There is no model folder" in refused(model / "model.json")
    assert "model.json is missing" in refused_without(model, "model.json")
    assert "weights.safetensors is missing" in refused_without(model, "weights.safetensors")


def refused_without(model: Path, name: str) -> str:
    hidden = (model / name).rename(model / "hidden")
    (model / name).mkdir()  # nor will a folder of that name do
    words = refused(model)
    (model / name).rmdir()
    hidden.rename(model / name)
    return words


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX")
def test_pipes_are_not_waited_for(model: Path) -> None:
    (model / "model.json").unlink()
    os.mkfifo(model / "model.json")
    assert "model.json is missing" in refused(model)


def test_the_command_and_the_api_say_the_same(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(model, lambda c: c.update(evil=1))
    with pytest.raises(InputError, match="what no model has: evil"):
        apply(model, NOISY)
    assert main(["apply", str(model), str(tmp_path / "in.tif")]) == 1
    words = capsys.readouterr().err
    assert words.startswith("Error: ")
    assert "what no model has: evil" in words
