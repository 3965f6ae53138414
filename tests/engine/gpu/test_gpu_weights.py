"""Quantised weights: how far they are off, and that both ways to read them agree."""

from __future__ import annotations

import weakref

import pytest
import torch

from midfill_engine.exec.gpu_check import failure
from midfill_engine.kernels.gpu_plain import dense
from midfill_engine.model.checkpoint import MemoryCheckpoint
from midfill_engine.model.decoder import Decoder
from midfill_engine.model.gpu_weights import (
    DenseLayers,
    GpuKind,
    dense_weights,
    gpu_weight_bytes,
    load_gpu_weights,
    quantise,
)
from midfill_engine.model.kv_cache import KVCache
from midfill_engine.model.spec import ModelSpec
from midfill_engine.model.weights import DenseMlp, LayerWeights, load_weights
from tests.engine.gpu.models import gpu_model, tensors
from tests.engine.tiny import tiny_config

QUANTISED: tuple[GpuKind, ...] = ("int8", "fp8")


@pytest.mark.parametrize("kind", QUANTISED)
def test_errors_are_bounded(kind: GpuKind, device: torch.device) -> None:
    """int8: half a step of the row. float8_e4m3fn: a sixteenth, near zero half the least number."""
    weight = torch.randn(20, 300, generator=torch.Generator().manual_seed(1)).to(device)
    weight *= torch.logspace(-6, 6, 20, device=device)[:, None]
    weight[3] = 0
    matrix = quantise(weight, kind)
    assert matrix.scale is not None
    step = matrix.scale[:, None]
    bound = 0.5001 * step if kind == "int8" else weight.abs() / 15.99 + step * 2**-10
    assert ((dense(matrix, torch.float32) - weight).abs() <= bound).all()
    assert not dense(matrix, torch.float32)[3].any()
    largest = matrix.weight.float().abs().amax(1)
    full = torch.full_like(largest, 127.0 if kind == "int8" else 448.0)
    full[3] = 0
    assert torch.equal(largest, full)


@pytest.mark.parametrize("kind", ["plain", *QUANTISED])
def test_the_decoder_reads_the_same_weights(kind: GpuKind, device: torch.device) -> None:
    config = tiny_config("llama")
    spec, checkpoint = ModelSpec.from_config(config), MemoryCheckpoint(tensors("llama"))
    loaded = load_gpu_weights(spec, checkpoint, kind, torch.bfloat16, device)
    layers = dense_weights(loaded, torch.bfloat16).layers
    assert isinstance(layers, DenseLayers)
    assert len(layers) == spec.num_layers == len([*layers]) == len(layers[:])
    whole = load_weights(spec, checkpoint, torch.bfloat16, device)
    for layer, found, expected in zip(loaded.layers, layers, whole.layers, strict=True):
        assert isinstance(found.mlp, DenseMlp)
        assert isinstance(expected.mlp, DenseMlp)
        assert torch.equal(found.qkv, dense(layer.qkv, torch.bfloat16).t())
        assert torch.equal(found.mlp.down, dense(layer.down, torch.bfloat16).t())
        assert torch.equal(found.attention_norm, expected.attention_norm)
        if kind == "plain":
            assert torch.equal(found.qkv, expected.qkv)
            assert torch.equal(found.mlp.gate_up, expected.mlp.gate_up)


@pytest.mark.parametrize("kind", QUANTISED)
def test_both_ways_through_a_quantised_model_agree(kind: GpuKind, device: torch.device) -> None:
    """The common step against torch on weights made dense."""
    model = gpu_model("llama-gqa", device, weights=kind, dtype=torch.bfloat16)
    assert failure(model.forward, "") is None
    assert model.runner.describe()["dtype"] == kind


@pytest.mark.parametrize("num_logits", [0, 2])
def test_a_prompt_holds_one_dense_layer_at_a_time(
    monkeypatch: pytest.MonkeyPatch, device: torch.device, num_logits: int
) -> None:
    """Three were alive at once, a gigabyte of a 7B model more than was planned."""
    spec = ModelSpec.from_config(tiny_config("llama-gqa"))
    loaded = load_gpu_weights(
        spec, MemoryCheckpoint(tensors("llama-gqa")), "int8", torch.bfloat16, device
    )
    decoder = Decoder(spec, dense_weights(loaded, torch.bfloat16), torch.bfloat16, device, 32)
    alive: weakref.WeakSet[torch.Tensor] = weakref.WeakSet()
    most = 0
    make = DenseLayers.__getitem__

    def counted(layers: DenseLayers, index: int) -> LayerWeights:
        nonlocal most
        made = make(layers, index)
        alive.add(made.qkv)
        most = max(most, len(alive))
        return made

    monkeypatch.setattr(DenseLayers, "__getitem__", counted)
    cache = KVCache(spec, 1, 32, torch.bfloat16, device)
    decoder.forward(torch.arange(5, device=device), 0, cache, 0, num_logits)
    assert most == 1
    assert not alive


def test_bytes() -> None:
    """7B's shape: 13.5 GB in bfloat16, 7.0 in a byte each with embedding and head in bfloat16."""
    spec = ModelSpec.from_config(
        {
            "architectures": ["LlamaForCausalLM"],
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "vocab_size": 32016,
        }
    )
    assert gpu_weight_bytes(spec, "plain", torch.bfloat16) == pytest.approx(13.48e9, rel=1e-3)
    assert gpu_weight_bytes(spec, "fp8", torch.bfloat16) == pytest.approx(7.0e9, rel=1e-2)
