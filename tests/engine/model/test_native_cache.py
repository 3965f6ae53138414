"""The native cache is the torch cache in other clothes, and costs what it is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from midfill_engine.model.native_cache import NativeCache
from midfill_engine.model.spec import ModelSpec
from tests.engine.tiny import tiny_config

SPEC = ModelSpec.from_config(tiny_config("llama-gqa"))


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "int8"])
def test_a_prefix_is_copied_and_nothing_else(kind: str) -> None:
    cache = NativeCache(SPEC, 3, 20, kind)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    rng = np.random.default_rng(0)
    halves = (cache.keys, cache.values, *cache.scales)
    assert len(halves) == (4 if kind == "int8" else 2)
    for half in halves:
        half[:] = rng.integers(1, 100, half.shape)
    before = [half.copy() for half in halves]
    cache.copy_prefix(2, 0, 7)
    cache.copy_prefix(1, 1, 20)
    for half, old in zip(halves, before, strict=True):
        assert np.array_equal(half[:, 0, :, :7], old[:, 2, :, :7])
        assert np.array_equal(half[:, 0, :, 7:], old[:, 0, :, 7:])
        assert np.array_equal(half[:, 1:], old[:, 1:])
    layer, slot, head = cache.strides
    flat = cache.keys.reshape(-1)
    assert flat[layer + 2 * slot + head] == cache.keys[1, 2, 1, 0, 0]


def test_more_than_there_is_is_refused() -> None:
    with pytest.raises(MemoryError, match="cannot be had"):
        NativeCache(SPEC, 2**20, 2**24)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="Linux tells")
def test_memory_is_taken_when_it_is_written() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    before = resident()
    cache = NativeCache(SPEC, 32, 2**14)
    size = cache.keys.nbytes
    assert size > 2**26
    assert resident() - before < size // 8
    cache.keys[0, 0, 0, :16] = 1
    assert resident() - before < size // 8
    cache.keys[:] = 1
    assert resident() - before > size * 7 // 8
