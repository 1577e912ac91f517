"""The set-up script behind make: what is there is left alone, what is missing is named."""

import importlib.util
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def script(tmp_path, monkeypatch):
    """The script at work on an empty checkout, with all programs it would run written down instead."""
    spec = importlib.util.spec_from_file_location("setup_script", ROOT / "scripts" / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "constraints.txt").write_text("numpy==1\n")
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "VENV_PYTHON", tmp_path / ".venv" / "python")
    module.ran = []
    module.failing = ""

    def run(command, check, **_):
        module.ran.append([str(word) for word in command])
        return subprocess.CompletedProcess(command, int(module.failing in command))

    monkeypatch.setattr(module.subprocess, "run", run)
    return module


def test_packages_are_installed_once(script):
    script.ensure_packages("all,test")
    assert ".[all,test]" in script.ran[0]
    assert "constraints.txt" in script.ran[0]
    script.ensure_packages("all,test")
    assert len(script.ran) == 1


@pytest.mark.parametrize("file", ["pyproject.toml", "constraints.txt"])
def test_packages_are_installed_again_when_their_list_changes(script, file):
    script.ensure_packages("all")
    (script.ROOT / file).write_text("# changed")
    script.ensure_packages("all")
    assert len(script.ran) == 2


def test_a_touched_file_is_not_a_change(script):
    script.ensure_packages("all")
    (script.ROOT / "constraints.txt").touch()
    script.ensure_packages("all")
    assert len(script.ran) == 1


def test_a_failed_installation_is_tried_again(script):
    script.failing = "install"
    with pytest.raises(SystemExit, match="pip failed"):
        script.ensure_packages("all")
    script.failing = ""
    script.ensure_packages("all")
    assert len(script.ran) == 2


def test_another_python_makes_another_venv(script):
    script.ensure_venv()
    script.VENV_PYTHON.touch()
    script.ensure_venv()
    assert len(script.ran) == 1
    for stamp in script.VENV.glob(".python-*"):
        stamp.rename(script.VENV / ".python-3.1")
    script.ensure_venv()
    assert len(script.ran) == 2
    assert "--clear" in script.ran[1]


def test_missing_libraries_are_named(script, monkeypatch):
    monkeypatch.setattr(script, "LIBRARIES", {"libnosuch.so.9": "libnosuch9"})
    monkeypatch.setattr(script, "PROGRAMS", {"sh": "dash", "no-such-program": "nosuch"})
    missing = script.missing_packages()
    assert missing[:2] == ["libnosuch9", "nosuch"]
    assert "dash" not in missing


@pytest.mark.skipif(sys.platform != "linux", reason="apt is for Linux")
class TestInstallingSystemPackages:
    def test_root_gets_them_from_apt(self, script, monkeypatch):
        monkeypatch.setattr(script.shutil, "which", lambda name: f"/usr/bin/{name}")
        monkeypatch.setattr(script.os, "geteuid", lambda: 0)
        script.install_packages(["xvfb"], "Xvfb is")
        assert [command[1] for command in script.ran] == ["update", "install"]
        assert script.ran[1][-1] == "xvfb"

    def test_others_are_told_what_to_type(self, script, monkeypatch):
        monkeypatch.setattr(script.shutil, "which", lambda name: f"/usr/bin/{name}")
        monkeypatch.setattr(script.os, "geteuid", lambda: 1000)
        with pytest.raises(SystemExit, match="sudo apt-get install xvfb libegl1"):
            script.install_packages(["xvfb", "libegl1"], "Xvfb is")
        assert script.ran == []

    def test_other_systems_are_told_the_names(self, script, monkeypatch):
        monkeypatch.setattr(script.shutil, "which", lambda _: None)
        with pytest.raises(SystemExit, match="Debian calls xvfb"):
            script.install_packages(["xvfb"], "Xvfb is")

    def test_a_failing_apt_ends_the_setup(self, script, monkeypatch):
        monkeypatch.setattr(script.shutil, "which", lambda name: f"/usr/bin/{name}")
        monkeypatch.setattr(script.os, "geteuid", lambda: 0)
        script.failing = "install"
        with pytest.raises(SystemExit, match="apt-get install failed"):
            script.install_packages(["xvfb"], "Xvfb is")


def test_other_systems_need_no_libraries(script, monkeypatch):
    monkeypatch.setattr(script.sys, "platform", "darwin")
    monkeypatch.setattr(script, "missing_packages", lambda: ["libegl1"])
    script.ensure_libraries()
    assert script.ran == []


def test_every_requirement_is_pinned_within_its_range():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.lower().replace("_", "-").split("==") for line in lines if "==" in line)
    extras = project["optional-dependencies"].values()
    for requirement in map(Requirement, chain(project["dependencies"], *extras)):
        if requirement.name == project["name"]:
            continue
        assert requirement.specifier.contains(pins[requirement.name.lower()]), requirement.name
    # The version whose CPU and CUDA builds share a number; see scripts/pin.sh.
    assert pins["torch"] == "2.13.0"
