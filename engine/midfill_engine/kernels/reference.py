"""The model's arithmetic in plain torch, written for reading: what every fast path is held to.

Float32 inside whatever the inputs are. Called by tests; the fast paths are in `model.attention`
and `model.decoder`.
"""

from __future__ import annotations

import torch

from midfill_engine.kernels.library import BLOCKS
from midfill_engine.kernels.packing import (
    from_bfloat16,
    padded,
    quantise,
    quantise_int4,
    quantise_int6,
)


def rms_norm(hidden: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """Returns hidden [T, C] over its root mean square, times weight [C] (arXiv:1910.07467)."""
    wide = hidden.float()
    scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
    return (wide * scale).to(hidden.dtype) * weight


def rotate(vectors: torch.Tensor, rotations: torch.Tensor) -> torch.Tensor:
    """Returns vectors [T, H, D] turned by rotations [T, D/2] complex64; dimension i pairs i + D/2.

    This is the half-split order of the Hugging Face checkpoints; the decoder stores queries and
    keys interleaved instead (2i pairs 2i + 1), which leaves every product of the two unchanged.
    """
    first, second = vectors.float().chunk(2, dim=-1)
    cos, sin = rotations.real[:, None], rotations.imag[:, None]
    turned = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
    return turned.to(vectors.dtype)


def swiglu(gate_up: torch.Tensor) -> torch.Tensor:
    """Returns silu(gate) * up of gate_up [T, 2I], [T, I] (arXiv:2002.05202)."""
    gate, up = gate_up.chunk(2, dim=-1)
    return gate * torch.sigmoid(gate) * up


def attention(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    start: int,
    window: int | None,
    scale: float,
) -> torch.Tensor:
    """Returns softmax(query keys^T * scale) values under the causal mask, [T, H, D].

    Args:
        query: [T, H, D], the queries at positions [start, start + T).
        keys: [K, S, D] with S >= start + T; query head h reads head h // (H / K).
        values: as `keys`.
        start: position of the first query.
        window: how many positions a query reads, itself included; None reads all.
        scale: factor on the scores.
    """
    num_tokens, num_heads, _ = query.shape
    group = num_heads // keys.shape[0]
    end = start + num_tokens
    wide_keys = keys[:, :end].float().repeat_interleave(group, dim=0)
    wide_values = values[:, :end].float().repeat_interleave(group, dim=0)
    scores = torch.einsum("thd,hsd->hts", query.float(), wide_keys) * scale
    query_pos = torch.arange(start, end, device=query.device)[:, None]
    key_pos = torch.arange(end, device=query.device)[None]
    hidden = key_pos > query_pos
    if window is not None:
        hidden |= key_pos <= query_pos - window
    weights = scores.masked_fill(hidden, float("-inf")).softmax(-1)
    return torch.einsum("hts,hsd->thd", weights, wide_values).to(query.dtype)


def quantised_rows(rows: torch.Tensor, block: int) -> torch.Tensor:
    """Returns rows [T, C] as int8 activations hold them: whole numbers times largest / 127.

    One scale per `block` neighbours; a number halfway between two is rounded to the even one.
    """
    parts = torch.nn.functional.pad(rows, (0, -rows.shape[1] % block))
    parts = parts.view(rows.shape[0], -1, block)
    largest = parts.abs().amax(-1, keepdim=True)
    inverse = torch.where(largest > 0, 127 / largest, 0.0)
    numbers = torch.round(parts * inverse)
    return (numbers * (largest / 127)).view(rows.shape[0], -1)[:, : rows.shape[1]]


def dequantised(kind: str, matrix: torch.Tensor) -> torch.Tensor:
    """Returns matrix [inputs, outputs] as int8, int6 or int4 hold it, in float32."""
    num_inputs, num_outputs = matrix.shape
    whole = torch.zeros(num_outputs, padded(num_inputs))
    whole[:, :num_inputs] = matrix.t()
    blocks = whole.view(num_outputs, -1, BLOCKS[kind]).numpy()
    if kind == "int8":
        scales, weights = quantise(blocks)
        found = weights * from_bfloat16(scales)[..., None]
    elif kind == "int6":
        scales, weights = quantise_int6(blocks)
        found = weights * from_bfloat16(scales)[..., None]
    else:
        scales, minima, numbers = quantise_int4(blocks)
        found = numbers * from_bfloat16(scales)[..., None] + from_bfloat16(minima)[..., None]
    return torch.as_tensor(found).view(whole.shape)[:, :num_inputs].t()
