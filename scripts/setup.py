"""Prepare this checkout: virtual environment, pinned packages, and the libraries that a Qt window needs.

Run by make before every other target; the standard library alone is used. What is done already is
recognised in a fraction of a second by a hash of all that the installation depends on.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
MINIMUM = (3, 11)

#: Shared libraries that Qt and OpenGL load, and the Debian packages that hold them.
LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgssapi_krb5.so.2": "libgssapi-krb5-2",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-glx.so.0": "libxcb-glx0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxkbcommon.so.0": "libxkbcommon0",
}
#: Programs for a screen that exists in memory only.
PROGRAMS = {"Xvfb": "xvfb", "xauth": "xauth"}


def say(text: str) -> None:
    """Print one line about what is going on."""
    print(f"setup: {text}", flush=True)


def install_packages(packages: list[str], purpose: str) -> None:
    """Install Debian `packages`, or end with a line that says what to install.

    Parameters
    ----------
    packages
        Names of Debian packages.
    purpose
        What is missing without them, for the message.
    """
    names = " ".join(packages)
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        how = f"sudo apt-get install {names}" if apt else f"the packages that Debian calls {names}"
        raise SystemExit(f"setup: {purpose} missing. Install and try again: {how}")
    say(f"installing with apt: {names}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["update", "-q"],
        ["install", "-q", "-y", "--no-install-recommends", *packages],
    ):
        if subprocess.run([apt, *command], env=environment, check=False).returncode:
            raise SystemExit(
                f"setup: apt-get {command[0]} failed (see above); it was to get {names}"
            )


def missing_packages() -> list[str]:
    """Return the Debian packages that a window on this Linux machine lacks."""
    missing = []
    for library, package in LIBRARIES.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(package)
    missing += [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    # Mesa's software renderer is loaded by libGL under names that differ between its versions.
    drivers = ("lib*/dri/*_dri.so", "lib/*/dri/*_dri.so", "lib*/libgallium*", "lib/*/libgallium*")
    if not any(next(Path("/usr").glob(pattern), None) for pattern in drivers):
        missing.append("libgl1-mesa-dri")
    return missing


def ensure_libraries() -> None:
    """Install what a Qt window needs where that is the packager's job, which is on Linux only."""
    if sys.platform == "linux" and (missing := missing_packages()):
        install_packages(
            missing, "Libraries for a Qt window (or Xvfb, for a window without a screen) are"
        )


def ensure_venv() -> None:
    """Create ``.venv`` with this Python, again if it was made by another version."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if VENV_PYTHON.exists() and (VENV / f".python-{version}").exists():
        return
    if importlib.util.find_spec("ensurepip") is None:  # Debian splits it off
        install_packages([f"python{version}-venv"], "Python's venv is")
    say(f"creating {VENV.name} with Python {version}")
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    (VENV / f".python-{version}").touch()


def ensure_packages(extras: str) -> None:
    """Install this package in place with `extras`, at the versions of ``constraints.txt``."""
    inputs = [ROOT / "pyproject.toml", ROOT / "constraints.txt"]
    state = hashlib.sha256(b"\0".join(path.read_bytes() for path in inputs)).hexdigest()
    stamp = VENV / f".installed-{extras.replace(',', '-')}"
    if stamp.exists() and stamp.read_text() == state:
        return
    say("installing Python packages (minutes the first time)")
    pip = [str(VENV_PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
    done = subprocess.run(
        [*pip, "--constraint", "constraints.txt", "--editable", f".[{extras}]"],
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        raise SystemExit("setup: pip failed (see above); the next try goes on from there")
    stamp.write_text(state)


def main() -> None:
    """Bring the checkout up to date with what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--extras", default="all,test,dev", help="extras of pyproject.toml")
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument("--no-window", action="store_true", help="nothing will open a window")
    parts.add_argument("--libraries", action="store_true", help="Qt's system libraries alone")
    arguments = parser.parse_args()
    if sys.version_info < MINIMUM:
        raise SystemExit(
            f"setup: Python {MINIMUM[0]}.{MINIMUM[1]} or later is needed, this is "
            f"{sys.version.split()[0]}. Point PYTHON at one: make PYTHON=python3.11 ..."
        )
    if not arguments.libraries:
        ensure_venv()
        ensure_packages(arguments.extras)
    if not arguments.no_window:
        ensure_libraries()


if __name__ == "__main__":
    main()
