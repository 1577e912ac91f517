"""One measurement in a process of its own: one case, one method, one seed.

``run.py`` starts this with a JSON object of the job and the path that the answer goes to. The process's own
peak of memory is that of the method; the clock runs from the call of the method to its return, imports and
the first touch of the GPU excluded.
"""

from __future__ import annotations

import gc
import hashlib
import json
import sys
import time
import traceback
from pathlib import Path

import cases
import machine
import methods
import metrics
import numpy as np
import peers


def peak_megabytes() -> float | None:
    """Return the largest resident memory of this process so far, in MiB."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(size / 2**20 if sys.platform == "darwin" else size / 2**10, 1)


def _wake(threads: int, device: str) -> object:
    """Set PyTorch's threads and wake the GPU, if PyTorch is loaded; return it, or None."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    torch.set_num_threads(threads)
    if device != "cpu" and torch.cuda.is_available():
        torch.zeros(1, device="cuda")
        torch.cuda.synchronize()
        gc.collect()  # what an earlier measurement left
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return torch


def run(job: dict[str, object]) -> dict[str, object]:
    """Do the measurement `job` and return what it found.

    Parameters
    ----------
    job
        ``suite``, ``case``, ``method``, ``seed``, ``data``, ``device`` and ``threads``.
    """
    try:
        denoise = methods.resolve(job["method"], job["device"], job["threads"])
    except ImportError as error:
        return {"status": "absent", "message": str(error)}
    found = cases.catalogue(job["suite"], Path(job["data"]))
    case = next(c for c in found if c.name == job["case"])
    noisy, clean = case.load()
    given = noisy.copy()  # a method that writes into it harms itself alone
    torch = _wake(job["threads"], job["device"])
    began = time.perf_counter()
    image = np.asarray(denoise(given, case.axes, dict(case.kind), job["seed"]))
    seconds = time.perf_counter() - began
    memory = peak_megabytes()
    result = {
        "status": "ok",
        "data_range": case.peak,
        **metrics.measure(image, clean, case.peak, case.axes, case.fit),
        "seconds": round(seconds, 3),
        "peak_mb": memory,
        "noisy_sha": hashlib.sha256(np.ascontiguousarray(noisy)).hexdigest()[:12],
    }
    if torch is not None and torch.cuda.is_available():
        result["peak_gpu_mb"] = round(torch.cuda.max_memory_reserved() / 2**20, 1)
    needs = peers.PEERS[n].needs if (n := job["method"].partition(":")[0]) in peers.PEERS else ()
    result["versions"] = machine.versions(tuple(dict.fromkeys((*machine.PACKAGES, *needs))))
    return result


def attempt(job: dict[str, object]) -> dict[str, object]:
    """Return what :func:`run` found, or how it failed."""
    try:
        return run(job)
    except Exception as error:  # noqa: BLE001 - whatever a method fails with is its result
        traceback.print_exc()
        return {"status": "failed", "message": f"{type(error).__name__}: {error}"[:500]}


def main() -> None:
    """Read the job from the first argument, write the answer into the file of the second."""
    found = attempt(json.loads(sys.argv[1]))
    Path(sys.argv[2]).write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
