"""Keys and values of every sequence slot for the native kernels: `kv_cache` without torch."""

from __future__ import annotations

import mmap
from math import prod
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from midfill_engine.model.spec import ModelSpec

CacheKind: TypeAlias = Literal["float32", "bfloat16"]
_HELD: Final[dict[CacheKind, type[np.float32] | type[np.uint16]]] = {
    "float32": np.float32,
    "bfloat16": np.uint16,
}
"""numpy has no bfloat16, and nothing here computes."""


class NativeCache:
    """Two arrays [L, num_slots, K, max_len, D]; used by one thread only.

    What is valid is the caller's book-keeping, as in `kv_cache`. The memory is committed by the
    operating system, page by page, when it is first written, so that a short context costs what it
    uses.

    Attributes:
        keys: with rotary embedding.
        values: beside them.
        addresses: of both.
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
        self._take(kind, _reserved(shape, kind), _reserved(shape, kind))

    @classmethod
    def over(
        cls, keys: npt.NDArray[np.generic], values: npt.NDArray[np.generic], kind: CacheKind
    ) -> NativeCache:
        """Returns a cache in somebody else's memory, as another decoder's."""
        cache = cls.__new__(cls)
        cache._take(kind, keys, values)
        return cache

    def _take(
        self, kind: CacheKind, keys: npt.NDArray[np.generic], values: npt.NDArray[np.generic]
    ) -> None:
        self.kind = kind
        self.keys, self.values = keys, values
        self.num_slots, self.max_len = keys.shape[1], keys.shape[3]
        # What every step tells the kernels: numpy takes microseconds for it.
        self.addresses = keys.ctypes.data, values.ctypes.data
        self.strides = tuple(stride // keys.itemsize for stride in keys.strides[:3])

    def copy_prefix(self, src: int, dst: int, length: int) -> None:
        """Copies positions [0, length) of slot `src` to slot `dst`."""
        assert 0 <= length <= self.max_len, f"prefix of {length} in a cache of {self.max_len}"
        if src == dst:
            return
        for array in (self.keys, self.values):
            array[:, dst, :, :length] = array[:, src, :, :length]


def _reserved(shape: tuple[int, ...], kind: CacheKind) -> npt.NDArray[np.generic]:
    """Returns memory of its own mapping: numpy asks for huge pages, which commit what is unused."""
    held = np.dtype(_HELD[kind])
    try:
        memory = mmap.mmap(-1, prod(shape) * held.itemsize)
    except (OSError, OverflowError) as error:
        raise MemoryError(f"keys and values of {shape} cannot be had ({error})") from None
    return np.frombuffer(memory, held).reshape(shape)
