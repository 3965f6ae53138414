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
from midfill_engine.kernels.triton_norm import norm_kernel
from midfill_engine.kernels.triton_products import gate_up_kernel, product_kernel, qkv_kernel

# Launching is untyped in Triton.
_choice: Any = choice_kernel
_gate_up: Any = gate_up_kernel
_norm: Any = norm_kernel
_product: Any = product_kernel
_qkv: Any = qkv_kernel

TILE = 16
"""Rows of the smallest tensor-core tile, and of one program: one code serves 1 to 64 rows."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a product is cut; `bench/gpu_tune.py` times others.

    Attributes:
        outputs: of one program, a power of two, at least 16.
        inputs: taken at a time, a power of two, at least 16 (32 for one-byte weights); half as
            many of float32, which would not fit a processor's shared memory.
        num_warps: threads of one program, in 32s.
        num_stages: loads in flight.
        splits: programs that share an output's inputs, where the product is added to the residual.
    """

    outputs: int
    inputs: int
    num_warps: int
    num_stages: int
    splits: int = 1


_MANY_OUTPUTS = 8192
_TILINGS = {
    (2, True): Tiling(32, 256, 4, 4),
    (2, False): Tiling(16, 512, 2, 4),
    (1, True): Tiling(32, 256, 2, 4),
    (1, False): Tiling(64, 128, 4, 5, splits=4),
}
"""By bytes of a weight and whether there are many outputs; found on an H200 (docs/log.md)."""
_PARTS = 64 * 4 * _MANY_OUTPUTS
"""Rows of a step, most splits, outputs of a product that is split."""
_FEW_STAGES = 3
"""What the 99 kB of shared memory hold that a processor of the smaller GPUs has: gate and up of few
outputs take 98,304 bytes, the most of all (`bench/gpu_compile.py`, tests/bench)."""


def tiling_of(matrix: Matrix, num_outputs: int) -> Tiling:
    """Returns how a product is cut; `num_outputs` of a matrix of two halves is one half."""
    return _TILINGS[min(2, matrix.weight.dtype.itemsize), num_outputs >= _MANY_OUTPUTS]


class TritonOperations:
    """`gpu_interface.Operations`."""

    name = "triton"
    exact = True

    def __init__(
        self,
        device: torch.device,
        tiling: Tiling | None = None,
        *,
        pdl: bool = False,
        roomy: bool = False,
    ) -> None:
        """Products are cut by `tiling`, else each as suits it.

        `pdl` (programmatic dependent launch) lets a launch come near before the one before it is
        over, which Hopper and later can. `roomy` tells that a processor's shared memory holds many
        loads at a time.
        """
        self._tiling = tiling
        self._pdl = pdl
        self._roomy = roomy
        self._parts = torch.empty(_PARTS, dtype=torch.float32, device=device)
        self._arrived = torch.zeros(_PARTS // TILE // TILE, dtype=torch.int32, device=device)

    def normalise(self, hidden: torch.Tensor, norm: Norm, out: torch.Tensor) -> None:
        """As `Operations.normalise`."""
        num_rows, num_inputs = hidden.shape
        _norm[(num_rows,)](
            hidden, norm.weight, out, norm.eps,
            NUM_INPUTS=num_inputs, BLOCK_IN=power_of_2(num_inputs), PDL=self._pdl,
            num_warps=8, launch_pdl=self._pdl,
        )  # fmt: skip

    def write_qkv(
        self,
        inputs: torch.Tensor,
        matrix: Matrix,
        rotations: torch.Tensor,
        rows: Rows,
        pages: Pages,
        out: torch.Tensor,
    ) -> None:
        """As `Operations.write_qkv`."""
        num_rows, num_heads, head_dim = out.shape
        page_stride, head_stride, position_stride, _ = pages.keys.stride()
        _qkv[self._grid(num_rows, matrix, matrix.num_outputs)](
            inputs,
            matrix.weight,
            *_scale_and_bias(matrix),
            out,
            pages.keys,
            pages.values,
            pages.table,
            rotations,
            rows.positions,
            rows.slots,
            num_rows,
            pages.table.stride(0),
            page_stride,
            head_stride,
            position_stride,
            pages.keys.shape[2],
            NUM_QUERIES=num_heads * head_dim,
            NUM_KEYS=pages.keys.shape[1] * head_dim,
            HEAD_DIM=head_dim,
            **self._settings(inputs, matrix, matrix.num_outputs),
        )

    def add_product(self, inputs: torch.Tensor, matrix: Matrix, hidden: torch.Tensor) -> None:
        """As `Operations.add_product`."""
        self._product(inputs, matrix, hidden, adds=True)

    def gate_up(self, inputs: torch.Tensor, matrix: Matrix, out: torch.Tensor) -> None:
        """As `Operations.gate_up`."""
        num_rows, num_outputs = out.shape
        _gate_up[self._grid(num_rows, matrix, num_outputs)](
            inputs,
            matrix.weight,
            *_scale_and_bias(matrix),
            out,
            num_rows,
            **self._settings(inputs, matrix, num_outputs),
        )

    def project(self, inputs: torch.Tensor, matrix: Matrix, out: torch.Tensor) -> None:
        """As `Operations.project`."""
        self._product(inputs, matrix, out, adds=False)

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
        matrix: Matrix,
        out: torch.Tensor,
        *,
        adds: bool,
    ) -> None:
        num_rows = inputs.shape[0]
        tiling = self._tiling or tiling_of(matrix, matrix.num_outputs)
        splits = tiling.splits if adds else 1
        assert splits == 1 or num_rows * splits * matrix.num_outputs <= _PARTS, "too large to split"
        grid = (*self._grid(num_rows, matrix, matrix.num_outputs), splits)
        _product[grid](
            inputs,
            matrix.weight,
            *_scale_and_bias(matrix),
            out,
            self._parts,
            self._arrived,
            num_rows,
            SPLITS=splits,
            ADDS=adds,
            **self._settings(inputs, matrix, matrix.num_outputs),
        )

    def _grid(self, num_rows: int, matrix: Matrix, num_outputs: int) -> tuple[int, int]:
        """Row tiles run fastest, so that those of one block of weights find it in the cache."""
        tiling = self._tiling or tiling_of(matrix, num_outputs)
        return cdiv(num_rows, TILE), cdiv(num_outputs, tiling.outputs)

    def _settings(
        self, inputs: torch.Tensor, matrix: Matrix, num_outputs: int
    ) -> dict[str, object]:
        tiling = self._tiling or tiling_of(matrix, num_outputs)
        return {
            "NUM_INPUTS": matrix.num_inputs,
            "NUM_COLUMNS": num_outputs,
            "HAS_SCALE": matrix.scale is not None,
            "HAS_BIAS": matrix.bias is not None,
            "DOT": dot_dtype(inputs.dtype),
            "BLOCK_ROWS": TILE,
            "BLOCK_OUT": tiling.outputs,
            "BLOCK_IN": min(
                tiling.inputs * 2 // max(2, inputs.dtype.itemsize),
                max(32, power_of_2(matrix.num_inputs)),
            ),
            "PDL": self._pdl,
            "launch_pdl": self._pdl,
            "num_warps": tiling.num_warps,
            "num_stages": (
                tiling.num_stages if self._roomy else min(tiling.num_stages, _FEW_STAGES)
            ),
        }


def interpreted() -> bool:
    """Whether TRITON_INTERPRET runs the kernels in NumPy."""
    return bool(cast("Any", triton).knobs.runtime.interpret)


def dot_dtype(dtype: torch.dtype) -> Any:  # noqa: ANN401  # a dtype of Triton's
    """Returns what tiles are multiplied in; the interpreter can't multiply bfloat16."""
    if interpreted() or dtype == torch.float32:
        return tl.float32
    return tl.bfloat16 if dtype == torch.bfloat16 else tl.float16


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
