"""The norm as a Triton kernel, and what every kernel of a step begins and ends with.

The norm is a launch of its own: folded into the products, whose every program would compute it, it
took longer than reading the weights (docs/log.md). The reference is `gpu_plain`. Called by
`triton_step`, `triton_products` and `triton_attention`.
"""

from __future__ import annotations

import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait


@triton.jit
def norm_kernel(
    hidden: tl.tensor,
    weight: tl.tensor,
    out: tl.tensor,
    eps: tl.tensor,
    NUM_INPUTS: tl.constexpr,
    BLOCK_IN: tl.constexpr,
    PDL: tl.constexpr,
) -> None:
    """Writes out [R, C] = hidden over its root mean square, times the weight; a program a row."""
    at = tl.arange(0, BLOCK_IN)
    inside = at < NUM_INPUTS
    factor = tl.load(weight + at, inside, other=0.0).to(tl.float32)
    start_after(PDL)
    row = tl.program_id(0) * NUM_INPUTS
    part = tl.load(hidden + row + at, inside, other=0.0).to(tl.float32)
    squares = tl.sum(part * part, 0)
    total = part * tl.rsqrt(squares / NUM_INPUTS + eps) * factor
    tl.store(out + row + at, as_kept(total, out), inside)


@triton.jit
def as_kept(total: tl.tensor, out: tl.tensor) -> tl.tensor:
    """Returns float32 numbers in the dtype of `out`; float16 ends at its largest, not infinity."""
    if out.dtype.element_ty == tl.float16:
        total = tl.clamp(total, -65504.0, 65504.0, propagate_nan=tl.PropagateNan.ALL)
    return total.to(out.dtype.element_ty)


@triton.jit
def start_after(PDL: tl.constexpr) -> None:
    """Waits for what the launch before wrote, and lets the next one come near."""
    if PDL:
        gdc_wait()
        gdc_launch_dependents()
