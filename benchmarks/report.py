"""Write ``docs/results.md`` from the result files, with a plot of quality over time for each.

Usage::

    python benchmarks/report.py

Figures are medians over seeds. Headline means are over those images that nothing was chosen on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path

import methods
import paper
import run

ROOT = run.ROOT
#: What margins are taken over, the first of these that a group has.
REFERENCES = ("bm4d", "bm3d_vst", "bm3d")
HEAD = """# Results

*Written by `python benchmarks/report.py` from the files in `benchmarks/results/`; do not edit. Each file
comes from `python benchmarks/run.py --suite …`; `make bench` does both for the suite `quick`.*

All methods get the same noisy array. PSNR is over the whole array, results clipped to the data range (255 for
8-bit images, 1 for stacks); SSIM is scikit-image's with a Gaussian window. Gaussian σ is on the 0-255 scale
and not clipped (`g25`); Poisson noise is `Poisson(λx)/λ` with x in 0 to 1 (`p30`); `real` pairs are as they
come. W2S pairs were rescaled one by one, so a gain and an offset are fitted to the clean image before
measuring, for every method. BM3D is given σ, and BM4D σ or λ, where the noise was made; ours only
where its name says *told the noise*, but finds λ by itself: the values of `p30` are photon counts, and
recognised as such.

Images of a set alternate between two halves. Choices belong on `tune`, and **the means below
are over `report` alone**, but where a heading says otherwise: for each image the median over seeds, then the
mean over images. `n` counts images. Margins are over the images that both methods have. Peak memory is that
of the whole process. No seconds stand where other programs ran beside the method.
"""

Result = dict[str, object]


def read(folder: Path) -> dict[str, list[Result]]:
    """Return the results in each file of `folder`, the last one of each job."""
    files = sorted(folder.glob("*.jsonl"))
    found = {path.stem: list(run.known(path).values()) for path in files}
    return {name: results for name, results in found.items() if results}


def medians(results: list[Result], measure: str) -> dict[tuple[str, str], float]:
    """Return the median over seeds of `measure` by case and method."""
    values = defaultdict(list)
    for result in results:
        if result["status"] == "ok" and result.get(measure) is not None:
            values[result["case"], result["method"]].append(result[measure])
    return {key: statistics.median(each) for key, each in values.items()}


def mean_over(table: dict[tuple[str, str], float], names: list[str], method: str) -> float | None:
    """Return the mean of `method` over those of the cases `names` that it has."""
    each = [table[name, method] for name in names if (name, method) in table]
    return statistics.fmean(each) if each else None


def margin(
    table: dict[tuple[str, str], float], names: list[str], method: str, over: str
) -> float | None:
    """Return how far `method` is ahead of `over` in the mean over the cases that both have."""
    both = [n for n in names if (n, method) in table and (n, over) in table]
    return statistics.fmean(table[n, method] - table[n, over] for n in both) if both else None


def order(method: str) -> tuple[int, str]:
    """Sort the noisy image first, then ours, then peers in their own order."""
    if method == "noisy":
        return 0, ""
    if method.startswith(methods.OURS):
        return 1, method
    return 2 + list(methods.peers.PEERS).index(method.partition(":")[0]), method


def cell(value: float | None, form: str = ".2f") -> str:
    """Return `value` for a table."""
    return "–" if value is None else format(value, form)


def groups(results: list[Result]) -> dict[str, dict[str, str]]:
    """Return the cases of each group with their halves."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for result in sorted(results, key=lambda r: (r["group"], r["case"])):
        found[result["group"]][result["case"]] = result["split"]
    return found


def reference(table: dict[tuple[str, str], float], names: list[str]) -> str | None:
    """Return the method that margins of the cases `names` are taken over."""
    return next((r for r in REFERENCES if any((n, r) in table for n in names)), None)


def group_table(group: str, splits: dict[str, str], results: list[Result]) -> list[str]:
    """Return the lines of the table of one group."""
    names = [name for name, split in splits.items() if split == "report"]
    title = f"### {group}"
    if not names:
        names = list(splits)
        title += " (half `tune`: choices were made on these images)"
    columns = {m: medians(results, m) for m in ("psnr", "ssim", "lpips", "seconds", "peak_mb")}
    psnr = columns["psnr"]
    found = {m for (name, m) in psnr if name in names and "+" not in m}
    over = reference(psnr, names)
    shown = f"over {methods.title(over)}" if over else "margin"
    lines = [title, "", "| method | n | PSNR | SSIM | LPIPS | s | MiB | " + shown]
    lines[-1] += " | paper PSNR | paper's margin over BM3D |"
    lines.append("| --- |" + " ---: |" * 9)
    for method in sorted(found, key=order):
        count = sum((name, method) in psnr for name in names)
        ahead = margin(psnr, names, method, over) if over and method != over else None
        stated = paper.figure(group, method)
        paper_margin = paper.margin(group, method) if method != "bm3d" else None
        row = [
            methods.title(method),
            str(count),
            *(cell(mean_over(columns[m], names, method), f) for m, f in
              (("psnr", ".2f"), ("ssim", ".4f"), ("lpips", ".3f"), ("seconds", ".1f"), ("peak_mb", ".0f"))),
            cell(ahead, "+.2f"),
            cell(stated and stated[0]),
            cell(paper_margin, "+.2f"),
        ]  # fmt: skip
        lines.append("| " + " | ".join(row) + " |")
    return [*lines, ""]


def behind(results: list[Result]) -> list[str]:
    """Return a line for each group and preset where a peer is ahead in PSNR."""
    psnr = medians(results, "psnr")
    lines = []
    for group, splits in groups(results).items():
        names = [name for name, split in splits.items() if split == "report"]
        found = sorted({m for (n, m) in psnr if n in names and "+" not in m}, key=order)
        for ours in (m for m in found if m.startswith(methods.OURS)):
            gaps = {
                m: margin(psnr, names, ours, m) for m in found if not m.startswith(methods.OURS)
            }
            lost = {m: gap for m, gap in gaps.items() if gap is not None and gap < 0}
            if lost:
                words = ", ".join(f"{methods.title(m)} by {-gap:.2f} dB" for m, gap in lost.items())
                lines.append(f"- {group}, {methods.title(ours)}: {words}")
    return lines


def case_table(group: str, splits: dict[str, str], results: list[Result]) -> list[str]:
    """Return PSNR case by case, both halves."""
    psnr = medians(results, "psnr")
    found = sorted({m for (n, m) in psnr if n in splits and "+" not in m}, key=order)
    lines = [f"### {group}", "", "| image | half | " + " | ".join(map(methods.title, found)) + " |"]
    lines.append("| --- | --- |" + " ---: |" * len(found))
    for name, split in splits.items():
        row = [name.split("/")[1], split, *(cell(psnr.get((name, m))) for m in found)]
        lines.append("| " + " | ".join(row) + " |")
    return [*lines, ""]


def variants(results: list[Result]) -> list[str]:
    """Return tables of the variants: mean over seeds and images, and the scatter of seeds."""
    values: dict[tuple[str, str, str, str], list[float]] = defaultdict(list)
    for r in results:
        if r["status"] == "ok" and r["method"].startswith(methods.OURS):
            values[r["group"], r["split"], r["method"], r["case"]].append(r["psnr"])
    lines: list[str] = []
    for group in sorted({key[0] for key in values if "+" in key[2]}):
        bases = {key[2].partition("+")[0] for key in values if key[0] == group and "+" in key[2]}
        lines += [
            f"### {group}",
            "",
            "| variant | half | n | seeds | PSNR | ± seeds | over the preset |",
        ]
        lines.append("| --- | --- |" + " ---: |" * 5)
        found = dict.fromkeys(key[2] for key in values if key[0] == group)
        for method in (m for m in found if m.partition("+")[0] in bases):
            for split in ("tune", "report"):
                own = {k[3]: v for k, v in values.items() if k[:3] == (group, split, method)}
                if not own:
                    continue
                base = (group, split, method.partition("+")[0])
                plain = {k[3]: v for k, v in values.items() if k[:3] == base}
                both = [c for c in own if c in plain] if "+" in method else []
                gaps = [statistics.fmean(own[c]) - statistics.fmean(plain[c]) for c in both]
                scatter = [statistics.stdev(v) for v in own.values() if len(v) > 1]
                row = [
                    methods.title(method),
                    split,
                    str(len(own)),
                    str(min(map(len, own.values()))),
                    cell(statistics.fmean(map(statistics.fmean, own.values()))),
                    cell(statistics.fmean(scatter) if scatter else None),
                    cell(statistics.fmean(gaps) if gaps else None, "+.2f"),
                ]
                lines.append("| " + " | ".join(row) + " |")
        lines.append("")
    return lines


def missing(results: list[Result]) -> list[str]:
    """Return a line for each method that was absent, and for each failure."""
    absent = {r["method"]: r["message"] for r in results if r["status"] == "absent"}
    lines = [f"- absent: {methods.title(m)} ({message})" for m, message in sorted(absent.items())]
    failed = defaultdict(list)
    for result in results:
        if result["status"] == "failed":
            failed[result["method"], result["message"]].append(result["case"])
    for (method, message), names in sorted(failed.items()):
        where = ", ".join(dict.fromkeys(names))
        lines.append(f"- failed: {methods.title(method)} on {where}: {message}")
    return lines


def origin(results: list[Result]) -> str:
    """Return a paragraph about machine, versions and commits."""
    at = results[-1]["machine"]
    versions = {k: v for r in results for k, v in r.get("versions", {}).items()}
    commits = sorted({r["commit"] for r in results if r["method"].startswith(methods.OURS)})
    device = f"{at['gpu']}, " if at.get("gpu") else ""
    packages = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    text = f"Machine: {device}{at['cpu']}, {at['cores']} cores, {at['system']}; {packages}."
    if commits:
        text += f" Commit of ours: {', '.join(commits)}"
        text += " (results of several commits stand side by side)." if len(commits) > 1 else "."
    return text


def section(stem: str, results: list[Result], picture: str | None) -> list[str]:
    """Return the lines about one result file."""
    suite = results[0]["suite"]
    lines = [
        f"## {stem}",
        "",
        f"From `python benchmarks/run.py --suite {suite}`. {origin(results)}",
        "",
    ]
    if picture:
        lines += [f"![PSNR over seconds for each method]({picture})", ""]
    if lost := behind(results):
        lines += ["Where others are ahead of ours (PSNR, half `report`):", "", *lost, ""]
    if gone := missing(results):
        lines += ["Absent and failed:", "", *gone, ""]
    if not any(r.get("lpips") is not None for r in results):
        lines += ["LPIPS: its weights were not on this machine.", ""]
    for group, splits in groups(results).items():
        lines += group_table(group, splits, results)
    if parts := variants(results):
        lines += [f"## {stem}: the parts, taken apart", "", *parts]
    lines += [f"## {stem}: PSNR image by image", ""]
    for group, splits in groups(results).items():
        lines += case_table(group, splits, results)
    return lines


def has_gpu(results: list[Result]) -> bool:
    """Return whether `results` come from a GPU."""
    return bool(results[-1]["machine"].get("gpu"))


def across(found: dict[str, list[Result]]) -> list[str]:
    """Return a table of what GPUs gave beside what CPUs gave, on the same noisy arrays."""
    lines: list[str] = []
    for there in found.values():
        suite = there[0]["suite"]
        here = [
            r for other in found.values() if other[0]["suite"] == suite and not has_gpu(other)
            for r in other if r["status"] == "ok" and r["machine"]["cores"] == 2
        ]  # fmt: skip
        if has_gpu(there) and here:
            lines += _across(there, here)
    if not lines:
        return []
    head = [
        "## GPU and CPU",
        "",
        "The same noisy arrays on a GPU and on two CPU cores. Means are over the images that the method has",
        "on both; if the CPU has none, over those of the GPU. What is compared with is the CPU's. Seeds and",
        "commits are those that each file has: the CPU's figures can be medians of three seeds, the GPU's of",
        "one.",
        "",
        "| images | half | method | n | CPU, dB | GPU, dB | GPU − CPU | CPU, s | GPU, s | over what | by |",
        "| --- | --- | --- |" + " ---: |" * 6 + " --- | ---: |",
    ]
    return [*head, *lines, ""]


def _across(there: list[Result], here: list[Result]) -> list[str]:
    there = [r for r in there if r["status"] == "ok"]
    both = {(r["case"], r["noisy_sha"]) for r in here} & {
        (r["case"], r["noisy_sha"]) for r in there
    }
    here, there = (
        [r for r in rows if (r["case"], r["noisy_sha"]) in both] for rows in (here, there)
    )
    psnr, seconds = ([medians(part, m) for part in (here, there)] for m in ("psnr", "seconds"))
    lines = []
    for group, splits in groups(there).items():
        over = reference(psnr[0], list(splits))
        for method in sorted({m for name, m in psnr[1] if name in splits}, key=order):
            if method == "noisy":
                continue
            for split in ("report", "tune"):
                names = [n for n, s in splits.items() if s == split and (n, method) in psnr[1]]
                both = [n for n in names if (n, method) in psnr[0]]
                names = both or names
                if not names:
                    continue
                cpu, gpu = (mean_over(part, names, method) for part in psnr)
                times = [mean_over(part, names, method) for part in seconds]
                mixed = {**psnr[1], **{k: v for k, v in psnr[0].items() if k[1] == over}}
                row = [
                    group, split, methods.title(method), str(len(names)), cell(cpu), cell(gpu),
                    cell(None if cpu is None or gpu is None else gpu - cpu, "+.2f"),
                    *(cell(t, ".1f") for t in times), methods.title(over) if over else "–",
                    cell(margin(mixed, names, method, over) if over else None, "+.2f"),
                ]  # fmt: skip
                lines.append("| " + " | ".join(row) + " |")
    return lines


def paper_table() -> list[str]:
    """Return the paper's figures for groups that no results stand beside."""
    lines = ["## The paper's own figures where its images are not at hand", ""]
    lines += ["| | " + " | ".join(["BM3D", "N2S", "S2S", "ZS-N2N", "Blind2Grad"]) + " |"]
    lines.append("| --- |" + " ---: |" * 5)
    for group in ("Planaria/p30", "Planaria/p50"):
        each = (f"{psnr:.2f} / {ssim:.3f}" for psnr, ssim in paper.FIGURES[group].values())
        lines.append(f"| {group} | " + " | ".join(each) + " |")
    return [*lines, ""]


def render(found: dict[str, list[Result]], pictures: dict[str, str]) -> str:
    """Return the page."""
    lines = [HEAD]
    if not found:
        lines.append("Nothing has been measured yet.\n")
    lines += across(found)
    ranks = {suite: rank for rank, suite in enumerate(("stacks", "micro", "paper", "quick"))}
    for stem in sorted(found, key=lambda s: (ranks.get(found[s][0]["suite"], 9), s)):
        lines += section(stem, found[stem], pictures.get(stem))
    return "\n".join(lines + paper_table()).rstrip() + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Write the page and its plots."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=run.HERE / "results")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results.md")
    options = parser.parse_args(arguments)
    found = read(options.results)
    pictures = {}
    try:
        import plots
    except ImportError as error:
        print(f"no plots: {error}; install the extra 'bench'", file=sys.stderr)
    else:
        for stem, results in found.items():
            name = f"images/bench-{stem}.svg"
            if plots.draw(results, options.out.parent / name):
                pictures[stem] = name
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(render(found, pictures), encoding="utf-8")
    print(f"{options.out}: {json.dumps({k: len(v) for k, v in found.items()})}")


if __name__ == "__main__":
    main()
