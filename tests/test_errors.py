"""Errors are ours, speak in words, and keep their cause."""

from __future__ import annotations

import pytest

from napari_blind2grad import errors
from napari_blind2grad.errors import Blind2GradError, EngineError, OutOfMemory, translated

OURS = [
    errors.ConfigError,
    errors.InputError,
    errors.OutputError,
    errors.OutOfMemory,
    errors.EngineError,
]


@pytest.mark.parametrize("kind", OURS)
def test_all_are_ours_and_none_is_a_runtime_error(kind: type[Exception]) -> None:
    # napari's workers swallow a RuntimeError without a word.
    assert issubclass(kind, Blind2GradError)
    assert not issubclass(kind, RuntimeError)
    assert str(kind("Do this.")) == "Do this."


@pytest.mark.parametrize(
    "original",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("MPS backend out of memory"),
    ],
)
def test_memory_errors_are_translated(original: Exception) -> None:
    with pytest.raises(OutOfMemory, match=r"Not enough memory .* smaller") as caught, translated():
        raise original
    assert caught.value.__cause__ is original


def test_other_runtime_errors_are_translated() -> None:
    original = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    with pytest.raises(EngineError, match="mat1 and mat2") as caught, translated():
        raise original
    assert caught.value.__cause__ is original


def test_a_runtime_error_without_words_is_named() -> None:
    with pytest.raises(EngineError, match="RuntimeError"), translated():
        raise RuntimeError


@pytest.mark.parametrize("original", [ValueError("x"), KeyboardInterrupt(), errors.InputError("y")])
def test_everything_else_passes(original: BaseException) -> None:
    with pytest.raises(type(original)) as caught, translated():
        raise original
    assert caught.value is original
