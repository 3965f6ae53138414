"""The native decoder as the torch decoder is called, on its weights and caches: to compare them.

Memory is shared, not copied. Called by bench/kernels.py and by tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch

from midfill_engine.kernels.library import Library
from midfill_engine.model.arrays import LayerArrays, StreamedArrays
from midfill_engine.model.checkpoint import Stored
from midfill_engine.model.kv_cache import KVCache
from midfill_engine.model.native import NativeDecoder
from midfill_engine.model.native_cache import CacheKind, NativeCache
from midfill_engine.model.native_rows import Outcome, Rows
from midfill_engine.model.native_weights import WeightKind
from midfill_engine.model.spec import ModelSpec
from midfill_engine.model.weights import DenseMlp, LayerWeights, ModelWeights


class TorchNative:
    """`model.decoder.Decoder`'s interface over a `NativeDecoder`."""

    device = torch.device("cpu")

    def __init__(
        self,
        spec: ModelSpec,
        weights: ModelWeights,
        library: Library,
        *,
        kind: WeightKind = "float32",
        cache_dtype: torch.dtype = torch.float32,
        max_len: int | None = None,
        num_threads: int = 1,
        instruction_set: str | None = None,
    ) -> None:
        """As `NativeDecoder`."""
        self.spec = spec
        self.dtype = cache_dtype
        self.native = NativeDecoder(
            spec,
            arrays_of(weights),
            library,
            kind=kind,
            cache_kind=_kind_of(cache_dtype),
            max_len=max_len,
            num_threads=num_threads,
            instruction_set=instruction_set,
        )

    def close(self) -> None:
        """Ends the threads."""
        self.native.close()

    def forward(
        self,
        token_ids: torch.Tensor,
        start: int,
        cache: KVCache | NativeCache,
        slot: int,
        num_logits: int,
    ) -> torch.Tensor:
        """Returns the logits of the last `num_logits` positions, as `Decoder.forward`."""
        num_tokens = token_ids.shape[0]
        rows = Rows(
            cast("list[int]", cast("Any", token_ids).tolist()),
            range(start, start + num_tokens),
            (slot,) * num_tokens,
            range(num_tokens - num_logits, num_tokens),
        )
        return self.step_rows(rows, cache)

    def step_rows(self, rows: Rows, cache: KVCache | NativeCache) -> torch.Tensor:
        """Runs the rows; returns the logits of rows.logit_rows, [len(logit_rows), V] float32."""
        logits = self.step(rows, cache, keep_logits=True).logits
        assert logits is not None, "they were asked for"
        return torch.as_tensor(logits)

    def step(self, rows: Rows, cache: KVCache | NativeCache, *, keep_logits: bool) -> Outcome:
        """As `NativeDecoder.step`."""
        kept = cache if isinstance(cache, NativeCache) else shared(cache)
        return self.native.step(rows, kept, keep_logits=keep_logits)


def shared(cache: KVCache) -> NativeCache:
    """Returns the native view of a cache on the CPU."""
    kind = _kind_of(cache.keys.dtype)
    held = torch.uint16 if kind == "bfloat16" else torch.float32
    return NativeCache.over(cache.keys.view(held).numpy(), cache.values.view(held).numpy(), kind)


def _kind_of(dtype: torch.dtype) -> CacheKind:
    # Others are refused by the decoder, by this name.
    return cast("CacheKind", str(dtype).removeprefix("torch."))


def arrays_of(weights: ModelWeights) -> StreamedArrays:
    """Returns float32 weights of the torch decoder, on the CPU, as the native one takes them."""
    return StreamedArrays(
        embedding=_rows(weights.embedding.t()),
        layers=_layers(weights),
        final_norm=_array(weights.final_norm),
        head=_rows(weights.head),
    )


def _layers(weights: ModelWeights) -> Iterator[LayerArrays]:
    for layer in weights.layers:
        yield _layer(layer)


def _layer(weights: LayerWeights) -> LayerArrays:
    mlp = weights.mlp
    assert isinstance(mlp, DenseMlp), "experts are not supported"
    gate, up = mlp.gate_up.chunk(2, dim=1)
    biases = (None, None) if mlp.gate_up_bias is None else mlp.gate_up_bias.chunk(2)
    return LayerArrays(
        attention_norm=_array(weights.attention_norm),
        qkv=_rows(weights.qkv),
        qkv_bias=_maybe(weights.qkv_bias),
        out=_rows(weights.out),
        out_bias=_maybe(weights.out_bias),
        mlp_norm=_array(weights.mlp_norm),
        gate=_rows(gate),
        gate_bias=_maybe(biases[0]),
        up=_rows(up),
        up_bias=_maybe(biases[1]),
        down=_rows(mlp.down),
        down_bias=_maybe(mlp.down_bias),
    )


def _rows(matrix: torch.Tensor) -> Stored:
    """Returns a matrix [inputs, outputs] as [outputs, inputs]."""
    return _array(matrix.t())


def _maybe(bias: torch.Tensor | None) -> Stored | None:
    return None if bias is None else _array(bias)


def _array(tensor: torch.Tensor) -> Stored:
    return cast("Stored", tensor.numpy())
