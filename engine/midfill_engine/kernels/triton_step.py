"""The operations of a GPU step as launches of our Triton kernels; see `gpu_interface`.

No launch waits for the device or allocates, so that a whole step can be captured as a graph.
Imports triton, so it is imported late. Called by `exec.gpu_choice`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
import triton  # pyright: ignore[reportMissingTypeStubs]
import triton.language as tl  # pyright: ignore[reportMissingTypeStubs]

from midfill_engine.kernels.gpu_interface import Choice, Matrix, Norm, Pages, Rows
from midfill_engine.kernels.triton_choice import choice_kernel
from midfill_engine.kernels.triton_products import gate_up_kernel, product_kernel, qkv_kernel

# Launching is untyped in Triton.
_choice: Any = choice_kernel
_gate_up: Any = gate_up_kernel
_product: Any = product_kernel
_qkv: Any = qkv_kernel

TILE = 16
"""Rows of the smallest tensor-core tile."""
_MOST_ROWS = 32
"""Of one program. Up to here Hopper multiplies with the same instruction as for 16 rows, so that a
row's sums stay the same; from 64 on it takes another one."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a product is cut; bench/gpu.py times others.

    Attributes:
        outputs: of one program, a power of two, at least 16.
        inputs: taken at a time, a power of two, at least 16 (32 for one-byte weights); half as
            many of float32, which would not fit a processor's shared memory.
        num_warps: threads of one program, in 32s.
        num_stages: loads in flight.
    """

    outputs: int = 16
    inputs: int = 256
    num_warps: int = 4
    num_stages: int = 4


class TritonOperations:
    """`gpu_interface.Operations`."""

    name = "triton"
    exact = True

    def __init__(self, tiling: Tiling | None = None) -> None:
        """`tiling` is the same for every product."""
        self._tiling = tiling or Tiling()

    def write_qkv(
        self,
        hidden: torch.Tensor,
        norm: Norm,
        matrix: Matrix,
        rotations: torch.Tensor,
        rows: Rows,
        pages: Pages,
        out: torch.Tensor,
    ) -> None:
        """As `Operations.write_qkv`."""
        num_rows, num_heads, head_dim = out.shape
        page_stride, head_stride, position_stride, _ = pages.keys.stride()
        _qkv[self._grid(num_rows, matrix.num_outputs)](
            hidden,
            matrix.weight,
            *_scale_and_bias(matrix),
            norm.weight,
            out,
            pages.keys,
            pages.values,
            pages.table,
            rotations,
            rows.positions,
            rows.slots,
            num_rows,
            norm.eps,
            pages.table.stride(0),
            page_stride,
            head_stride,
            position_stride,
            pages.keys.shape[2],
            NUM_QUERIES=num_heads * head_dim,
            NUM_KEYS=pages.keys.shape[1] * head_dim,
            HEAD_DIM=head_dim,
            **self._settings(hidden, matrix, matrix.num_outputs),
        )

    def add_product(self, inputs: torch.Tensor, matrix: Matrix, hidden: torch.Tensor) -> None:
        """As `Operations.add_product`."""
        self._product(inputs, None, matrix, hidden, adds=True)

    def gate_up(self, hidden: torch.Tensor, norm: Norm, matrix: Matrix, out: torch.Tensor) -> None:
        """As `Operations.gate_up`."""
        num_rows, num_outputs = out.shape
        _gate_up[self._grid(num_rows, num_outputs)](
            hidden,
            matrix.weight,
            *_scale_and_bias(matrix),
            norm.weight,
            out,
            num_rows,
            norm.eps,
            **self._settings(hidden, matrix, num_outputs),
        )

    def project(self, hidden: torch.Tensor, norm: Norm, matrix: Matrix, out: torch.Tensor) -> None:
        """As `Operations.project`."""
        self._product(hidden, norm, matrix, out, adds=False)

    def choose(self, logits: torch.Tensor, how: Choice, out: torch.Tensor) -> None:
        """As `Operations.choose`."""
        vocab = logits.shape[1]
        block = min(4096, power_of_2(vocab))
        _choice[(logits.shape[0],)](
            logits, how.temperatures, how.fractions, how.drafts, out, vocab,
            BLOCK=block, num_warps=8,
        )  # fmt: skip

    def _product(
        self,
        inputs: torch.Tensor,
        norm: Norm | None,
        matrix: Matrix,
        out: torch.Tensor,
        *,
        adds: bool,
    ) -> None:
        num_rows = inputs.shape[0]
        _product[self._grid(num_rows, matrix.num_outputs)](
            inputs,
            matrix.weight,
            *_scale_and_bias(matrix),
            matrix.weight if norm is None else norm.weight,
            out,
            num_rows,
            0.0 if norm is None else norm.eps,
            HAS_NORM=norm is not None,
            ADDS=adds,
            **self._settings(inputs, matrix, matrix.num_outputs),
        )

    def _grid(self, num_rows: int, num_outputs: int) -> tuple[int, int]:
        """Row tiles run fastest, so that those of one block of weights find it in the cache."""
        return cdiv(num_rows, _block_rows(num_rows)), cdiv(num_outputs, self._tiling.outputs)

    def _settings(
        self, inputs: torch.Tensor, matrix: Matrix, num_outputs: int
    ) -> dict[str, object]:
        tiling = self._tiling
        return {
            "NUM_INPUTS": matrix.num_inputs,
            "NUM_COLUMNS": num_outputs,
            "HAS_SCALE": matrix.scale is not None,
            "HAS_BIAS": matrix.bias is not None,
            "DOT": dot_dtype(inputs.dtype),
            "BLOCK_ROWS": _block_rows(inputs.shape[0]),
            "BLOCK_OUT": tiling.outputs,
            "BLOCK_IN": min(
                tiling.inputs * 2 // max(2, inputs.dtype.itemsize),
                max(32, power_of_2(matrix.num_inputs)),
            ),
            "num_warps": tiling.num_warps,
            "num_stages": tiling.num_stages,
        }


def interpreted() -> bool:
    """Whether TRITON_INTERPRET runs the kernels in NumPy."""
    return bool(cast("Any", triton).knobs.runtime.interpret)


def dot_dtype(dtype: torch.dtype) -> Any:  # noqa: ANN401  # a dtype of Triton's
    """Returns what tiles are multiplied in; the interpreter can't multiply bfloat16."""
    if interpreted() or dtype == torch.float32:
        return tl.float32
    return tl.bfloat16 if dtype == torch.bfloat16 else tl.float16


def _block_rows(num_rows: int) -> int:
    return TILE if num_rows <= TILE else _MOST_ROWS


def _scale_and_bias(matrix: Matrix) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns both, the weight in place of what is not there: it is never read so."""
    scale = matrix.weight if matrix.scale is None else matrix.scale
    return scale, matrix.weight if matrix.bias is None else matrix.bias


def cdiv(count: int, size: int) -> int:
    """Returns how many of `size` hold `count`."""
    return -(-count // size)


def power_of_2(count: int) -> int:
    """Returns the smallest one that is not below `count`."""
    return 1 << (count - 1).bit_length()
