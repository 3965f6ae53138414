"""Matrices in the layouts of cpu/abi.h: panels of outputs, one after the other in memory.

    float32   [panel][input][32 outputs]
    bfloat16  [panel][input / 2][32 outputs][2 inputs]
    int8      [panel][input / 32] blocks of 32 bfloat16 scales, [8][32 outputs][4 inputs] + 128
    int4      [panel][input / 32] blocks of 32 bfloat16 scales, 32 bfloat16 minima,
              [4][32 outputs][4 inputs], inputs 16 to 31 of the block in the high halves

Inputs and outputs are padded with zeros to whole blocks and panels. Called by `model.native`.
"""

from __future__ import annotations

import torch

from midfill_engine.kernels.library import BLOCK, PANEL

_BLOCK_BYTES = {
    "int8": 2 * PANEL + BLOCK * PANEL,
    "int4": 4 * PANEL + BLOCK * PANEL // 2,
}
_PANELS_AT_ONCE = 64  # bounds what packing needs besides the matrices


def padded(count: int) -> int:
    """Returns `count` rounded up to whole blocks, which are as long as panels."""
    return (count + BLOCK - 1) // BLOCK * BLOCK


def packed_bytes(kind: str, num_inputs: int, num_outputs: int) -> int:
    """Returns the bytes of a packed matrix; a multiple of 64."""
    inputs, panels = padded(num_inputs), padded(num_outputs) // PANEL
    if kind in _BLOCK_BYTES:
        return panels * (inputs // BLOCK) * _BLOCK_BYTES[kind]
    return panels * inputs * PANEL * (4 if kind == "float32" else 2)


def pack(kind: str, matrix: torch.Tensor, out: torch.Tensor) -> None:
    """Writes matrix [inputs, outputs] to `out`, uint8 [packed_bytes]."""
    num_inputs, num_outputs = matrix.shape
    panel_bytes = packed_bytes(kind, num_inputs, 1)
    for begin in range(0, num_outputs, PANEL * _PANELS_AT_ONCE):
        part = matrix[:, begin : begin + PANEL * _PANELS_AT_ONCE]
        whole = torch.zeros(padded(num_inputs), padded(part.shape[1]))
        whole[:num_inputs, : part.shape[1]] = part
        panels = whole.view(whole.shape[0], -1, PANEL).transpose(0, 1)
        first = begin // PANEL * panel_bytes
        _pack_panels(kind, panels, out[first : first + panels.shape[0] * panel_bytes])


def interleave_gates(gate_up: torch.Tensor) -> torch.Tensor:
    """Returns columns gate [I], up [I] as panels of 16 gates and their 16 ups, padded.

    Args:
        gate_up: [..., 2I].
    """
    half = PANEL // 2
    gates = [
        torch.nn.functional.pad(part, (0, padded(part.shape[-1]) - part.shape[-1]))
        for part in gate_up.chunk(2, dim=-1)
    ]
    split = [part.reshape(*part.shape[:-1], -1, half) for part in gates]
    return torch.stack(split, dim=-2).flatten(-3)


def _pack_panels(kind: str, panels: torch.Tensor, out: torch.Tensor) -> None:
    """Writes panels [P, inputs, 32] float32."""
    count, num_inputs = panels.shape[:2]
    if kind == "float32":
        out.view(torch.float32).view(panels.shape).copy_(panels)
    elif kind == "bfloat16":
        pairs = panels.reshape(count, num_inputs // 2, 2, PANEL).transpose(2, 3)
        out.view(torch.bfloat16).view(pairs.shape).copy_(pairs)
    elif kind == "int8":
        blocks = out.view(count, num_inputs // BLOCK, _BLOCK_BYTES[kind])
        scales, weights = quantise(panels.reshape(count, -1, BLOCK, PANEL))
        blocks[:, :, : 2 * PANEL] = scales.view(torch.uint8)
        blocks[:, :, 2 * PANEL :] = _in_fours(weights + 128).flatten(2)
    else:
        blocks = out.view(count, num_inputs // BLOCK, _BLOCK_BYTES[kind])
        scales, minima, numbers = quantise_int4(panels.reshape(count, -1, BLOCK, PANEL))
        blocks[:, :, : 2 * PANEL] = scales.view(torch.uint8)
        blocks[:, :, 2 * PANEL : 4 * PANEL] = minima.view(torch.uint8)
        low, high = _in_fours(numbers).chunk(2, dim=2)
        blocks[:, :, 4 * PANEL :] = (low | high << 4).flatten(2)


def _in_fours(numbers: torch.Tensor) -> torch.Tensor:
    """Returns numbers [P, blocks, 32, 32] as uint8 [P, blocks, 8, 32 outputs, 4 inputs]."""
    fours = numbers.view(*numbers.shape[:2], BLOCK // 4, 4, PANEL)
    return fours.transpose(3, 4).to(torch.uint8)


def quantise(blocks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns scales bfloat16 [..., N] and whole weights [..., 32, N] float32 in [-127, 127].

    A block's scale is its largest absolute value / 127, rounded up, so that no weight is clipped.

    Args:
        blocks: [..., 32, N] float32.
    """
    exact = blocks.abs().amax(-2) / 127
    bits = (exact.view(torch.int32) + 0xFFFF) >> 16
    scales = bits.to(torch.int16).view(torch.bfloat16)
    divisor = scales.float().unsqueeze(-2)
    weights = torch.round(torch.where(divisor > 0, blocks / divisor, 0.0))
    return scales, weights


def quantise_int4(
    blocks: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Returns scales and minima bfloat16 [..., N] and numbers float32 [..., 32, N], 0 to 15.

    A weight is its block's minimum + scale * number. From the smallest to the largest, because
    that loses less than symmetric numbers or a range that is searched for (docs/log.md).

    Args:
        blocks: [..., 32, N] float32.
    """
    lowest, highest = blocks.amin(-2), blocks.amax(-2)
    minima = lowest.bfloat16()
    scales = ((highest - minima.float()) / 15).bfloat16()
    divisor = scales.float().unsqueeze(-2)
    above = blocks - minima.float().unsqueeze(-2)
    numbers = torch.round(torch.where(divisor > 0, above / divisor, 0.0)).clamp(0, 15)
    return scales, minima, numbers


def dequantised(kind: str, matrix: torch.Tensor) -> torch.Tensor:
    """Returns matrix [inputs, outputs] as int8 or int4 hold it, in float32: the plain reference."""
    num_inputs, num_outputs = matrix.shape
    whole = torch.nn.functional.pad(matrix.float(), (0, 0, 0, padded(num_inputs) - num_inputs))
    blocks = whole.view(-1, BLOCK, num_outputs)
    if kind == "int8":
        scales, weights = quantise(blocks)
        found = weights * scales.float().unsqueeze(-2)
    else:
        scales, minima, numbers = quantise_int4(blocks)
        found = numbers * scales.float().unsqueeze(-2) + minima.float().unsqueeze(-2)
    return found.reshape(whole.shape)[:num_inputs]
