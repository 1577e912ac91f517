"""The C library's heap during a run by tiles."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

#: Large blocks are freed first, after which glibc keeps blocks of their size in its heap.
SCRIPT = """
import ctypes
from napari_blind2grad.engine.allocator import compact_heap

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]

class Info(ctypes.Structure):
    _fields_ = [(n, ctypes.c_size_t) for n in "arena ordblks smblks mapped bytes a b c d e".split()]

libc.mallinfo2.restype = Info

def mapped(size):
    before = libc.mallinfo2().mapped
    block = libc.malloc(size * 2**20)
    count = libc.mallinfo2().mapped - before
    libc.free(block)
    return count

libc.free(libc.malloc(30 * 2**20))
print(mapped(3))
with compact_heap():
    print(mapped(6))  # more than the heap has room for now
print(mapped(9))
"""


def test_large_blocks_are_mappings_of_their_own() -> None:
    if sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallinfo2"):
        pytest.skip("another C library, whose heap is left alone")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["0", "1", "0"]
