"""Triton kernels of the products, which stream a matrix past 16 rows of a step.

A program owns BLOCK_OUT outputs and walks over the inputs, or a fixed part of them, in order, so
that an output is summed in one fixed order, whatever shares the step.

Triton would compile other code for one row than for four or sixteen, and for places in a step's
table that are no multiple of 16 bytes; `do_not_specialize` keeps it one, and so a row's last bits.

Dtypes: inputs float32, bfloat16 or float16; weights these, float8_e4m3fn or int8 with a scale an
output; sums in float32. The reference is `gpu_plain`. Called by `triton_step`.
"""

from __future__ import annotations

import triton
import triton.language as tl

from midfill_engine.kernels.triton_norm import as_kept, start_after


@triton.jit
def _walk(
    inputs: tl.tensor,
    weight: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    num_rows: tl.tensor,
    first: tl.tensor,
    last: tl.tensor,
    NUM_INPUTS: tl.constexpr,
    NUM_COLUMNS: tl.constexpr,
    DOT: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
) -> tl.tensor:
    """Returns rows x columns of inputs @ weight^T over the inputs [first, last)."""
    total = tl.zeros((BLOCK_ROWS, BLOCK_OUT), dtype=tl.float32)
    row_starts = inputs + rows[:, None] * NUM_INPUTS
    column_starts = weight + columns[:, None].to(tl.int64) * NUM_INPUTS
    for begin in range(first, last, BLOCK_IN):
        at = begin + tl.arange(0, BLOCK_IN)
        inside = at[None, :] < NUM_INPUTS
        part = tl.load(row_starts + at[None, :], (rows[:, None] < num_rows) & inside, other=0.0)
        weights = tl.load(
            column_starts + at[None, :], (columns[:, None] < NUM_COLUMNS) & inside, other=0.0
        )
        total = tl.dot(part.to(DOT), tl.trans(weights.to(DOT)), total, input_precision="ieee")
    return total


@triton.jit
def _finish(
    total: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    columns: tl.tensor,
    NUM_COLUMNS: tl.constexpr,
    HAS_SCALE: tl.constexpr,
    HAS_BIAS: tl.constexpr,
) -> tl.tensor:
    """Returns the products with scale and bias applied."""
    inside = columns < NUM_COLUMNS
    if HAS_SCALE:
        total *= tl.load(scale + columns, inside, other=0.0)[None, :]
    if HAS_BIAS:
        total += tl.load(bias + columns, inside, other=0.0).to(tl.float32)[None, :]
    return total


@triton.jit(do_not_specialize=["num_rows"])
def product_kernel(
    inputs: tl.tensor,
    weight: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    out: tl.tensor,
    parts: tl.tensor,
    arrived: tl.tensor,
    num_rows: tl.tensor,
    NUM_INPUTS: tl.constexpr,
    NUM_COLUMNS: tl.constexpr,
    HAS_SCALE: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    ADDS: tl.constexpr,
    DOT: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
    SPLITS: tl.constexpr,
    PDL: tl.constexpr,
) -> None:
    """Writes out [R, N] = product, or adds it (ADDS) to what is there.

    The inputs are cut into SPLITS parts at fixed places, a program each, and whoever finishes last
    adds them up in ascending order: parts [R, SPLITS, N] float32; `arrived` counts who is done
    with a block of outputs, 0 before and after.
    """
    rows = tl.program_id(0) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    columns = tl.program_id(1) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    EACH: tl.constexpr = (NUM_INPUTS + SPLITS * BLOCK_IN - 1) // (SPLITS * BLOCK_IN) * BLOCK_IN
    first = tl.program_id(2) * EACH
    start_after(PDL)
    total = _walk(
        inputs, weight, rows, columns, num_rows, first, tl.minimum(first + EACH, NUM_INPUTS),
        NUM_INPUTS, NUM_COLUMNS, DOT, BLOCK_ROWS, BLOCK_OUT, BLOCK_IN,
    )  # fmt: skip
    places = out + rows[:, None].to(tl.int64) * NUM_COLUMNS + columns[None, :]
    inside = (rows[:, None] < num_rows) & (columns[None, :] < NUM_COLUMNS)
    is_last = True
    counter = arrived + tl.program_id(0) * tl.num_programs(1) + tl.program_id(1)
    mine = parts + rows[:, None] * (SPLITS * NUM_COLUMNS) + columns[None, :]
    if SPLITS > 1:
        tl.store(mine + tl.program_id(2) * NUM_COLUMNS, total, inside)
        tl.debug_barrier()
        is_last = tl.atomic_add(counter, 1, sem="acq_rel", scope="gpu") == SPLITS - 1
        tl.debug_barrier()
    if is_last:
        if SPLITS > 1:
            total = tl.zeros((BLOCK_ROWS, BLOCK_OUT), dtype=tl.float32)
            for part in range(0, SPLITS):
                total += tl.load(mine + part * NUM_COLUMNS, inside, other=0.0, cache_modifier=".cg")
            tl.store(counter, 0)
        total = _finish(total, scale, bias, columns, NUM_COLUMNS, HAS_SCALE, HAS_BIAS)
        if ADDS:
            total += tl.load(places, inside, other=0.0).to(tl.float32)
        tl.store(places, total.to(out.dtype.element_ty), inside)


@triton.jit(do_not_specialize=["num_rows"])
def gate_up_kernel(
    inputs: tl.tensor,
    weight: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    out: tl.tensor,
    num_rows: tl.tensor,
    NUM_INPUTS: tl.constexpr,
    NUM_COLUMNS: tl.constexpr,
    HAS_SCALE: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    DOT: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
    PDL: tl.constexpr,
) -> None:
    """Writes out [R, I] = silu(gate) * up; the weight's rows are [0, I) gate, [I, 2I) up."""
    rows = tl.program_id(0) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    columns = tl.program_id(1) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    start_after(PDL)
    gate = tl.zeros((BLOCK_ROWS, BLOCK_OUT), dtype=tl.float32)
    up = tl.zeros((BLOCK_ROWS, BLOCK_OUT), dtype=tl.float32)
    row_starts = inputs + rows[:, None] * NUM_INPUTS
    gate_starts = weight + columns[:, None].to(tl.int64) * NUM_INPUTS
    up_starts = gate_starts + NUM_COLUMNS * NUM_INPUTS
    for begin in range(0, NUM_INPUTS, BLOCK_IN):
        at = begin + tl.arange(0, BLOCK_IN)
        inside = at[None, :] < NUM_INPUTS
        wanted = (columns[:, None] < NUM_COLUMNS) & inside
        part = tl.load(row_starts + at[None, :], (rows[:, None] < num_rows) & inside, other=0.0)
        gates = tl.load(gate_starts + at[None, :], wanted, other=0.0)
        ups = tl.load(up_starts + at[None, :], wanted, other=0.0)
        part = part.to(DOT)
        gate = tl.dot(part, tl.trans(gates.to(DOT)), gate, input_precision="ieee")
        up = tl.dot(part, tl.trans(ups.to(DOT)), up, input_precision="ieee")
    gate = _finish(gate, scale, bias, columns, NUM_COLUMNS, HAS_SCALE, HAS_BIAS)
    up = _finish(
        up, scale + NUM_COLUMNS, bias + NUM_COLUMNS, columns, NUM_COLUMNS, HAS_SCALE, HAS_BIAS
    )
    total = gate * tl.sigmoid(gate) * up
    places = out + rows[:, None].to(tl.int64) * NUM_COLUMNS + columns[None, :]
    inside = (rows[:, None] < num_rows) & (columns[None, :] < NUM_COLUMNS)
    tl.store(places, as_kept(total, out), inside)


@triton.jit(do_not_specialize=["num_rows"], do_not_specialize_on_alignment=["positions", "slots"])
def qkv_kernel(
    inputs: tl.tensor,
    weight: tl.tensor,
    scale: tl.tensor,
    bias: tl.tensor,
    out: tl.tensor,
    keys: tl.tensor,
    values: tl.tensor,
    table: tl.tensor,
    rotations: tl.tensor,
    positions: tl.tensor,
    slots: tl.tensor,
    num_rows: tl.tensor,
    table_stride: tl.tensor,
    page_stride: tl.tensor,
    head_stride: tl.tensor,
    position_stride: tl.tensor,
    page_len: tl.tensor,
    NUM_INPUTS: tl.constexpr,
    NUM_COLUMNS: tl.constexpr,
    NUM_QUERIES: tl.constexpr,
    NUM_KEYS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    HAS_SCALE: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    DOT: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
    PDL: tl.constexpr,
) -> None:
    """Writes rotated queries to out [R, NUM_QUERIES], rotated keys and values to their pages.

    Columns: [0, NUM_QUERIES) queries, NUM_KEYS of keys, NUM_KEYS of values; heads of HEAD_DIM, in
    which 2i pairs 2i + 1, so that no pair lies in two blocks.
    """
    rows = tl.program_id(0) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    columns = tl.program_id(1) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    start_after(PDL)
    total = _walk(
        inputs, weight, rows, columns, num_rows, 0, NUM_INPUTS,
        NUM_INPUTS, NUM_COLUMNS, DOT, BLOCK_ROWS, BLOCK_OUT, BLOCK_IN,
    )  # fmt: skip
    total = _finish(total, scale, bias, columns, NUM_COLUMNS, HAS_SCALE, HAS_BIAS)
    position = tl.load(positions + rows, rows < num_rows, other=-1)
    slot = tl.load(slots + rows, rows < num_rows, other=0)
    written = position >= 0
    position = tl.where(written, position, 0)

    HALF: tl.constexpr = HEAD_DIM // 2
    pairs = tl.program_id(1) * (BLOCK_OUT // 2) + tl.arange(0, BLOCK_OUT // 2)
    turned = (pairs[None, :] < (NUM_QUERIES + NUM_KEYS) // 2) & (rows[:, None] < num_rows)
    places = rotations + (position[:, None] * HALF + pairs[None, :] % HALF) * 2
    cosine = tl.load(places, turned, other=1.0)
    sine = tl.load(places + 1, turned, other=0.0)
    even, odd = tl.split(tl.reshape(total, (BLOCK_ROWS, BLOCK_OUT // 2, 2)))
    pair = tl.join(even * cosine - odd * sine, odd * cosine + even * sine)
    total = tl.reshape(pair, (BLOCK_ROWS, BLOCK_OUT))

    kept = total.to(out.dtype.element_ty)
    is_query = (rows[:, None] < num_rows) & (columns[None, :] < NUM_QUERIES)
    tl.store(out + rows[:, None] * NUM_QUERIES + columns[None, :], kept, is_query)
    page = tl.load(table + slot * table_stride + position // page_len, written, other=0)
    base = page.to(tl.int64) * page_stride + (position % page_len) * position_stride
    kept = total.to(keys.dtype.element_ty)
    key = columns - NUM_QUERIES
    offset = (key // HEAD_DIM).to(tl.int64) * head_stride + key % HEAD_DIM
    is_key = written[:, None] & (key[None, :] >= 0) & (key[None, :] < NUM_KEYS)
    tl.store(keys + base[:, None] + offset[None, :], kept, is_key)
    value = key - NUM_KEYS
    offset = (value // HEAD_DIM).to(tl.int64) * head_stride + value % HEAD_DIM
    is_value = written[:, None] & (value[None, :] >= 0) & (value[None, :] < NUM_KEYS)
    tl.store(values + base[:, None] + offset[None, :], kept, is_value)
