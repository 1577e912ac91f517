"""Names of methods, and what they run.

- ``noisy``: the noisy image itself.
- ``b2g-fast``, ``b2g-balanced``, …: ours, a preset as it is.
- ``b2g-fast-told``: a preset that is told of the noise what BM3D and BM4D are told, where it was made.
- ``b2g-fast+mask=bernoulli,dropout=0``: a preset with settings changed.
- ``bm3d``, ``zs_n2n``, …: a peer; ``s2s:20000`` with its one option, the length of its training.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import numpy as np
import peers
from cases import QUICK, Case

OURS = "b2g-"
TOLD = "-told"
#: Read noise that there is none of: 0 would be a guess of ours.
NONE = 1e-6
#: Thresholds of figure 14.
THRESHOLDS = (15, 25, 40, 55, 70, 85, 100)
#: T-standout where a variant switches it on and the preset has it off.
STANDOUT = 0.3

Denoise = Callable[[np.ndarray, str, peers.Kind, int], np.ndarray]


def changes(method: str) -> dict[str, object]:
    """Return the settings that the name of a variant of ours changes."""
    _, _, text = method.partition("+")
    pairs = (item.split("=", 1) for item in text.split(",") if item)
    return {key: _value(value) for key, value in pairs}


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def resolve(method: str, device: str, threads: int) -> Denoise:
    """Return the function behind `method`, with all its packages imported.

    Raises
    ------
    ImportError
        If a package of a peer is not installed.
    """
    if method == "noisy":
        return lambda noisy, _axes, _kind, _seed: noisy
    if method.startswith(OURS):
        return _ours(method, device, threads)
    name, _, option = method.partition(":")
    module = peers.load(name)
    extra = {peers.PEERS[name].option: int(option)} if option else {}
    return lambda noisy, axes, kind, seed: module.denoise(noisy, axes, kind, seed, **extra)


def _ours(method: str, device: str, threads: int) -> Denoise:
    import napari_blind2grad.engine.run  # noqa: F401 - loads PyTorch before the clock starts
    from napari_blind2grad import Config
    from napari_blind2grad import denoise as run

    preset = method.removeprefix(OURS).partition("+")[0]
    told = preset.endswith(TOLD)
    config = Config.preset(
        preset.removesuffix(TOLD),
        device=device,
        threads=threads,
        dtype="float32",
        **changes(method),
    )

    def denoise(noisy: np.ndarray, axes: str, kind: peers.Kind, seed: int) -> np.ndarray:
        noise = camera(kind) if told else {}
        return run(noisy, axes, config.replace(seed=seed, **noise)).image

    return denoise


def camera(kind: peers.Kind) -> dict[str, float]:
    """Return the settings of ours that tell the noise of `kind`; none where it was not made."""
    if "lam" in kind:
        return {"gain": 1 / float(kind["lam"]), "read_noise": NONE}
    return {"read_noise": float(kind["sigma"])} if "sigma" in kind else {}


def random(method: str) -> bool:
    """Tell whether seeds change the result of `method`."""
    if method.startswith(OURS):
        return True
    return method != "noisy" and peers.PEERS[method.partition(":")[0]].random


def title(method: str) -> str:
    """Return the name of `method` for tables."""
    if method.startswith(OURS):
        preset, _, change = method.removeprefix(OURS).partition("+")
        name = preset.removesuffix(TOLD) + (", told the noise" if preset.endswith(TOLD) else "")
        return f"**B2G {name}**" + (f" {change.replace(',', ', ')}" if change else "")
    name, _, option = method.partition(":")
    known = peers.PEERS[name].title if name in peers.PEERS else name
    return known + (f" ({option})" if option else "")


def chosen(names: list[str], suite: str, case: Case) -> list[str]:
    """Return those of the peers `names` that suit `case`; ``all`` and ``none`` are names too.

    ``all`` in the suite ``quick`` means those that it has time for.
    """
    if names == ["all"]:
        names = list(QUICK[case.name]) if suite == "quick" else list(peers.PEERS)
    return [
        name
        for name in names
        if name != "none" and peers.PEERS[name.partition(":")[0]].suits(case.axes, case.kind)
    ]


#: The parts that can be taken apart; each gives names of variants of a preset.
PARTS = (
    "mask", "omega", "gamma", "eps_s", "eps_g", "iterations", "cycles", "attention",
)  # fmt: skip


def ablations(preset: str, parts: list[str]) -> Iterator[str]:
    """Yield the variants of `preset` that take `parts` apart, after the paper's figures 13 to 15."""
    from napari_blind2grad import Config

    standout = Config.preset(preset).dropout or STANDOUT
    values: dict[str, list[str]] = {
        "mask": [
            f"mask={mask},dropout={rate}"
            for mask in ("dual", "bernoulli", "uniform")
            for rate in (standout, 0.0)
        ],
        "omega": [f"omega={v}" for v in (0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2)],
        "gamma": [f"gamma={v}" for v in (0.1, 0.3, 0.5, 0.7, 0.9, 1.1)],
        "eps_s": [f"eps_s={v}" for v in THRESHOLDS],
        "eps_g": [f"eps_g={v}" for v in THRESHOLDS],
        "iterations": [f"iterations={v}" for v in (250, 500, 1000, 2000, 3000, 4500, 6000)],
        "cycles": [f"cycles={v}" for v in (1, 2, 4, 6, 10)],
        "attention": ["attention=true", "attention=false"],
    }
    for part in parts:
        for value in values[part]:
            yield f"{OURS}{preset}+{value}"
