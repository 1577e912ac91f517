"""Presets of the user's own."""

import json

import pytest

from napari_blind2grad import __version__
from napari_blind2grad import preset_files as module
from napari_blind2grad.cli.options import build_parser, config_from
from napari_blind2grad.config import Config
from napari_blind2grad.errors import ConfigError, InputError, OutputError
from napari_blind2grad.preset_files import find_presets, load_preset, save_preset

MINE = Config.preset("balanced", omega=0.65, attention=True, threads=3)


def test_round_trip(tmp_path):
    path = save_preset(tmp_path / "new folder" / "mine", MINE)
    assert path == tmp_path / "new folder" / "mine.json"
    assert load_preset(path) == MINE
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["version"] == __version__
    assert content["config"] == MINE.to_dict()


def test_the_folder_is_listed(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "preset_folder", lambda: tmp_path / "presets")
    assert find_presets() == {}
    b = save_preset(tmp_path / "presets" / "b", MINE)
    a = save_preset(tmp_path / "presets" / "a.b", MINE)
    (tmp_path / "presets" / "notes.txt").write_text("x")
    assert list(find_presets().items()) == [("a.b", a), ("b", b)]


GOOD = {"blind2grad_preset": 1, "version": "0", "config": {"omega": 0.5}}


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        ("{", InputError, "not JSON"),
        ("[" * 100_000, InputError, "not JSON"),
        ('{"a": 1, "a": 2}', InputError, "twice"),
        ("[1]", InputError, "no preset"),
        ({"config": {}}, InputError, "no preset"),
        ({**GOOD, "blind2grad_preset": 2}, InputError, "another version"),
        ({**GOOD, "extra": 1}, InputError, "extra"),
        ({**GOOD, "config": [1]}, InputError, "no settings"),
        (
            {**GOOD, "config": {"colour": 1}},
            ConfigError,
            "mine.json: There is no parameter 'colour'",
        ),
        ({**GOOD, "config": {"omega": "much"}}, ConfigError, "must be a number"),
        ({**GOOD, "config": {"omega": 99}}, ConfigError, "between 0 and 4"),
        ({**GOOD, "config": {"attention": 1}}, ConfigError, "true or false"),
        ({**GOOD, "config": {"base": "nope"}}, ConfigError, "no preset"),
    ],
)
def test_refusals(tmp_path, content, error, words):
    path = tmp_path / "mine.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(error, match=words):
        load_preset(path)


def test_files_that_cannot_be_had(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_preset(tmp_path / "absent.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        save_preset(tmp_path / "file" / "x.json", MINE)


def test_the_command_line_takes_a_file(tmp_path):
    path = save_preset(tmp_path / "mine.json", MINE)
    options = ["denoise", "in.tif", "--preset", str(path), "--omega", "1.5"]
    assert config_from(build_parser().parse_args(options)) == MINE.replace(omega=1.5)
