"""Matrices in the layouts of cpu/abi.h: panels of outputs, one after the other in memory.

    float32   [panel][input][32 outputs]
    bfloat16  [panel][input / 2][32 outputs][2 inputs]
    int8      [panel][input / 32] blocks of 32 bfloat16 scales, [8][32 outputs][4 inputs] + 128

Inputs and outputs are padded with zeros to whole blocks and panels. Called by `model.native`.
"""

from __future__ import annotations

import torch

from midfill_engine.kernels.library import BLOCK, PANEL

_BLOCK_BYTES = 2 * PANEL + BLOCK * PANEL
_PANELS_AT_ONCE = 64  # bounds what packing needs besides the matrices


def padded(count: int) -> int:
    """Returns `count` rounded up to whole blocks, which are as long as panels."""
    return (count + BLOCK - 1) // BLOCK * BLOCK


def packed_bytes(kind: str, num_inputs: int, num_outputs: int) -> int:
    """Returns the bytes of a packed matrix; a multiple of 64."""
    inputs, panels = padded(num_inputs), padded(num_outputs) // PANEL
    if kind == "int8":
        return panels * (inputs // BLOCK) * _BLOCK_BYTES
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
    else:
        blocks = out.view(count, num_inputs // BLOCK, _BLOCK_BYTES)
        scales, weights = quantise(panels.reshape(count, -1, BLOCK, PANEL))
        blocks[:, :, : 2 * PANEL] = scales.view(torch.uint8)
        fours = weights.view(count, -1, BLOCK // 4, 4, PANEL).transpose(3, 4)
        blocks[:, :, 2 * PANEL :] = (fours + 128).to(torch.uint8).reshape(count, -1, BLOCK * PANEL)


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
