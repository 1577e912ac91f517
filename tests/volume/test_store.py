"""Large images: trained on crops, written tile by tile, by Python and by the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr
from ome_zarr_models import v04, v05

from napari_blind2grad import Config, apply_volume, denoise, denoise_volume, save_model, sizes
from napari_blind2grad.cli import main
from napari_blind2grad.engine.network import build
from napari_blind2grad.errors import InputError, OutOfMemory, OutputError
from napari_blind2grad.io import read_image, write_image
from napari_blind2grad.volume import Finished, Into, denoise_volume_iter, sample
from napari_blind2grad.volume import memory as memory_module
from napari_blind2grad.volume.geometry import Reach, choose_tile, memory
from napari_blind2grad.volume.tile import Tiles

TINY = Config(
    iterations=6, cycles=2, width=4, depth=1, fold=1, patch=32, passes=1, threads=1, device="cpu"
)
SETTINGS = (
    "--iterations 6 --cycles 2 --width 4 --depth 1 --fold 1 --patch 32 --passes 1 "
    "--threads 1 --device cpu"
)


def noisy(*shape: int, seed: int = 0) -> np.ndarray:
    clean = 60 + 40 * np.sin(np.arange(np.prod(shape)).reshape(shape) / 7)
    return np.random.default_rng(seed).poisson(clean).astype(np.uint16)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large begins early, and a sample is a small part of it."""
    monkeypatch.setattr(sizes, "WHOLE", 10_000)
    monkeypatch.setattr(sample, "SIZE", 20_000)
    monkeypatch.setattr(sample, "SIDE", 32)


class Counted:
    """A lazy array that counts what is read of it."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.largest = 0

    def __getitem__(self, region: Any) -> np.ndarray:
        part = self.array[region]
        self.largest = max(self.largest, part.size)
        return part

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise AssertionError("read as a whole")


def test_a_large_image_is_never_read_whole(small: None) -> None:
    image = Counted(noisy(12, 64, 64))
    outputs = []
    for tile in ((4, 32, 32), None):
        out = np.zeros(image.shape, np.float32)
        config = TINY.replace(dtype="float32")
        list(denoise_volume_iter(image, Into(out, "ZYX"), "ZYX", config, tile=tile))
        outputs.append(out)
        if tile:
            assert image.largest <= image.array.size / 4
    assert np.abs(outputs[0] - outputs[1]).max() < 1e-5 * np.ptp(image.array)
    with pytest.raises(InputError, match="denoise_volume"):
        denoise(image, "ZYX", TINY)


def test_what_is_rare_escapes_no_look(small: None) -> None:
    image = np.zeros((2, 160, 160), np.uint8)
    image[1, 3, 5] = 200
    looked = sample._full_range(sample.Source.of(image, "ZYX"), 0)
    assert (looked.low, looked.scale) == (0, 200)
    with pytest.raises(InputError, match="constant"):
        list(denoise_volume_iter(np.zeros((2, 160, 160)), Into(image, "ZYX"), "ZYX", TINY))


def test_crops_lie_everywhere() -> None:
    crops = sample.sample((1, 3, 200, 1, 3000, 2000), Config())
    places = np.array(crops.places)
    assert crops.size == (2, 256, 256)
    assert len(places) * np.prod(crops.size) <= sample.SIZE
    for axis, length in enumerate((3, 200, 3000, 2000)):
        thirds = np.histogram(places[:, axis], 3, (0, length))[0]
        assert thirds.min() > len(places) / 6
    for changes in (dict(dilation=3), dict(dilation=3, patch=0), dict(patch=0)):
        config = Config(**changes)
        wider = sample.sample((1, 3, 200, 1, 3000, 2000), config)
        assert wider == sample.sample((1, 3, 200, 1, 3000, 2000), config.replace(dilation=0))
    other = sample.sample((1, 3, 200, 1, 3000, 2000), Config(seed=1))
    assert other.places != crops.places


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.ome.tif", "a.tif"])
def test_files(tmp_path: Path, name: str) -> None:
    image = noisy(3, 40, 300)
    path = tmp_path / name
    sizes_, units = dict(Z=2.0, Y=0.5, X=0.5), dict(Z="µm", Y="µm", X="µm")
    last = denoise_volume(
        zarr.array(image), path, "ZYX", TINY, scale=sizes_, units=units, tile=(2, 512, 128)
    )
    written = read_image(path)
    assert (written.axes, written.scale, written.units) == ("ZYX", sizes_, units)
    np.testing.assert_array_equal(written.data, denoise(image, "ZYX", TINY).image)
    assert written.parameters["config"] == TINY.to_dict()
    save_model(tmp_path / "model", last)
    apply_volume(tmp_path / "model", image, tmp_path / f"again_{name}")
    np.testing.assert_array_equal(read_image(tmp_path / f"again_{name}").data, written.data)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(("version", "models"), [("0.5", v05), ("0.4", v04)])
def test_ome_zarr_is_the_same_as_from_memory(tmp_path: Path, version: str, models: Any) -> None:
    image = noisy(2, 2, 301, 523)
    path = tmp_path / "a.ome.zarr"
    facts: dict[str, Any] = dict(
        scale=dict(Z=2.0, Y=0.5, X=0.25), units=dict(Z="µm", Y="µm", X="µm"), ome_zarr=version
    )
    denoise_volume(image, path, "CZYX", TINY, channel_names=["a", "b"], tile=(1, 512, 512), **facts)
    group = zarr.open_group(path, mode="r")
    streamed = models.Image.from_zarr(group).attributes.model_dump()
    data = read_image(path)
    assert data.channel_names == ("a", "b")
    held = tmp_path / "held.ome.zarr"
    write_image(held, data.data, axes="CZYX", channel_names=["a", "b"], **facts)
    other = zarr.open_group(held, mode="r")
    expected = models.Image.from_zarr(other).attributes.model_dump()
    one, two = (v.get("ome", v) for v in (streamed, expected))
    for key in ("axes",):
        assert one["multiscales"][0][key] == two["multiscales"][0][key]
    levels = [part["multiscales"][0]["datasets"] for part in (one, two)]
    assert len(levels[0]) == len(levels[1]) == 3
    for a, b in zip(*levels, strict=True):
        np.testing.assert_array_equal(group[a["path"]][...], other[b["path"]][...])
    assert one["omero"] == two["omero"]


def test_nothing_is_left_of_a_run_that_stops_or_fails(tmp_path: Path) -> None:
    image = noisy(3, 40, 40)
    last = denoise_volume(image, tmp_path / "a.ome.zarr", "ZYX", TINY, should_stop=lambda: True)
    assert last.stopped
    with pytest.raises(OutputError, match=r"must end in"):
        denoise_volume(image, tmp_path / "a.png", "ZYX", TINY)
    assert not list(tmp_path.iterdir())


def test_memory_that_runs_short_costs_time_and_no_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    image = noisy(2, 140, 150)
    config = TINY.replace(dtype="float32")
    reference = np.zeros(image.shape, np.float32)
    list(denoise_volume_iter(image, Into(reference, "ZYX"), "ZYX", config))
    steps = Tiles.steps

    def short(self: Tiles, tile: Any) -> Any:
        if tile.pixels > 2 * 80 * 90:
            raise torch.OutOfMemoryError("out of memory")
        return (yield from steps(self, tile))

    monkeypatch.setattr(Tiles, "steps", short)
    out = np.zeros_like(reference)
    *_, last = denoise_volume_iter(image, Into(out, "ZYX"), "ZYX", config)
    assert isinstance(last, Finished)
    assert any("Memory ran short" in note for note in last.notes)
    assert np.abs(out - reference).max() < 1e-5 * np.ptp(image)

    def never(self: Tiles, tile: Any) -> Any:
        raise torch.OutOfMemoryError("out of memory")
        yield

    monkeypatch.setattr(Tiles, "steps", never)
    with pytest.raises(OutOfMemory):
        list(denoise_volume_iter(image, Into(out, "ZYX"), "ZYX", config))


@pytest.mark.parametrize("shape", [(1, 1, 64, 1, 1024, 1024), (1, 1, 500, 1, 9000, 9000)])
def test_tiles_fit_the_memory(shape: tuple[int, ...]) -> None:
    config = Config()
    reach = Reach.of(build(1, 4, config, 0), config, 2, guided=True)
    budget = 2**30
    tile = choose_tile(shape, reach, config, budget, 2)
    assert memory(tile, shape, reach, config, 2) <= budget
    assert memory_module.budget(torch.device("cpu")) <= budget


def test_the_command_line(
    small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in.ome.zarr"
    write_image(source, noisy(4, 64, 64), axes="ZYX", scale=dict(Z=2.0), units=dict(Z="µm"))
    out, model = tmp_path / "out.ome.zarr", tmp_path / "model"
    arguments = ["denoise", str(source), "-o", str(out), *SETTINGS.split()]
    assert main([*arguments, "--save-model", str(model), "--quiet"]) == 0
    result = read_image(out)
    assert (result.shape, result.scale["Z"]) == ((4, 64, 64), 2.0)
    again = tmp_path / "again.ome.tif"
    options = ["--tile", "2,32,32", "--quiet"]
    assert main(["apply", str(model), str(source), "-o", str(again), *options]) == 0
    assert np.abs(read_image(again).data.astype(int) - result.data).max() <= 1  # rounded
    assert main([*arguments, "--save-maps", str(tmp_path / "maps")]) == 1
    assert "--crop" in capsys.readouterr().err
