"""Freed memory: kept while a run goes on, for its next step, or given back at once."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: glibc's options: how much free memory it keeps, and the size from which a block is the system's own mapping
#: and no part of the heap.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
#: That size at most, which glibc comes to by itself as blocks are freed; and during a run by tiles.
_LARGEST, _MAPPED = 32 * 2**20, 2 * 2**20
_NEVER = -1

_lock = threading.Lock()
_users = 0


@contextmanager
def kept() -> Iterator[None]:
    """Keep what is freed inside the block, where the system's allocator can; give it back afterwards.

    glibc returns large blocks to the system as soon as they are free, and every training step asks for the
    same ones again: page by page, zeroed. With `balanced` that was a tenth to a fifth of a step. The setting
    belongs to the whole process; several blocks may be open at once. Afterwards glibc keeps what it would
    have come to by itself; it no longer adapts that. Other systems' allocators are left alone.
    """
    global _users  # noqa: PLW0603 - the process has one allocator
    libc = _glibc()
    if libc is None:
        yield
        return
    with _lock:
        _users += 1
        if _users == 1:
            libc.mallopt(_MMAP_THRESHOLD, _LARGEST)
            libc.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                # What glibc would have come to by itself, once it had freed a block of that size.
                libc.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST)
                libc.malloc_trim(0)


@contextmanager
def compact_heap() -> Iterator[None]:
    """Have large blocks go back to the system as soon as they are freed, inside :func:`kept` too.

    For a run by tiles: these differ in shape, and with glibc's own choice each leaves gaps in the heap that
    the next does not fit in. What was kept until then goes back at once.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    libc.mallopt(_MMAP_THRESHOLD, _MAPPED)
    libc.malloc_trim(0)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_THRESHOLD, _LARGEST)


def _glibc() -> ctypes.CDLL | None:
    """Return the C library if its allocator can be told, or None."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
