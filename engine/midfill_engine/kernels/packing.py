"""Matrices in the layouts of cpu/abi.h: panels of outputs, one after the other in memory.

    float32   [panel][input][32 outputs]
    bfloat16  [panel][input / 2][32 outputs][2 inputs]
    int8      [panel][input / 64] blocks of 32 bfloat16 scales, [16][32 outputs][4 inputs] + 128
    int6      [panel][input / 64] blocks of 32 bfloat16 scales, [4][3][32 outputs][4 inputs]: three
              numbers + 32, with two bits each of a fourth above them
    int4      [panel][input / 32] blocks of 32 bfloat16 scales, 32 bfloat16 minima,
              [4][32 outputs][4 inputs], inputs 16 to 31 of the block in the high halves

Inputs and outputs are padded with zeros, to PADDING and to whole panels. numpy has no bfloat16: its
bits are held in uint16. Called by `model.native_weights`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from midfill_engine.kernels.library import BLOCKS, PADDING, PANEL

Floats: TypeAlias = npt.NDArray[np.float32]
Bits: TypeAlias = npt.NDArray[np.uint16]
Bytes: TypeAlias = npt.NDArray[np.uint8]

_BLOCK_BYTES = {
    "int8": 2 * PANEL + BLOCKS["int8"] * PANEL,
    "int6": 2 * PANEL + BLOCKS["int6"] * PANEL * 3 // 4,
    "int4": 4 * PANEL + BLOCKS["int4"] * PANEL // 2,
}


def padded(count: int) -> int:
    """Returns `count` rounded up to PADDING, two panels."""
    return (count + PADDING - 1) // PADDING * PADDING


def num_panels(num_outputs: int) -> int:
    """Returns how many panels hold so many outputs."""
    return (num_outputs + PANEL - 1) // PANEL


def packed_bytes(kind: str, num_inputs: int, num_outputs: int) -> int:
    """Returns the bytes of a packed matrix; a multiple of 64."""
    inputs, panels = padded(num_inputs), num_panels(num_outputs)
    if kind in _BLOCK_BYTES:
        return panels * (inputs // BLOCKS[kind]) * _BLOCK_BYTES[kind]
    return panels * inputs * PANEL * (4 if kind == "float32" else 2)


def pack(kind: str, rows: Floats, out: Bytes) -> None:
    """Writes a matrix to `out`, uint8 [packed_bytes], contiguous.

    Args:
        kind: one of WEIGHT_KINDS.
        rows: [outputs, inputs]. What it takes besides is about twice their size, so give large
            ones in parts of whole panels.
        out: where the panels go.
    """
    num_outputs, num_inputs = rows.shape
    whole = rows
    if num_outputs % PANEL or num_inputs % PADDING:
        shape = (num_panels(num_outputs) * PANEL, padded(num_inputs))
        whole = np.zeros(shape, np.float32)
        whole[:num_outputs, :num_inputs] = rows
    count, inputs = whole.shape[0] // PANEL, whole.shape[1]
    if kind == "float32":
        panels = whole.reshape(count, PANEL, inputs).transpose(0, 2, 1)
        out.view(np.float32).reshape(panels.shape)[:] = panels
    elif kind == "bfloat16":
        pairs = to_bfloat16(whole).view(np.uint32).reshape(count, PANEL, inputs // 2)
        out.view(np.uint32).reshape(count, inputs // 2, PANEL)[:] = pairs.transpose(0, 2, 1)
    else:
        block = BLOCKS[kind]
        blocks = out.reshape(count, inputs // block, _BLOCK_BYTES[kind])
        with np.errstate(invalid="ignore"):  # what is no number makes its scale none
            _pack_blocks(kind, whole.reshape(count, PANEL, inputs // block, block), blocks)


def _pack_blocks(kind: str, weights: Floats, blocks: Bytes) -> None:
    """Writes weights [P, 32 outputs, blocks, a block's inputs] to [P, blocks, bytes]."""
    scale_bytes = 2 * PANEL
    if kind == "int8":
        scales, numbers = quantise(weights)
        blocks[:, :, scale_bytes:] = _in_fours((numbers + 128).astype(np.uint8))
    elif kind == "int6":
        scales, numbers = quantise_int6(weights)
        blocks[:, :, scale_bytes:] = _in_fours(_four_in_three((numbers + 32).astype(np.uint8)))
    else:
        scales, minima, numbers = quantise_int4(weights)
        blocks[:, :, scale_bytes : 2 * scale_bytes] = _of_outputs(minima)
        small = numbers.astype(np.uint8)
        half = BLOCKS[kind] // 2
        both: Bytes = small[..., :half] | small[..., half:] << np.uint8(4)
        blocks[:, :, 2 * scale_bytes :] = _in_fours(both)
    blocks[:, :, :scale_bytes] = _of_outputs(scales)


def _four_in_three(numbers: Bytes) -> Bytes:
    """Returns numbers [..., inputs] of six bits as [..., inputs * 3 / 4]."""
    fours = numbers.reshape(*numbers.shape[:-1], -1, 4, 4)
    parts = fours[..., 3:, :] >> np.array([0, 2, 4], np.uint8)[:, None] << np.uint8(6)
    return (fours[..., :3, :] | parts).reshape(*numbers.shape[:-1], -1)


def _of_outputs(bits: Bits) -> Bytes:
    """Returns [P, 32 outputs, blocks] as bytes [P, blocks, 64]."""
    return np.ascontiguousarray(bits.transpose(0, 2, 1)).view(np.uint8)


def _in_fours(numbers: Bytes) -> Bytes:
    """Returns [P, 32 outputs, blocks, inputs] as [P, blocks, inputs / 4 * 32 outputs * 4]."""
    count, _, num_blocks, _ = numbers.shape
    fours = np.ascontiguousarray(numbers).view(np.uint32)
    turned = np.ascontiguousarray(fours.transpose(0, 2, 3, 1))
    return turned.reshape(count, num_blocks, -1).view(np.uint8)


def interleave_gates(gates: npt.NDArray[Any], ups: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Returns gates and ups [I, ...] of one dtype as panels of 16 gates and their 16 ups.

    Padded with zeros; bfloat16's bits are 0 there as well.
    """
    half, inner = PANEL // 2, gates.shape[0]
    panels = np.zeros((padded(inner) // half, 2, half, *gates.shape[1:]), gates.dtype)
    whole = inner // half
    for idx, part in enumerate((gates, ups)):
        panels[:whole, idx] = part[: whole * half].reshape(whole, half, *part.shape[1:])
        panels[whole : whole + 1, idx, : inner % half] = part[whole * half :]
    return panels.reshape(-1, *gates.shape[1:])


def quantise(blocks: Floats) -> tuple[Bits, Floats]:
    """Returns scales bfloat16 [...] and whole weights [..., 64] float32 in [-127, 127].

    A block's scale is its largest absolute value / 127, rounded up, so that no weight is clipped.

    Args:
        blocks: [..., 64] float32, finite.
    """
    sizes = blocks.view(np.uint32) & np.uint32(0x7FFFFFFF)  # whose order is that of the floats
    exact = sizes.max(-1).view(np.float32) / np.float32(127)
    scales = ((exact.view(np.uint32) + np.uint32(0xFFFF)) >> 16).astype(np.uint16)
    return scales, np.rint(_over(blocks, from_bfloat16(scales)))


def quantise_int6(blocks: Floats) -> tuple[Bits, Floats]:
    """Returns scales bfloat16 [...] and whole weights [..., 64] float32 in [-32, 31].

    A block's largest weight in size becomes -32, so its scale has the other sign: all 64 numbers
    are used, which loses less than symmetric ones (docs/log.md).

    Args:
        blocks: [..., 64] float32, finite.
    """
    largest: Floats = blocks.max(-1)
    smallest: Floats = blocks.min(-1)
    extremes: Floats = np.where(largest > -smallest, largest, smallest)
    scales = to_bfloat16(extremes / np.float32(-32))
    numbers = np.rint(_over(blocks, from_bfloat16(scales)))
    return scales, np.clip(numbers, -32, 31, out=numbers)


def quantise_int4(blocks: Floats) -> tuple[Bits, Bits, Floats]:
    """Returns scales and minima bfloat16 [...] and numbers float32 [..., 32], 0 to 15.

    A weight is its block's minimum + scale * number. From the smallest to the largest, because
    that loses less than symmetric numbers or a range that is searched for (docs/log.md).

    Args:
        blocks: [..., 32] float32, finite.
    """
    lowest, highest = blocks.min(-1), blocks.max(-1)
    minima = to_bfloat16(lowest)
    kept = from_bfloat16(minima)
    scales = to_bfloat16((highest - kept) / np.float32(15))
    numbers = np.rint(_over(blocks - kept[..., None], from_bfloat16(scales)))
    return scales, minima, np.clip(numbers, 0, 15, out=numbers)


def _over(blocks: Floats, scales: Floats) -> Floats:
    """Returns blocks [..., inputs] / scales [...], 0 where the scale is."""
    divisor: Floats = np.where(scales != 0, scales, np.float32(np.inf))
    return blocks / divisor[..., None]


def from_bfloat16(bits: Bits) -> Floats:
    """Returns the float32 that bfloat16 bits mean."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def to_bfloat16(values: Floats) -> Bits:
    """Returns the bits of the nearest bfloat16, the even one of two; NaN stays NaN."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + (bits >> 16 & np.uint32(1))) >> 16
    return np.where(np.isnan(values), np.uint32(0x7FC0), rounded).astype(np.uint16)
