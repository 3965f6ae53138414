"""The whole model in plain torch, its matrices as the native kernels keep them: for comparison."""

from __future__ import annotations

import torch

from midfill_engine.kernels import reference
from midfill_engine.kernels.library import BLOCKS
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

    Keys and values are rounded as a cache of `cache_kind` would.
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

    def kept(vectors: torch.Tensor) -> torch.Tensor:
        if cache_kind == "int8":
            vectors = reference.quantised_rows(vectors.flatten(1), dim).view_as(vectors)
        elif cache_kind == "bfloat16":
            vectors = vectors.bfloat16().float()
        return vectors.transpose(0, 1)

    cached = kept(turned(keys)), kept(values)
    return reference.attention(turned(query), *cached, 0, window, dim**-0.5).flatten(1)


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
