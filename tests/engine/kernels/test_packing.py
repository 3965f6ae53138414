"""What is packed is what was given: bfloat16's rounding, and the bounds of whole numbers."""

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
    quantise_int6,
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


def test_int6_uses_all_its_numbers() -> None:
    blocks = random_blocks("int6", 4)
    scales, numbers = quantise_int6(blocks)
    assert set(np.unique(numbers)) <= set(range(-32, 32))
    assert (numbers.min(-1)[np.arange(200) != 7] == -32).all()
    assert not numbers[7].any()
    steps = from_bfloat16(scales)[:, None]
    size = np.abs(blocks).max(-1, keepdims=True)
    # Half a step; a whole one where the largest of the other sign would be 32.
    off = np.abs(numbers * steps - blocks)
    near = np.where(np.abs(blocks) < size * 31 / 32, 0.5, 1.0)
    assert (off <= np.abs(steps) * near + size * 2**-8).all()  # bfloat16 scales


def test_int6_packs_four_numbers_into_three_bytes() -> None:
    rows = np.zeros((PANEL, 64), np.float32)
    rows[5, 0] = -32.0  # so that 1 is the scale
    rows[5, 3], rows[5, 12], rows[5, 63] = 7.0, -11.0, 31.0
    out = np.zeros(packed_bytes("int6", 64, PANEL), np.uint8)
    pack("int6", rows, out)
    assert from_bfloat16(out[:64].view(np.uint16))[5] == 1.0
    bytes_ = out[64:].reshape(4, 3, PANEL, 4)[:, :, 5]
    fourth = bytes_[:, 0] >> 6 | bytes_[:, 1] >> 6 << 2 | bytes_[:, 2] >> 6 << 4
    fours = np.concatenate((bytes_ & 63, fourth[:, None]), 1)
    numbers = fours.reshape(64).astype(np.int32) - 32
    assert np.array_equal(numbers, rows[5])


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
