"""A number that is none, in the weights or in one row, is told and not rounded away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import pytest
import torch
from bench.torch_native import TorchNative

from midfill_engine.kernels.library import Library
from midfill_engine.model.kv_cache import KVCache
from midfill_engine.model.native_cache import NativeCache
from midfill_engine.model.native_rows import Rows
from midfill_engine.model.weights import DenseMlp, LayerWeights
from tests.engine.native_models import RandomModel, library_or_skip, random_model

Kind = Literal["float32", "bfloat16", "int8", "int6", "int4"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@pytest.fixture(scope="module")
def library() -> Library:
    return library_or_skip()


def broken(value: torch.Tensor, number: float) -> torch.Tensor:
    changed = value.clone()
    changed.view(-1)[7] = number
    return changed


def with_layer(model: RandomModel, layer: LayerWeights) -> RandomModel:
    """Returns the model with another second layer."""
    first, _, *others = model.weights.layers
    return RandomModel(model.spec, replace(model.weights, layers=(first, layer, *others)))


def with_broken(model: RandomModel, part: str, number: float) -> RandomModel:
    """Returns the model with one number of its second layer changed."""
    layer = model.weights.layers[1]
    mlp = layer.mlp
    assert isinstance(mlp, DenseMlp)
    if hasattr(mlp, part):
        weights: dict[str, Any] = {part: broken(getattr(mlp, part), number)}
        return with_layer(model, replace(layer, mlp=replace(mlp, **weights)))
    weights = {part: broken(getattr(layer, part), number)}
    return with_layer(model, replace(layer, **weights))


def decoder(
    model: RandomModel, library: Library, kind: Kind, name: str
) -> tuple[TorchNative, KVCache | NativeCache]:
    """Returns a decoder and a cache as the engine would pair them."""
    whole = kind.startswith("int")
    native = TorchNative(
        model.spec,
        model.weights,
        library,
        kind=kind,
        cache_dtype=torch.int8 if whole else getattr(torch, kind),
        num_threads=1,
        instruction_set=name,
        max_len=64,
    )
    cache = model.int8_cache(2, 64) if whole else model.cache(2, 64, native.dtype)
    return native, cache


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["attention_norm", "qkv", "out", "mlp_norm", "gate_up", "down"])
def test_broken_weights_are_told(library: Library, part: str, number: float) -> None:
    model = with_broken(random_model("grouped"), part, number)
    for name in library.instruction_sets():
        for kind in KINDS:
            native, cache = decoder(model, library, kind, name)
            step = native.step(
                Rows([1, 2, 3, 4, 5], range(5), [0] * 5, [3, 4]), cache, keep_logits=True
            )
            native.close()
            assert np.isnan(step.logprobs).all(), (name, kind)


def test_a_row_of_no_numbers_leaves_other_sequences_alone(library: Library) -> None:
    model = random_model("grouped")
    embedding = model.weights.embedding.clone()
    embedding[5] = float("nan")
    model = RandomModel(model.spec, replace(model.weights, embedding=embedding))
    for name in library.instruction_sets():
        for kind in KINDS:
            native, cache = decoder(model, library, kind, name)
            alone = native.step(Rows([1, 2], range(2), [1] * 2, [1]), cache, keep_logits=True)
            both = native.step(
                Rows([5, 6, 1, 2], [0, 1, 0, 1], [0, 0, 1, 1], [1, 3]), cache, keep_logits=True
            )
            again = native.step(Rows([3, 4], range(2), [0] * 2, [1]), cache, keep_logits=True)
            native.close()
            assert np.isnan(both.logprobs[0]), (name, kind)
            assert both.logits is not None
            assert alone.logits is not None
            assert np.array_equal(both.logits[1], alone.logits[0]), (name, kind)
            assert np.isfinite(again.logprobs).all(), (name, kind)  # in the slot that was broken
