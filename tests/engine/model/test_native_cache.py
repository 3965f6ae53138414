"""The native cache is the torch cache in other clothes, and costs what it is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from midfill_engine.model.native_cache import CacheKind, NativeCache, cache_slot_bytes
from midfill_engine.model.spec import ModelSpec
from tests.engine.tiny import tiny_config

SPEC = ModelSpec.from_config(tiny_config("llama-gqa"))


def filled(kind: CacheKind, max_len: int) -> tuple[NativeCache, list[npt.NDArray[np.generic]]]:
    """A cache of random numbers, and its parts as they are."""
    cache = NativeCache(SPEC, 3, max_len, kind)
    rng = np.random.default_rng(0)
    parts = (cache.keys, cache.values, *cache.scales)
    for part in parts:
        part[:] = rng.integers(1, 100, part.shape)
    return cache, [part.copy() for part in parts]


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_a_prefix_is_copied_and_nothing_else(kind: CacheKind) -> None:
    cache, before = filled(kind, 20)
    cache.copy_prefix(2, 0, 7)
    cache.copy_prefix(1, 1, 20)
    for half, old in zip((cache.keys, cache.values), before, strict=True):
        assert np.array_equal(half[:, 0, :, :7], old[:, 2, :, :7])
        assert np.array_equal(half[:, 0, :, 7:], old[:, 0, :, 7:])
        assert np.array_equal(half[:, 1:], old[:, 1:])
    layer, slot, head = cache.strides
    flat = cache.keys.reshape(-1)
    assert flat[layer + 2 * slot + head] == cache.keys[1, 2, 1, 0, 0]


@pytest.mark.parametrize(("length", "spans"), [(0, 0), (1, 1), (64, 1), (65, 2), (150, 3)])
def test_in_int8_whole_spans_are_copied(length: int, spans: int) -> None:
    cache, before = filled("int8", 150)
    cache.copy_prefix(2, 0, length)
    for part, old in zip((cache.keys, cache.values, *cache.scales), before, strict=True):
        assert part.shape[3] == 3
        assert np.array_equal(part[:, 0, :, :spans], old[:, 2, :, :spans])
        assert np.array_equal(part[:, 0, :, spans:], old[:, 0, :, spans:])
        assert np.array_equal(part[:, 1:], old[:, 1:])
    layer, slot, head = cache.strides
    flat = cache.keys.reshape(-1)
    assert flat[layer + 2 * slot + head] == cache.keys[1, 2, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("max_len", [1, 64, 100])
@pytest.mark.parametrize("kind", ["float32", "bfloat16", "int8"])
def test_a_slot_has_the_bytes_that_are_foretold(kind: CacheKind, max_len: int) -> None:
    cache = NativeCache(SPEC, 3, max_len, kind)
    held = sum(part.nbytes for part in (cache.keys, cache.values, *cache.scales))
    assert held == 3 * cache_slot_bytes(SPEC, max_len, kind)


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
