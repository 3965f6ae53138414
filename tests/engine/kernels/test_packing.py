"""What is packed is what was given: bfloat16's rounding, and the bounds of int8's and int4's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from midfill_engine.kernels.library import BLOCKS, PANEL, WEIGHT_KINDS
from midfill_engine.kernels.packing import (
    Floats,
    from_bfloat16,
    interleave_gates,
    pack,
    packed_bytes,
    quantise,
    quantise_int4,
    to_bfloat16,
)


def random_blocks(kind: str, seed: int) -> Floats:
    """Blocks of all sizes, one of them all zeros and one all the same."""
    rng = np.random.default_rng(seed)
    blocks = rng.standard_normal((200, BLOCKS[kind])) * 10.0 ** rng.integers(-12, 12, (200, 1))
    blocks[7], blocks[8] = 0, -0.3
    return blocks.astype(np.float32)


def test_bfloat16_is_rounded_as_torch_does() -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, 300_000, dtype=np.uint32)
    edges = [0, 0x80000000, 0x7F800000, 0xFF800000, 0x7F7FFFFF, 0x00008000, 0x00018000, 0x7FC00001]
    values = np.concatenate((bits, np.array(edges, np.uint32))).view(np.float32)
    expected = torch.as_tensor(values).bfloat16().float().numpy()
    found = from_bfloat16(to_bfloat16(values))
    assert np.array_equal(found, expected, equal_nan=True)
    assert np.isnan(found).sum() == np.isnan(values).sum() > 0


def test_int8_loses_half_a_step_at_most() -> None:
    blocks = random_blocks("int8", 1)
    scales, numbers = quantise(blocks)
    steps = from_bfloat16(scales)[:, None]
    assert np.array_equal(numbers, np.rint(numbers))
    assert np.abs(numbers).max() <= 127
    assert (np.abs(numbers * steps - blocks) <= steps * 0.5001).all()
    assert not numbers[7].any()
    assert (np.abs(numbers[8]) >= 126).all()


def test_int4_spans_a_blocks_range() -> None:
    blocks = random_blocks("int4", 2)
    scales, minima, numbers = quantise_int4(blocks)
    assert set(np.unique(numbers)) <= set(range(16))
    steps = from_bfloat16(scales)[:, None]
    found = numbers * steps + from_bfloat16(minima)[:, None]
    size = np.abs(blocks).max(-1, keepdims=True)
    assert (np.abs(found - blocks) <= steps * 0.5 + size * 2**-7).all()  # bfloat16 ends


@pytest.mark.parametrize("kind", WEIGHT_KINDS)
@pytest.mark.parametrize(("outputs", "inputs"), [(64, 96), (45, 70)])
def test_panels_are_packed_one_after_the_other(kind: str, outputs: int, inputs: int) -> None:
    rows = np.random.default_rng(3).standard_normal((outputs, inputs)).astype(np.float32)
    whole = np.zeros(packed_bytes(kind, inputs, outputs), np.uint8)
    pack(kind, rows, whole)
    first = np.zeros(packed_bytes(kind, inputs, PANEL), np.uint8)
    pack(kind, rows[:PANEL], first)
    second = np.zeros_like(first)
    pack(kind, rows[PANEL:], second)
    assert np.array_equal(whole, np.concatenate((first, second)))
    assert first.any()


def test_a_row_of_float32_lies_across_its_panel() -> None:
    rows = np.arange(96 * 64, dtype=np.float32).reshape(96, 64)
    out = np.zeros(packed_bytes("float32", 64, 96), np.uint8)
    pack("float32", rows, out)
    panels = out.view(np.float32).reshape(3, 64, PANEL)
    assert np.array_equal(panels[1, :, 5], rows[PANEL + 5])


def test_gates_stand_beside_their_ups() -> None:
    gates = np.arange(40, dtype=np.float32)
    found = interleave_gates(gates, -gates - 1)
    assert found.shape == (128,)
    assert np.array_equal(found[:16], gates[:16])
    assert np.array_equal(found[16:32], -gates[:16] - 1)
    assert np.array_equal(found[64:72], gates[32:])
    assert not found[72:80].any()
