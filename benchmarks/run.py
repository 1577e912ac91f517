"""Measure ours and the peers on the same noisy arrays; one JSON line for each result.

Usage::

    python benchmarks/run.py --suite quick
    python benchmarks/run.py --suite stacks --presets fast balanced --seeds 3
    python benchmarks/run.py --suite paper --cases 'Set9/*/g25' --peers bm3d zs_n2n --ablations none
    python benchmarks/run.py --suite paper --cases 'Set9/*' --peers none --ablations omega mask

A result that is in the file already is not measured again, so a run can be broken off and gone on with, and
spread over several calls and machines: each machine writes a file of its own. ``--list`` shows what there is
to do. The noise conventions stand in ``cases.py``, the names of methods in ``methods.py``.

Each result comes from a process of its own. With ``--together`` one process measures all: on a GPU that is
rented by the minute, loading the libraries takes longer than most measurements. One of each method is made
beforehand that does not count, and the peak of the process's memory is not given. Where several such runs
share a GPU, ``--untimed`` leaves that out, and the seconds too; give each a folder of its own with ``--out``.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import cases
import machine
import methods
import peers

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ABLATION_SEEDS = 5


class Job(NamedTuple):
    """What identifies a result."""

    case: str
    method: str
    seed: int


def plan(options: argparse.Namespace, found: list[cases.Case]) -> list[Job]:
    """Return all jobs in order: case by case, ours before the peers; ablations come last."""
    jobs, later = [], []
    for case in found:
        if not any(fnmatch.fnmatchcase(case.name, pattern) for pattern in options.cases):
            continue
        ours = [
            methods.OURS + preset
            for preset in options.presets
            if methods.camera(case.kind) or not preset.endswith(methods.TOLD)
        ]
        for method in ["noisy", *ours, *methods.chosen(options.peers, options.suite, case)]:
            seeds = options.seeds if methods.random(method) else 1
            jobs += [Job(case.name, method, seed) for seed in range(seeds)]
        first = options.presets[0] if options.presets else "fast"
        base = first.partition("+")[0].removesuffix(methods.TOLD)
        for method in methods.ablations(base, options.ablations):
            later += [Job(case.name, method, s) for s in range(options.ablation_seeds)]
    return [job for job in jobs + later if fnmatch.fnmatchcase(job.method, options.methods)]


def known(path: Path) -> dict[Job, dict[str, object]]:
    """Return the results in the file `path`, the last one of each job; a torn last line is passed over."""
    results: dict[Job, dict[str, object]] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                result = json.loads(line)
                results[Job(result["case"], result["method"], result["seed"])] = result
            except (ValueError, KeyError):
                print(f"{path.name}: a line that is no result is passed over", file=sys.stderr)
    return results


def to_do(options: argparse.Namespace, jobs: list[Job], path: Path) -> list[Job]:
    """Return the jobs that the file `path` has no result of."""
    done = {
        job
        for job, result in known(path).items()
        if not (options.retry and result["status"] != "ok")
        and not fnmatch.fnmatchcase(job.method, options.redo)
    }
    return [job for job in jobs if job not in done]


def task_of(options: argparse.Namespace, job: Job) -> dict[str, object]:
    """Return what ``measure.py`` needs to know of `job`."""
    return {
        **job._asdict(),
        "suite": options.suite,
        "data": str(options.data),
        "device": options.device,
        "threads": options.threads,
    }


def measure(options: argparse.Namespace, job: Job) -> dict[str, object]:
    """Measure `job` in a fresh process and return its answer."""
    environment = dict(os.environ, BENCH_DEVICE=options.device, PYTHONUNBUFFERED="1")
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environment[name] = str(options.threads)
    task = task_of(options, job)
    python = options.python.get(job.method.partition(":")[0], sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        answer, log = Path(folder, "answer.json"), Path(folder, "log.txt")
        command = [python, str(HERE / "measure.py"), json.dumps(task), str(answer)]
        try:
            with log.open("wb") as output:
                done = subprocess.run(
                    command, env=environment, stdout=output, stderr=output,
                    timeout=options.timeout, check=False,
                )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {"status": "failed", "message": f"took more than {options.timeout:g} s"}
        except OSError as error:
            return {"status": "absent", "message": str(error)}
        if answer.exists():
            return json.loads(answer.read_text(encoding="utf-8"))
        lines = log.read_text(errors="replace").strip().splitlines() or ["no word"]
        return {"status": "failed", "message": f"exit {done.returncode}: {lines[-1][:400]}"}


def measure_here(options: argparse.Namespace, job: Job) -> dict[str, object]:
    """Measure `job` in this process and return its answer."""
    import measure as one

    os.environ["BENCH_DEVICE"] = options.device
    answer = one.attempt(task_of(options, job))
    answer.pop("peak_mb", None)
    return {**answer, "together": True}


def append(path: Path, result: dict[str, object]) -> None:
    """Add a line to the file `path`, on a line of its own even after a torn one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torn = path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")
    with path.open("a", encoding="utf-8") as file:
        file.write(("\n" if torn else "") + json.dumps(result, ensure_ascii=False) + "\n")


def record(options: argparse.Namespace, job: Job, case: cases.Case, answer: dict) -> dict:
    """Return the line of `job`: what identifies it, then what was found, then where."""
    return {
        "suite": options.suite,
        **job._asdict(),
        "group": case.group,
        "split": case.split,
        **answer,
        "machine": options.machine,
        "commit": options.commit,
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options with all defaults filled in."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--suite", choices=cases.SUITES, default="quick")
    add("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of the images")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps")
    add(
        "--presets",
        nargs="*",
        help="ours (default: fast, balanced; quick: fast; stacks: also fast-told, …); also fast+omega=0",
    )
    add("--peers", nargs="+", default=["all"], help="names, all or none; name:length for training")
    add("--seeds", type=int, help="for methods that draw (default: 3; quick: 1)")
    add("--ablations", nargs="+", help="parts, all or none (default: all for paper, else none)")
    add("--ablation-seeds", type=int, default=ABLATION_SEEDS)
    add("--cases", nargs="+", default=["*"], help="patterns of case names, such as 'Set9/*/g25'")
    add("--methods", default="*", help="pattern of method names")
    add("--out", type=Path, default=HERE / "results", help="folder of the result files")
    add("--threads", type=int, default=machine.cores())
    add("--timeout", type=float, help="seconds after which a measurement counts as failed")
    add("--python", nargs="*", default=[], metavar="PEER=PATH", help="another Python for a peer")
    add("--retry", action="store_true", help="measure again what was absent or failed")
    add("--redo", default="", metavar="METHODS", help="pattern of methods to measure again")
    add("--commit", help="name of the commit, where git cannot tell")
    add("--together", action="store_true", help="one process for all, as on a rented GPU")
    add("--untimed", action="store_true", help="keep no seconds: others run beside it")
    add("--list", action="store_true", help="show what there is to do, and end")
    options = parser.parse_args(arguments)
    quick = options.suite == "quick"
    if options.presets is None:
        options.presets = ["fast"] if quick else ["fast", "balanced"]
        if options.suite == "stacks":  # BM4D is told the noise
            options.presets += [preset + methods.TOLD for preset in options.presets]
    options.seeds = options.seeds or (1 if quick else 3)
    parts = options.ablations or (["all"] if options.suite == "paper" else ["none"])
    options.ablations = {"all": list(methods.PARTS), "none": []}.get(parts[0], parts)
    for part in options.ablations:
        if part not in methods.PARTS:
            parser.error(f"no part {part!r}: choose from {', '.join(methods.PARTS)}")
    for name in options.peers:
        if name.partition(":")[0] not in {*peers.PEERS, "all", "none"}:
            parser.error(f"no peer {name!r}: choose from {', '.join(peers.PEERS)}")
    if options.together and (options.timeout or options.python):
        parser.error("--timeout and --python need a process for each result: leave --together out")
    options.python = dict(item.split("=", 1) for item in options.python)
    options.commit = options.commit or machine.commit()
    options.machine = machine.describe(options.device, options.threads)
    return options


def main(arguments: list[str] | None = None) -> None:
    """Measure all that is not measured yet."""
    options = parse(arguments)
    found = cases.catalogue(options.suite, options.data)
    by_name = {case.name: case for case in found}
    path = options.out / f"{options.suite}-{machine.tag(options.machine)}.jsonl"
    jobs = plan(options, found)
    open_jobs = to_do(options, jobs, path)
    print(f"{path.name}: {len(jobs)} results, {len(open_jobs)} of them to measure", flush=True)
    if not options.data.is_dir():
        print(f"{options.data} is not there: only generated images can be measured (--data)")
    kept = sum(
        r["status"] != "ok" for j, r in known(path).items() if j in set(jobs) - set(open_jobs)
    )
    if kept:
        print(f"{kept} results are absent or failed ones; --retry measures them again")
    if options.together and not (options.list or options.untimed):
        for job in {
            job.method: job for job in reversed(open_jobs) if job.method != "noisy"
        }.values():
            measure_here(options, job)
    for number, job in enumerate(open_jobs, 1):
        words = f"{number}/{len(open_jobs)} {job.case} {job.method} seed {job.seed}"
        if options.list:
            print(words)
            continue
        answer = (measure_here if options.together else measure)(options, job)
        if answer["status"] == "ok":
            tail = "{psnr:.2f} dB, SSIM {ssim:.3f}, {seconds:.1f} s".format(**answer)
            if options.untimed:
                del answer["seconds"]
                tail += " beside other programs"
        else:
            tail = f"{answer['status']}: {answer['message']}"
        append(path, record(options, job, by_name[job.case], answer))
        print(f"{words}: {tail}", flush=True)


if __name__ == "__main__":
    main()
