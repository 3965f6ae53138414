"""What `gpu/whole_step.cu` is built for, and how it shares out a processor's memory.

Numbers that the CUDA code has too are named after it. Called by `whole_step`, `nvrtc` and
`model.gpu_decoder`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

MOST_ROWS = 16
"""Of one launch: the rows of the tensor cores' smallest tile."""
NUM_WORKERS = 256
NUM_THREADS = NUM_WORKERS + 32
"""Of a block: those that compute, and the warp that loads."""
PLACE_BYTES = 8 * (2048 + 64)
"""Of the ring in shared memory, `gpu/ring.cuh`."""
ALONE_ROWS = 1
"""Rows up to which every block computes all norms, in place of a block a row and a meeting."""
_LEAST_PLACES = 2  # keys and values of a piece lie there together
_MOST_PLACES = 64
BARRIER_BYTES = 1024
_KINDS = {torch.bfloat16: 0, torch.float8_e4m3fn: 1, torch.int8: 2}


def input_stride(kind: torch.dtype, num_inputs: int) -> int:
    """Bytes from one row of a matrix's inputs to the next, `gpu/worker.cuh`; kind: of weights."""
    return num_inputs * 2 | (64 if kind == torch.bfloat16 else 16)


@dataclass(frozen=True, slots=True)
class Shape:
    """What the kernel is built for; all in numbers, `kind` a key of the weights' dtypes."""

    hidden: int
    inner: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    num_tokens: int
    kind: torch.dtype

    @property
    def splits(self) -> int:
        """Parts that the inputs of the last matrix are cut into: each about as long as a row."""
        return -(-self.inner // max(self.hidden, self.num_heads * self.head_dim))

    @property
    def macros(self) -> Mapping[str, int]:
        """What whole_step.cu is built with."""
        return {
            "WEIGHT_KIND": _KINDS[self.kind],
            "HIDDEN": self.hidden,
            "INNER": self.inner,
            "NUM_HEADS": self.num_heads,
            "NUM_KV_HEADS": self.num_kv_heads,
            "HEAD_DIM": self.head_dim,
            "NUM_TOKENS": self.num_tokens,
            "SPLITS": self.splits,
            "NUM_WORKERS": NUM_WORKERS,
            "NUM_THREADS": NUM_THREADS,
            "ALONE_ROWS": ALONE_ROWS,
            "TIMED": 0,
        }

    @property
    def piece(self) -> int:
        """Positions of a piece of attention."""
        return 16384 // (2 * self.head_dim)

    @property
    def scratch_bytes(self) -> int:
        """`Scratch` of phases.cuh."""
        together = 8
        floats = 16 * NUM_WORKERS + together * (self.head_dim + self.piece) + NUM_WORKERS // 32
        return 4 * floats

    def inputs_bytes(self, num_rows: int) -> int:
        """Shared memory of the rows that a matrix takes; the head's weights are bfloat16."""
        longest = max(self.hidden, self.num_heads * self.head_dim, self._part_len)
        head = input_stride(torch.bfloat16, self.hidden)
        stride = max(input_stride(self.kind, longest), head)
        return -(-num_rows * stride // 128) * 128

    def num_places(self, num_rows: int, shared_bytes: int) -> int:
        """How many places the ring has beside all else."""
        left = shared_bytes - BARRIER_BYTES - self.scratch_bytes - self.inputs_bytes(num_rows)
        return min(_MOST_PLACES, left // PLACE_BYTES)

    def max_pieces(self, max_len: int) -> int:
        """Pieces of the longest sequence."""
        return -(-max_len // self.piece)

    def refusal(self, shared_bytes: int) -> str | None:
        """Returns why the kernel cannot run this shape, or None."""
        if self.kind not in _KINDS:
            return f"weights in {str(self.kind).removeprefix('torch.')}"
        if self.head_dim not in (64, 128):
            return f"heads of {self.head_dim} dimensions"
        for size in (self.hidden, self.inner, self.num_heads * self.head_dim):
            if size % self._unit:
                return f"{size} inputs, no multiple of {self._unit}"
        if (self.splits - 1) * self._part_len >= self.inner:
            return f"{self.inner} inputs in {self.splits} parts"
        if self.num_places(MOST_ROWS, shared_bytes) < _LEAST_PLACES:
            return f"a processor's {shared_bytes} bytes of shared memory hold too little"
        return None

    @property
    def _unit(self) -> int:
        return 64 // self.kind.itemsize

    @property
    def _part_len(self) -> int:
        return -(-(self.inner // self._unit) // self.splits) * self._unit
