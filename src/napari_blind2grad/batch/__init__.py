"""Files in, files out: what the command line and the window share.

:mod:`.jobs` finds the files of a batch, :mod:`.unit` denoises one of them, :mod:`.run` one after another and
:mod:`.spread` on the workers of a cluster; :mod:`.results` says where a result goes and writes it.
"""

from __future__ import annotations

from .jobs import Job, find_jobs, patterns_in, patterns_of
from .run import Batch, FileEvent, Options, Status

__all__ = [
    "Batch",
    "FileEvent",
    "Job",
    "Options",
    "Status",
    "find_jobs",
    "patterns_in",
    "patterns_of",
]
