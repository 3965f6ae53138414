"""Split-KV attention as a launch of our Triton kernel; see `gpu_interface` and `triton_attention`.

Neither waits for the device nor allocates. Imports triton, so it is imported late. Called by
`exec.gpu_choice`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from midfill_engine.kernels.gpu_interface import QUERIES, Groups, Pages
from midfill_engine.kernels.triton_attention import attention_kernel
from midfill_engine.kernels.triton_step import TILE, cdiv, dot_dtype, power_of_2

_attention: Any = attention_kernel  # launching is untyped in Triton

_BLOCK_BYTES = 2**14
"""Of the keys that are taken at a time, at most: 64 of 128 dimensions in bfloat16."""
_STAGED_BYTES = {False: 48 * 2**10, True: 96 * 2**10}
"""Of keys and values on their way, by whether the device is roomy."""


@dataclass(frozen=True, slots=True)
class Splitting:
    """How attention is cut; the first two are part of a result's last bits.

    Attributes:
        split: positions of one piece.
        block: positions taken at a time, a power of two that divides `split`; fewer where heads
            are so wide that they would not fit a processor's shared memory.
        programs_per_processor: programs of a step over the device's processors.
        num_warps: threads of one program, in 32s.
        num_stages: loads in flight.
    """

    split: int = 256
    block: int = 32
    programs_per_processor: int = 4
    num_warps: int = 4
    num_stages: int = 6


class TritonAttention:
    """`gpu_interface.Attention` with scratch memory for its pieces."""

    name = "triton split-KV"
    exact = True

    def __init__(
        self,
        *,
        max_rows: int,
        num_heads: int,
        num_kv_heads: int,
        head_dim: int,
        max_len: int,
        device: torch.device,
        num_processors: int = 1,
        splitting: Splitting | None = None,
        pdl: bool = False,
        roomy: bool = False,
    ) -> None:
        """Reserves the scratch memory of steps of up to `max_rows` rows and `max_len` positions.

        `num_processors` is the device's: how many programs a step is cut into follows from it,
        the result does not. `pdl` and `roomy` are as `TritonOperations` takes them.
        """
        self._splitting = splitting or Splitting()
        self._pdl = pdl
        self._staged_bytes = _STAGED_BYTES[roomy]
        self._num_programs = num_processors * self._splitting.programs_per_processor
        self._max_pieces = cdiv(max_len, self._splitting.split) + 1
        shape = (max_rows, num_heads, self._max_pieces)
        self._total = torch.empty((*shape, head_dim), dtype=torch.float32, device=device)
        self._largest = torch.empty(shape, dtype=torch.float32, device=device)
        self._whole = torch.empty(shape, dtype=torch.float32, device=device)
        tiles = _num_tiles(num_heads // num_kv_heads) * num_kv_heads
        self._arrived = torch.zeros(max_rows * tiles, dtype=torch.int32, device=device)

    def attend(
        self,
        query: torch.Tensor,
        pages: Pages,
        groups: Groups,
        window: int | None,
        scale: float,
        out: torch.Tensor,
    ) -> None:
        """As `Attention.attend`."""
        _, num_heads, head_dim = query.shape
        num_kv_heads, page_len = pages.keys.shape[1:3]
        group = num_heads // num_kv_heads
        num_groups = groups.slots.shape[0]
        dims = max(TILE, power_of_2(head_dim))
        page_stride, head_stride, position_stride, _ = pages.keys.stride()
        key_bytes = dims * query.dtype.itemsize
        block = self._block(key_bytes)
        wanted = cdiv(self._num_programs, num_kv_heads * num_groups)
        grid = (min(wanted, self._max_pieces), num_kv_heads * _num_tiles(group), num_groups)
        _attention[grid](
            query,
            pages.keys,
            pages.values,
            pages.table,
            groups.slots,
            groups.first_rows,
            groups.counts,
            groups.ends,
            out,
            self._total,
            self._largest,
            self._whole,
            self._arrived,
            scale * math.log2(math.e),
            pages.table.stride(0),
            page_stride,
            head_stride,
            position_stride,
            page_len,
            self._max_pieces,
            NUM_HEADS=num_heads,
            GROUP=group,
            HEAD_DIM=head_dim,
            WINDOW=window or 0,
            DOT=dot_dtype(query.dtype),
            TILE=TILE,
            DIMS=dims,
            SPLIT=self._splitting.split,
            BLOCK=block,
            ONE_PAGE=pages.table.shape[1] == 1 or page_len % self._splitting.split == 0,
            PDL=self._pdl,
            launch_pdl=self._pdl,
            num_warps=self._splitting.num_warps,
            num_stages=self._num_stages(block * key_bytes),
        )

    def _block(self, key_bytes: int) -> int:
        """Returns how many positions are taken at a time, whose keys have `key_bytes` each."""
        return max(TILE, min(self._splitting.block, power_of_2(_BLOCK_BYTES // key_bytes)))

    def _num_stages(self, block_bytes: int) -> int:
        """Returns how many blocks of keys, and as many of values, are on their way at a time."""
        return max(2, min(self._splitting.num_stages, self._staged_bytes // (2 * block_bytes)))


def _num_tiles(group: int) -> int:
    """Tiles of a group of QUERIES queries with `group` heads each."""
    return cdiv(QUERIES * group, TILE)
