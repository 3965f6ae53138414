"""Random models for the native kernels, and both decoders on the same weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from midfill_engine.kernels.library import SPAN, Library
from midfill_engine.model.kv_cache import KVCache
from midfill_engine.model.native import open_library
from midfill_engine.model.native_cache import NativeCache
from midfill_engine.model.spec import ModelSpec
from midfill_engine.model.weights import DenseMlp, LayerWeights, ModelWeights

SHAPES: Mapping[str, Mapping[str, object]] = {
    "grouped": {},
    "wide-group": {"num_attention_heads": 6, "num_key_value_heads": 1, "head_dim": 64},
    "many-queries": {"num_attention_heads": 36, "num_key_value_heads": 1, "head_dim": 8},
    "odd-sizes": {"hidden_size": 52, "intermediate_size": 90, "head_dim": 20, "vocab_size": 333},
    "biased": {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True},
    "window": {
        "architectures": ["MistralForCausalLM"],
        "sliding_window": 9,
        "head_dim": 96,
        "num_key_value_heads": 4,
    },
    "deep": {"hidden_size": 320, "intermediate_size": 1408, "num_hidden_layers": 2},
}
_BASE: Mapping[str, object] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 96,
    "intermediate_size": 160,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "vocab_size": 200,
    "max_position_embeddings": 700,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
}


@dataclass(frozen=True, slots=True)
class RandomModel:
    """A spec and weights of it."""

    spec: ModelSpec
    weights: ModelWeights

    def cache(
        self, num_slots: int = 3, max_len: int = 700, dtype: torch.dtype = torch.float32
    ) -> KVCache:
        cache = KVCache(self.spec, num_slots, max_len, dtype, torch.device("cpu"))
        cache.keys.fill_(7.0)  # readable garbage: what is read by mistake changes the result
        cache.values.fill_(-7.0)
        return cache

    def int8_cache(self, num_slots: int = 3, max_len: int = 700) -> NativeCache:
        """Returns a cache of int8, of readable garbage too."""
        cache = NativeCache(self.spec, num_slots, max_len, "int8")
        for array, garbage in zip((cache.keys, cache.values), INT8_GARBAGE, strict=False):
            array.fill(128 + garbage)
        for array, garbage in zip(cache.scales, INT8_GARBAGE[2:], strict=True):
            array.fill(garbage)
        return cache


INT8_GARBAGE = (77, -77, 7, -7)
"""Of an int8 cache's keys, values, and the scales of both."""


def int8_parts(cache: NativeCache) -> tuple[npt.NDArray[np.float32], ...]:
    """Returns its keys and values, [L, num_slots, K, positions, D], and the scales of both.

    Positions and D are padded, and the numbers are as they are meant, without their scales.
    """
    keys = cache.keys.swapaxes(-3, -2)  # [..., SPAN, D / 4, 4]
    values = cache.values.swapaxes(-2, -1)  # [..., SPAN / 4, 4, D]
    num_spans = cache.keys.shape[3]
    head = (*cache.keys.shape[:3], num_spans * SPAN)
    return (
        keys.reshape(*head, -1).astype(np.float32) - 128,
        values.reshape(*head, -1).astype(np.float32) - 128,
        *(scales.reshape(head).astype(np.float32) for scales in cache.scales),
    )


def random_model(name: str, seed: int = 0) -> RandomModel:
    """Returns a model of one of SHAPES."""
    return random_model_of(SHAPES[name], seed)


def random_model_of(shape: Mapping[str, object], seed: int = 0) -> RandomModel:
    """Returns a model whose config.json differs from the base by `shape`."""
    spec = ModelSpec.from_config({**_BASE, **shape})
    generator = torch.Generator().manual_seed(seed)
    heads, kv_heads = spec.num_heads * spec.head_dim, spec.num_kv_heads * spec.head_dim
    hidden, inner = spec.hidden_size, spec.intermediate_size

    def matrix(rows: int, columns: int) -> torch.Tensor:
        values = torch.randn(rows, columns, generator=generator)
        return values.mul_(1.2 / rows**0.5)

    def vector(count: int) -> torch.Tensor:
        return 1 + 0.2 * torch.randn(count, generator=generator)

    def bias(there: bool, count: int) -> torch.Tensor | None:
        return 0.3 * torch.randn(count, generator=generator) if there else None

    layers = tuple(
        LayerWeights(
            attention_norm=vector(hidden),
            qkv=matrix(hidden, heads + 2 * kv_heads),
            qkv_bias=bias(spec.qkv_bias, heads + 2 * kv_heads),
            out=matrix(heads, hidden),
            out_bias=bias(spec.out_bias, hidden),
            mlp_norm=vector(hidden),
            mlp=DenseMlp(
                gate_up=matrix(hidden, 2 * inner),
                gate_up_bias=bias(spec.mlp_bias, 2 * inner),
                down=matrix(inner, hidden),
                down_bias=bias(spec.mlp_bias, hidden),
            ),
        )
        for _ in range(spec.num_layers)
    )
    head = matrix(hidden, spec.vocab_size) * 3
    embedding = head.t() if spec.tied_embeddings else matrix(hidden, spec.vocab_size).t() * 6
    return RandomModel(spec, ModelWeights(embedding, layers, vector(hidden), head))


def library_or_skip() -> Library:
    """Returns the library; a machine without a compiler skips."""
    found = open_library()
    if isinstance(found, str):
        pytest.skip(f"no native kernels here: {found}")
    return found


def random_ids(spec: ModelSpec, length: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, spec.vocab_size, (length,), generator=generator)


def mapped(weights: ModelWeights, change: Callable[[torch.Tensor], torch.Tensor]) -> ModelWeights:
    """Returns the weights with every matrix changed."""

    def layer(each: LayerWeights) -> LayerWeights:
        assert isinstance(each.mlp, DenseMlp)
        mlp = replace(each.mlp, gate_up=change(each.mlp.gate_up), down=change(each.mlp.down))
        return replace(each, qkv=change(each.qkv), out=change(each.out), mlp=mlp)

    return replace(
        weights,
        embedding=change(weights.embedding.t()).t(),
        layers=tuple(layer(each) for each in weights.layers),
        head=change(weights.head),
    )
