"""Keys and values of every sequence slot for the native kernels: `kv_cache` without torch."""

from __future__ import annotations

import mmap
from math import prod
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from midfill_engine.kernels.library import PANEL, SPAN
from midfill_engine.model.shapes import slot_bytes
from midfill_engine.model.spec import ModelSpec

CacheKind: TypeAlias = Literal["float32", "bfloat16", "int8"]
Array: TypeAlias = npt.NDArray[np.generic]
_HELD: Final[dict[CacheKind, type[np.generic]]] = {
    "float32": np.float32,
    "bfloat16": np.uint16,
    "int8": np.uint8,
}
"""numpy has no bfloat16, and nothing here computes."""


class NativeCache:
    """Keys and values of all slots; used by one thread only.

    What is valid is the caller's book-keeping, as in `kv_cache`. The memory is committed by the
    operating system, page by page, when it is first written, so that a short context costs what it
    uses.

    Attributes:
        keys: [L, num_slots, K, max_len, D], with rotary embedding.
        values: beside them. In int8 both are as `cpu/cache.h` tells, positions padded to SPAN and
            D to PANEL: keys [L, num_slots, K, spans, D / 4, SPAN, 4], values
            [L, num_slots, K, spans, SPAN / 4, D, 4], plus 128.
        scales: of keys and of values, [L, num_slots, K, spans, SPAN] float32 each: in int8 a
            head's key or value is its numbers times its scale. Empty for other kinds.
        shape: (L, num_slots, K, max_len, D), whatever the kind.
        addresses: of keys, values and scales; None where there are none.
        strides: elements from one layer, slot and head to the next.
    """

    def __init__(
        self, spec: ModelSpec, num_slots: int, max_len: int, kind: CacheKind = "float32"
    ) -> None:
        """Reserves the memory.

        Raises:
            MemoryError: it does not fit.
        """
        shape = (spec.num_layers, num_slots, spec.num_kv_heads, max_len, spec.head_dim)
        held = _HELD[kind]
        if kind != "int8":
            self._take(kind, shape, _reserved(shape, held), _reserved(shape, held), ())
            return
        head = (*shape[:3], _padded(max_len, SPAN) // SPAN)
        dim = _padded(spec.head_dim, PANEL)
        keys = _reserved((*head, dim // 4, SPAN, 4), held)
        values = _reserved((*head, SPAN // 4, dim, 4), held)
        scales = tuple(_reserved((*head, SPAN), np.float32) for _ in range(2))
        self._take(kind, shape, keys, values, scales)

    @classmethod
    def over(cls, keys: Array, values: Array, kind: CacheKind) -> NativeCache:
        """Returns a cache in somebody else's memory, as another decoder's; not of int8."""
        assert kind != "int8", "no other decoder keeps scales"
        cache = cls.__new__(cls)
        cache._take(kind, keys.shape, keys, values, ())
        return cache

    def _take(
        self,
        kind: CacheKind,
        shape: tuple[int, ...],
        keys: Array,
        values: Array,
        scales: tuple[Array, ...],
    ) -> None:
        self.kind = kind
        self.shape = shape
        self.keys, self.values, self.scales = keys, values, scales
        self.num_slots, self.max_len = shape[1], shape[3]
        # What every step tells the kernels: numpy takes microseconds for it.
        at: list[int | None] = [array.ctypes.data for array in (keys, values, *scales)]
        self.addresses = (*at, *[None] * (4 - len(at)))
        self.strides = tuple(stride // keys.itemsize for stride in keys.strides[:3])

    def copy_prefix(self, src: int, dst: int, length: int) -> None:
        """Copies positions [0, length) of slot `src` to slot `dst`, in int8 whole spans."""
        assert 0 <= length <= self.max_len, f"prefix of {length} in a cache of {self.max_len}"
        if src == dst:
            return
        count = _padded(length, SPAN) // SPAN if self.kind == "int8" else length
        for array in (self.keys, self.values, *self.scales):
            array[:, dst, :, :count] = array[:, src, :, :count]


def cache_slot_bytes(spec: ModelSpec, max_len: int, kind: CacheKind) -> int:
    """Returns the bytes of one slot."""
    if kind != "int8":
        return slot_bytes(spec, max_len, np.dtype(_HELD[kind]).itemsize)
    heads = 2 * spec.num_layers * spec.num_kv_heads
    return heads * _padded(max_len, SPAN) * (_padded(spec.head_dim, PANEL) + 4)


def _padded(count: int, unit: int) -> int:
    return -(-count // unit) * unit


def _reserved(shape: tuple[int, ...], held: type[np.generic]) -> Array:
    """Returns memory of its own mapping: numpy asks for huge pages, which commit what is unused."""
    dtype = np.dtype(held)
    try:
        memory = mmap.mmap(-1, prod(shape) * dtype.itemsize)
    except (OSError, OverflowError) as error:
        raise MemoryError(f"keys and values of {shape} cannot be had ({error})") from None
    return np.frombuffer(memory, dtype).reshape(shape)
