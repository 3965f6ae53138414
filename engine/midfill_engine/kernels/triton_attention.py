"""Split-KV attention in Triton: up to 16 queries a sequence over a paged cache, in one kernel.

The keys are cut at fixed positions (multiples of SPLIT), each piece is summed by itself and kept,
and whoever finishes last adds the pieces up in ascending order. So a row's result depends neither
on who shares the step, nor on how many programs there are, nor on who came last. Lengths are read
on the device: a captured graph serves every length.

    positions  0        SPLIT     2 SPLIT    3 SPLIT
               |─ piece 0 ─|─ piece 1 ─|─ piece 2 ─|─ ...      program p takes pieces p, p + P, ...

Any page size, any grouped-query ratio, a sliding window. The reference is `gpu_plain`. Called by
`triton_attend`.
"""

from __future__ import annotations

import triton
import triton.language as tl

from midfill_engine.kernels.triton_norm import as_kept, start_after


@triton.jit
def _piece(
    query: tl.tensor,
    keys: tl.tensor,
    values: tl.tensor,
    table: tl.tensor,
    begin: tl.tensor,
    end: tl.tensor,
    query_position: tl.tensor,
    valid: tl.tensor,
    dims: tl.tensor,
    page_stride: tl.tensor,
    position_stride: tl.tensor,
    page_len: tl.tensor,
    scale: tl.tensor,
    HEAD_DIM: tl.constexpr,
    WINDOW: tl.constexpr,
    DOT: tl.constexpr,
    TILE: tl.constexpr,
    DIMS: tl.constexpr,
    SPLIT: tl.constexpr,
    BLOCK: tl.constexpr,
    ONE_PAGE: tl.constexpr,
) -> tl.tensor:
    """Returns largest score, sum of weights and weighted values over [begin, begin + SPLIT)."""
    largest = tl.full((TILE,), float("-inf"), dtype=tl.float32)
    whole = tl.zeros((TILE,), dtype=tl.float32)
    total = tl.zeros((TILE, DIMS), dtype=tl.float32)
    start = begin.to(tl.int64) * 0
    if ONE_PAGE:  # else the look-up before every load keeps Triton from loading ahead
        page = tl.load(table + begin // page_len)
        start = page.to(tl.int64) * page_stride - begin // page_len * page_len * position_stride
    for block in range(begin, tl.minimum(begin + SPLIT, end), BLOCK):
        position = block + tl.arange(0, BLOCK)
        there = position < end
        if ONE_PAGE:
            place = start + position * position_stride
        else:
            page = tl.load(table + position // page_len, there, other=0)
            place = page.to(tl.int64) * page_stride + (position % page_len) * position_stride
        inside = there[:, None] & (dims[None, :] < HEAD_DIM)
        key = tl.load(keys + place[:, None] + dims[None, :], inside, other=0.0)
        value = tl.load(values + place[:, None] + dims[None, :], inside, other=0.0)
        scores = tl.dot(query.to(DOT), tl.trans(key.to(DOT)), input_precision="ieee") * scale
        seen = there[None, :] & valid[:, None] & (position[None, :] <= query_position[:, None])
        if WINDOW:
            seen &= position[None, :] > query_position[:, None] - WINDOW
        scores = tl.where(seen, scores, float("-inf"))
        now = tl.maximum(largest, tl.max(scores, 1))
        anchor = tl.where(now == float("-inf"), 0.0, now)
        weights = tl.exp2(scores - anchor[:, None])
        fade = tl.exp2(largest - anchor)
        whole = whole * fade + tl.sum(weights, 1)
        total = tl.dot(
            weights.to(DOT), value.to(DOT), total * fade[:, None], input_precision="ieee"
        )
        largest = now
    return largest, whole, total


@triton.jit(do_not_specialize_on_alignment=["group_slots", "first_rows", "counts", "ends"])
def attention_kernel(
    query: tl.tensor,
    keys: tl.tensor,
    values: tl.tensor,
    table: tl.tensor,
    group_slots: tl.tensor,
    first_rows: tl.tensor,
    counts: tl.tensor,
    ends: tl.tensor,
    out: tl.tensor,
    part_total: tl.tensor,
    part_largest: tl.tensor,
    part_whole: tl.tensor,
    arrived: tl.tensor,
    scale: tl.tensor,
    table_stride: tl.tensor,
    page_stride: tl.tensor,
    head_stride: tl.tensor,
    position_stride: tl.tensor,
    page_len: tl.tensor,
    max_pieces: tl.tensor,
    NUM_HEADS: tl.constexpr,
    GROUP: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    WINDOW: tl.constexpr,
    DOT: tl.constexpr,
    TILE: tl.constexpr,
    DIMS: tl.constexpr,
    SPLIT: tl.constexpr,
    BLOCK: tl.constexpr,
    ONE_PAGE: tl.constexpr,
    PDL: tl.constexpr,
) -> None:
    """Grid: (programs a tile, key/value heads x tiles, groups).

    A tile is 16 of a group's (query, head) pairs that share a key/value head. `part_*` hold the
    pieces, [R, H, max_pieces(, HEAD_DIM)] float32; `arrived` counts who is done with a tile,
    0 before and after.
    """
    start_after(PDL)
    group = tl.program_id(2)
    kv_head = tl.program_id(1) % (NUM_HEADS // GROUP)
    tile = tl.program_id(1) // (NUM_HEADS // GROUP)
    count = tl.load(counts + group).to(tl.int32)
    end = tl.load(ends + group).to(tl.int32)
    flat = tile * TILE + tl.arange(0, TILE)
    if tile * TILE < count * GROUP:
        lowest = end - count
        first = tl.maximum(lowest - WINDOW + 1, 0) // SPLIT if WINDOW else lowest * 0
        num_pieces = tl.cdiv(end, SPLIT) - first
        num_programs = tl.minimum(tl.num_programs(0), num_pieces)
        if tl.program_id(0) < num_programs:
            valid = flat < count * GROUP
            row = tl.load(first_rows + group) + flat // GROUP
            head = kv_head * GROUP + flat % GROUP
            pair = tl.where(valid, row * NUM_HEADS + head, 0)
            dims = tl.arange(0, DIMS)
            inside = valid[:, None] & (dims[None, :] < HEAD_DIM)
            wide_pair = pair.to(tl.int64)[:, None] * HEAD_DIM + dims[None, :]
            queries = tl.load(query + wide_pair, inside, other=0.0)
            slot = tl.load(group_slots + group)
            offset = kv_head.to(tl.int64) * head_stride
            for piece in range(tl.program_id(0), num_pieces, num_programs):
                largest, whole, total = _piece(
                    queries, keys + offset, values + offset, table + slot * table_stride,
                    (first + piece) * SPLIT, end, lowest + flat // GROUP, valid, dims,
                    page_stride, position_stride, page_len, scale,
                    HEAD_DIM, WINDOW, DOT, TILE, DIMS, SPLIT, BLOCK, ONE_PAGE,
                )  # fmt: skip
                place = pair.to(tl.int64) * max_pieces + piece
                tl.store(part_largest + place, largest, valid)
                tl.store(part_whole + place, whole, valid)
                tl.store(part_total + place[:, None] * HEAD_DIM + dims[None, :], total, inside)
            # Every thread's pieces are written before the count tells of them (release), and read
            # after it was seen (acquire).
            tl.debug_barrier()
            counter = arrived + group * tl.num_programs(1) + tl.program_id(1)
            before = tl.atomic_add(counter, 1, sem="acq_rel", scope="gpu")
            tl.debug_barrier()
            if before == num_programs - 1:
                _sum_up(
                    part_total, part_largest, part_whole, out, pair, valid, inside, wide_pair,
                    dims, num_pieces, max_pieces, HEAD_DIM, TILE, DIMS,
                )  # fmt: skip
                tl.store(counter, 0)


@triton.jit
def _sum_up(
    part_total: tl.tensor,
    part_largest: tl.tensor,
    part_whole: tl.tensor,
    out: tl.tensor,
    pair: tl.tensor,
    valid: tl.tensor,
    inside: tl.tensor,
    wide_pair: tl.tensor,
    dims: tl.tensor,
    num_pieces: tl.tensor,
    max_pieces: tl.tensor,
    HEAD_DIM: tl.constexpr,
    TILE: tl.constexpr,
    DIMS: tl.constexpr,
) -> None:
    """Adds a tile's pieces up in ascending order and writes the outcome."""
    place = pair.to(tl.int64) * max_pieces
    largest = tl.full((TILE,), float("-inf"), dtype=tl.float32)
    for piece in range(0, num_pieces):
        here = tl.load(part_largest + place + piece, valid, other=0.0, cache_modifier=".cg")
        largest = tl.maximum(largest, here)
    whole = tl.zeros((TILE,), dtype=tl.float32)
    total = tl.zeros((TILE, DIMS), dtype=tl.float32)
    for piece in range(0, num_pieces):
        here = tl.load(part_largest + place + piece, valid, other=0.0, cache_modifier=".cg")
        share = tl.exp2(here - largest)
        whole += share * tl.load(part_whole + place + piece, valid, other=1.0, cache_modifier=".cg")
        at = (place + piece)[:, None] * HEAD_DIM + dims[None, :]
        part = tl.load(part_total + at, inside, other=0.0, cache_modifier=".cg")
        total += share[:, None] * part
    tl.store(out + wide_pair, as_kept(total / whole[:, None], out), inside)
