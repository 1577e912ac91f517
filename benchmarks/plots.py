"""Quality over time: PSNR against seconds, a panel for each case or, where these are many, for each group."""

from __future__ import annotations

import statistics
from collections import defaultdict
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "bench"  # the same results make the same file
import matplotlib.pyplot as plt  # noqa: E402
import methods  # noqa: E402

#: More cases than this are put together by groups.
PANELS = 16
COLUMNS = 4


def _points(results: list[dict], key: str) -> dict[str, dict[str, tuple[float, float]]]:
    """Return seconds and PSNR of each method for each panel: medians over all its results."""
    found: dict[str, dict[str, list]] = defaultdict(lambda: defaultdict(list))
    for r in results:
        changes = methods.changes(r["method"])
        timed = r["status"] == "ok" and "seconds" in r
        if timed and r["method"] != "noisy" and set(changes) <= {"iterations"}:
            found[r[key]][r["method"]].append((r["seconds"], r["psnr"]))
    return {
        panel: {m: tuple(map(statistics.median, zip(*v, strict=True))) for m, v in each.items()}
        for panel, each in found.items()
    }


def draw(results: list[dict], path: Path) -> bool:
    """Draw `results` into the file `path`; return whether there was anything to draw."""
    cases = {r["case"] for r in results}
    panels = _points(results, "case" if len(cases) <= PANELS else "group")
    if not panels:
        return False
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(3.6 * columns, 3.0 * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, (panel, points) in zip(axes.flat, sorted(panels.items()), strict=False):
        _panel(axis, panel, points)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return True


def _panel(axis: plt.Axes, name: str, points: dict[str, tuple[float, float]]) -> None:
    for method, (seconds, psnr) in points.items():
        if "+" in method:
            continue
        ours = method.startswith(methods.OURS)
        axis.plot(seconds, psnr, "o" if ours else "s", color="C3" if ours else "C0")
        text = methods.title(method).replace("*", "").split(" (")[0].replace(", cut short", "")
        axis.annotate(text, (seconds, psnr), (4, 3), textcoords="offset points", fontsize=7)
    runs = sorted(
        (methods.changes(m)["iterations"], point) for m, point in points.items() if "+" in m
    )
    if runs:
        axis.plot(*zip(*(point for _, point in runs), strict=True), ".-", color="C3", alpha=0.5)
        for count, point in runs:
            axis.annotate(str(count), point, (2, -8), textcoords="offset points", fontsize=6)
    axis.set_xscale("log")
    axis.margins(0.18)
    axis.set_title(name, fontsize=9)
    axis.set_xlabel("seconds", fontsize=8)
    axis.set_ylabel("PSNR (dB)", fontsize=8)
    axis.tick_params(labelsize=7)
