"""Freed memory stays with the process while a run goes on, and no longer."""

import numpy as np
import psutil
import pytest

from napari_blind2grad.engine import allocator

pytestmark = pytest.mark.skipif(allocator._glibc() is None, reason="needs glibc's allocator")

BLOCK, BLOCKS = 16 * 2**20, 20


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


def use_and_free() -> None:
    blocks = [np.ones(BLOCK, np.uint8) for _ in range(BLOCKS)]
    del blocks


def use_and_free_and_fail() -> None:
    use_and_free()
    raise KeyError


def test_freed_memory_is_kept_until_the_last_block_ends() -> None:
    before = resident()
    with allocator.kept():
        with allocator.kept():
            use_and_free()
        assert resident() - before > BLOCKS * BLOCK / 2
    assert resident() - before < BLOCKS * BLOCK / 4


def test_memory_is_given_back_after_an_error() -> None:
    before = resident()
    with pytest.raises(KeyError), allocator.kept():
        use_and_free_and_fail()
    assert resident() - before < BLOCKS * BLOCK / 4


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "_glibc", lambda: None)
    with allocator.kept():
        assert allocator._users == 0
