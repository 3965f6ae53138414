"""Keys and values of every sequence slot, contiguous per layer and head.

Drawn for one slot; what is valid is the caller's book-keeping (`runtime.slots`):

    position   0              cached_len            start+T             max_len
               |── readable ──|── being written ────|── undefined ─────────|

A forward over `T` tokens at `start` writes [start, start + T) and reads [0, start + T).
Writing again at a smaller `start` simply overwrites: nothing behind it is readable any more.
"""

from __future__ import annotations

import torch

from midfill_engine.model.spec import ModelSpec


class KVCache:
    """Two tensors [L, num_slots, K, max_len, D]; used by one thread only.

    On the CPU the memory is committed by the operating system when it is first written, so that
    a short context costs what it uses.
    """

    def __init__(
        self,
        spec: ModelSpec,
        num_slots: int,
        max_len: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        """Reserves the memory.

        Raises:
            RuntimeError: torch cannot allocate it.
        """
        self.num_slots = num_slots
        self.max_len = max_len
        shape = (spec.num_layers, num_slots, spec.num_kv_heads, max_len, spec.head_dim)
        self.keys = torch.empty(shape, dtype=dtype, device=device)
        self.values = torch.empty(shape, dtype=dtype, device=device)
        # Views made once: unbinding costs microseconds per layer in the decode step.
        self._slots = [
            [(self.keys[layer, slot], self.values[layer, slot]) for layer in range(spec.num_layers)]
            for slot in range(num_slots)
        ]

    def slot(self, layer: int, slot: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the keys and values of one layer and slot, views [K, max_len, D]."""
        return self._slots[slot][layer]

    def layers(self, slot: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Returns `slot(layer, slot)` of every layer."""
        return self._slots[slot]

    def copy_prefix(self, src: int, dst: int, length: int) -> None:
        """Copies positions [0, length) of slot `src` to slot `dst`."""
        assert 0 <= length <= self.max_len, f"prefix of {length} in a cache of {self.max_len}"
        if src == dst:
            return
        for tensor in (self.keys, self.values):
            tensor[:, dst, :, :length].copy_(tensor[:, src, :, :length])
