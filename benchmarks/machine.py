"""The machine that a measurement ran on."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGES = ("napari-blind2grad", "numpy", "torch")


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """Return the model of the CPU."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def gpu(device: str) -> str | None:
    """Return the name of the GPU that `device` stands for, or None for the CPU."""
    if device == "mps":
        return "Apple GPU"
    tool = shutil.which("nvidia-smi")
    if device == "cpu" or tool is None:
        return None
    command = [tool, "--query-gpu=name", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    names = done.stdout.strip().splitlines()
    if done.returncode or not names:
        return None
    index = int(device.partition(":")[2] or 0)
    return names[min(index, len(names) - 1)]


def describe(device: str, threads: int) -> dict[str, object]:
    """Return what a result says of its machine."""
    return {
        "cpu": processor(),
        "cores": threads,
        "gpu": gpu(device),
        "torch": versions(("torch",)).get("torch"),
        "system": f"{platform.system()} {platform.machine()}",
    }


def tag(machine: dict[str, object]) -> str:
    """Return a short name for `machine` that a file can bear."""
    name = f"{machine['gpu'] or machine['cpu']}-{machine['cores']}c"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Return the versions of those `packages` that are installed."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """Return the commit of this checkout, with a plus sign if files differ from it."""
    root = Path(__file__).resolve().parent.parent
    git = shutil.which("git")
    if git is None:
        return "unknown"

    def ask(*words: str) -> str:
        command = [git, "-C", str(root), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    name = ask("rev-parse", "--short", "HEAD")
    return (name + ("+" if ask("status", "--porcelain", "src") else "")) if name else "unknown"
