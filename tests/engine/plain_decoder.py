"""The whole model in plain torch, its matrices as the native kernels keep them: for comparison."""

from __future__ import annotations

import torch

from midfill_engine.kernels import reference
from midfill_engine.kernels.library import BLOCKS, SPAN
from midfill_engine.model.native_cache import CacheKind
from midfill_engine.model.native_weights import WeightKind, head_kind
from midfill_engine.model.rope import rotation_table
from midfill_engine.model.spec import ModelSpec
from midfill_engine.model.weights import DenseMlp, LayerWeights
from tests.engine.native_models import RandomModel


def plain_logits(
    model: RandomModel, ids: torch.Tensor, kind: WeightKind, cache_kind: CacheKind = "float32"
) -> torch.Tensor:
    """Returns the logits of every position of a sequence, [T, V] float32, without any cache.

    Keys and values are rounded as a cache of `cache_kind` would, and what is multiplied with them.
    """
    spec, weights, head = model.spec, model.weights, head_kind(kind)
    hidden = _kept(head, weights.embedding.t()).t()[ids]
    for layer, window in zip(weights.layers, spec.windows, strict=True):
        normed = reference.rms_norm(hidden, layer.attention_norm, spec.rms_norm_eps)
        qkv = _product(normed, kind, layer.qkv, layer.qkv_bias)
        hidden = hidden + _product(
            _attended(spec, qkv, window, cache_kind), kind, layer.out, layer.out_bias
        )
        hidden = hidden + _fed_forward(spec, layer, hidden, kind)
    normed = reference.rms_norm(hidden, weights.final_norm, spec.rms_norm_eps)
    return _product(normed, head, weights.head, None)


def _attended(
    spec: ModelSpec, qkv: torch.Tensor, window: int | None, cache_kind: CacheKind
) -> torch.Tensor:
    """Returns what the heads read, [T, H * D], of queries, keys and values side by side."""
    num_tokens, dim = qkv.shape[0], spec.head_dim
    heads, first_value = qkv.view(num_tokens, -1, dim), spec.num_heads + spec.num_kv_heads
    query, keys = heads[:, : spec.num_heads], heads[:, spec.num_heads : first_value]
    values = heads[:, first_value:]
    rotations = torch.as_tensor(rotation_table(spec.rope, dim, num_tokens))[:, None]

    def turned(vectors: torch.Tensor) -> torch.Tensor:
        pairs = vectors.reshape(*vectors.shape[:2], dim // 2, 2)
        return torch.view_as_real(torch.view_as_complex(pairs) * rotations).flatten(2)

    query, keys = turned(query), turned(keys)
    if cache_kind == "int8":
        return _attended_whole(query, keys, values, window).flatten(1)
    cached = [
        (part.bfloat16().float() if cache_kind == "bfloat16" else part).transpose(0, 1)
        for part in (keys, values)
    ]
    return reference.attention(query, cached[0], cached[1], 0, window, dim**-0.5).flatten(1)


def _attended_whole(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, window: int | None
) -> torch.Tensor:
    """Returns what the heads read of a cache of int8, [T, H, D]: cpu/attention_whole.h, plainly.

    A head's query, key or value is whole numbers of one scale. A weight times its value's scale is
    rounded to 1 / (127 * 254) of the largest of its span.
    """
    num_tokens, num_heads, dim = query.shape
    group = num_heads // keys.shape[1]
    (query, units), (keys, key_units), (values, value_units) = map(_whole, (query, keys, values))
    keys, key_units, values, value_units = (
        part.repeat_interleave(group, 1).transpose(0, 1)
        for part in (keys, key_units, values, value_units)
    )
    scores = query.transpose(0, 1) @ keys.mT * (units.transpose(0, 1) * key_units.mT) * dim**-0.5
    back = torch.arange(num_tokens)[:, None] - torch.arange(num_tokens)
    seen = (back >= 0) & (back < (window or num_tokens))
    weights = scores.where(seen, -torch.inf).softmax(-1)
    behind = torch.zeros(num_heads, num_tokens, -num_tokens % SPAN)
    spans = torch.cat((weights * value_units.mT, behind), -1).view(num_heads, num_tokens, -1, SPAN)
    largest = spans.amax(-1, keepdim=True).clamp(min=torch.finfo().tiny)
    exact = spans / largest * 127
    high = exact.round()
    rounded = (high + ((exact - high) * 254).round() / 254) * largest / 127
    return (rounded.flatten(-2)[..., :num_tokens] @ values).transpose(0, 1)


def _whole(vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns whole numbers up to 127 and what one of them stands for, [..., 1]."""
    largest = vectors.abs().amax(-1, keepdim=True)
    inverse = torch.where(largest > 0, 127 / largest, 0)
    return (vectors * inverse).round(), largest / 127


def _fed_forward(
    spec: ModelSpec, layer: LayerWeights, hidden: torch.Tensor, kind: WeightKind
) -> torch.Tensor:
    mlp = layer.mlp
    assert isinstance(mlp, DenseMlp)
    normed = reference.rms_norm(hidden, layer.mlp_norm, spec.rms_norm_eps)
    gated = reference.swiglu(_product(normed, kind, mlp.gate_up, mlp.gate_up_bias))
    return _product(gated, kind, mlp.down, mlp.down_bias)


def _product(
    rows: torch.Tensor, kind: WeightKind, matrix: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    if kind in BLOCKS:
        rows = reference.quantised_rows(rows, BLOCKS[kind])
    found = rows @ _kept(kind, matrix)
    return found if bias is None else found + bias


def _kept(kind: WeightKind, matrix: torch.Tensor) -> torch.Tensor:
    """Returns a matrix [inputs, outputs] as it is kept, in float32."""
    if kind == "float32":
        return matrix
    return matrix.bfloat16().float() if kind == "bfloat16" else reference.dequantised(kind, matrix)
