"""Work on many processes or computers: pure functions, in any order, on dask.distributed.

Nothing here knows of images. dask is imported when an executor is opened.
"""

from __future__ import annotations

from .executor import Executor, Here, Outcome
from .opening import open_executor

__all__ = ["Executor", "Here", "Outcome", "open_executor"]
