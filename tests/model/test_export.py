"""Networks for other programs: packages of the BioImage Model Zoo."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_blind2grad import Config, Result, denoise, load_model, save_model
from napari_blind2grad.cli import main
from napari_blind2grad.engine.stack import neighbouring
from napari_blind2grad.errors import ConfigError, InputError, OutputError
from napari_blind2grad.model import Model, export_model
from napari_blind2grad.model.export import _recorded, _sizes
from napari_blind2grad.model.plain import Plain

TINY = Config(iterations=4, cycles=2, width=4, depth=1, patch=32, passes=1, threads=1, device="cpu")


def trained(config: Config = TINY, shape: tuple[int, ...] = (48, 48), axes: str = "YX") -> Result:
    clean = 400 + 100 * np.sin(np.arange(np.prod(shape)).reshape(shape) / 9)
    noisy = np.random.default_rng(0).poisson(clean).astype(np.uint16)
    return denoise(noisy, axes, config)


def as_model(result: Result) -> Model:
    return Model(result.config, result.axes, "0", result.state)


@pytest.fixture(scope="module")
def stack() -> Model:
    return as_model(trained(shape=(5, 32, 32), axes="ZYX"))


@pytest.fixture
def core() -> Any:
    """bioimageio.core; whatever it warns of while it is imported is not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(
            "bioimageio.core", reason="needs the extra zoo", exc_type=ImportError
        )


@pytest.mark.parametrize("paper", [False, True])
def test_any_size_and_device(stack: Model, paper: bool) -> None:
    model, shape = stack, (1, 1, 4, 32, 48)
    if paper:
        config = Config.preset(
            "paper", iterations=2, cycles=2, width=8, depth=2, passes=1, patch=32, threads=1
        )
        model, shape = (
            as_model(trained(config.replace(dimensions="2D", device="cpu"))),
            (1, 1, 32, 48),
        )
    network = model.state.networks[0]
    assert network is not None
    plain = Plain(network, model.config, 1)
    data = _recorded(plain, torch.rand(shape))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript
        read = torch.jit.load(io.BytesIO(data))
    other = torch.rand(*shape[:-2], 64, 16)
    if not paper:
        other = torch.cat([other, other], 2)
    with torch.no_grad():
        torch.testing.assert_close(read(other), plain(other))
    # Steps that name the device on which they were recorded fail on any other.
    assert "cpu" not in str(read.inlined_graph)


@pytest.mark.parametrize("distance", [2, 3])
def test_grids_are_cut_whatever_the_size(distance: int) -> None:
    """A network for noise that neighbours share sees a grid at a time, in other programs too."""
    result = trained(TINY.replace(dilation=distance), (64, 64))
    network = result.state.networks[0]
    assert network is not None
    plain = Plain(network, result.config, 1)
    step, least = plain.network.multiple, _sizes(plain)["y"]["min"]
    data = _recorded(plain, torch.rand(1, 1, least, least + step))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript
        read = torch.jit.load(io.BytesIO(data))
    other = torch.rand(1, 1, least + 2 * step, least)
    with torch.no_grad():
        before = plain(other)
        torch.testing.assert_close(read(other), before)
        other[..., 2 * step, 2 * step] += 1.0
        moved = (plain(other) - before)[0, 0].abs() > 1e-6
    assert moved.sum() > 9
    assert bool((moved.nonzero() % distance == 0).all())


@pytest.mark.parametrize("depth", [3, 4, 9])
def test_neighbours_are_those_of_the_engine(stack: Model, depth: int) -> None:
    network = stack.state.networks[0]
    assert network is not None
    assert network.context == 2
    plain = Plain(network, stack.config, 1)
    found = torch.stack(plain._neighbours(torch.zeros(depth, 1, 1, 1)), 1)
    assert torch.equal(found, neighbouring(torch.arange(depth), depth, 2))


def test_it_denoises_as_well() -> None:
    shape = (64, 64)
    clean = 0.5 + 0.2 * np.sin(np.arange(np.prod(shape)).reshape(shape) / 9)
    noisy = (clean + np.random.default_rng(0).normal(0, 0.1, shape)).astype(np.float32)
    result = denoise(noisy, "YX", TINY.replace(iterations=60, passes=8, refine=False))
    network, intensity = result.state.networks[0], result.state.maps[0]
    plain = Plain(network, result.config, 1)
    with torch.no_grad():
        own = plain(torch.from_numpy(intensity.forward(noisy))[None, None])[0, 0].numpy()
    errors = [np.square(a - clean).mean() for a in (noisy, intensity.inverse(own), result.image)]
    assert errors[1] < 0.5 * errors[0]
    assert errors[1] < 1.1 * errors[2]


@pytest.mark.parametrize("kind", ["stack", "colour"])
def test_their_own_test_passes(tmp_path: Path, core: Any, stack: Model, kind: str) -> None:
    model = stack
    if kind == "colour":
        model = as_model(trained(shape=(32, 32, 3), axes="YXS"))
    path = export_model(model, tmp_path / "a.zip", name=kind, authors=["A. Nobody"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        summary = core.test_description(path)
    assert summary.status == "passed", summary.format()
    names = zipfile.ZipFile(path).namelist()
    assert {"weights.pt", "test_input.npy", "test_output.npy", "README.md"} <= set(names)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = trained(TINY.replace(networks="per-channel"), (2, 32, 32), "CYX")
    model, out = tmp_path / "my model", tmp_path / "a.zip"
    save_model(model, result)
    assert main(["export", str(model), str(out)]) == 2
    assert "Choose with --channel" in capsys.readouterr().err
    assert not out.exists()
    argv = [
        "export",
        str(model),
        str(out),
        "--channel=1",
        "--license=CC-BY-4.0",
        "--author=A. Nobody",
    ]
    assert main(argv) == 0
    assert "bioimageio test" in capsys.readouterr().out
    description = json.loads(zipfile.ZipFile(out).read("bioimageio.yaml"))
    assert description["name"] == "my model"
    assert description["license"] == "CC-BY-4.0"
    assert description["authors"] == [{"name": "A. Nobody"}]
    (step,) = description["inputs"][0]["preprocessing"]
    intensity = load_model(model).state.maps[1]
    assert step["kwargs"] == {"mean": intensity.low, "std": intensity.scale}


def test_refused_in_words(tmp_path: Path, stack: Model) -> None:
    with pytest.raises(OutputError, match=r"\.zip"):
        export_model(stack, tmp_path / "a.tar")
    with pytest.raises(InputError, match="Channel 3 has no trained network"):
        export_model(stack, tmp_path / "a.zip", channel=3)
    with pytest.raises(ConfigError, match="no SPDX identifier"):
        export_model(stack, tmp_path / "a.zip", license_id="any you like")
    assert main(["export", str(tmp_path / "none"), str(tmp_path / "a.zip")]) == 1
