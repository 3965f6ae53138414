"""Models with random weights for `bench/gpu.py`: exact shapes, made where they are used.

Called by `bench.gpu_parts`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from midfill_engine.exec.gpu_choice import assemble, build_gpu_forward, plain_parts
from midfill_engine.exec.gpu_device import Device
from midfill_engine.exec.gpu_forward import GpuForward
from midfill_engine.exec.memory import MemoryPlan
from midfill_engine.exec.runner import Runner
from midfill_engine.model.checkpoint import TensorReader
from midfill_engine.model.gpu_weights import GpuKind, gpu_weight_bytes, load_gpu_weights
from midfill_engine.model.kv_cache import KVCache
from midfill_engine.model.shapes import expected_shapes, slot_bytes
from midfill_engine.model.spec import ModelSpec


def _llama(
    hidden: int, inner: int, layers: int, heads: int, vocab: int, longest: int
) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "vocab_size": vocab,
        "max_position_embeddings": longest,
        "rms_norm_eps": 1e-5,
        "rope_theta": 1e6,
        "tie_word_embeddings": False,
    }


SHAPES: Mapping[str, Mapping[str, Any]] = {
    "7b": _llama(4096, 11008, 32, 32, 32016, 16384),
    "13b": _llama(5120, 13824, 40, 40, 32016, 16384),
    "1b": _llama(2048, 5504, 24, 16, 32256, 16384),
    "small": _llama(256, 704, 3, 4, 1000, 512),
    "tiny": _llama(64, 96, 2, 4, 300, 512),
}
"""Code Llama 7B's and 13B's, DeepSeek Coder 1.3B's, and two for tests: a step of the first one can
be one launch."""


@dataclass(frozen=True, slots=True)
class RandomCheckpoint:
    """Tensors of a shape, each made when it is read, the same ones every time."""

    spec: ModelSpec
    device: torch.device
    dtype: torch.dtype
    origin: str = "random"

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of every tensor."""
        return expected_shapes(self.spec)

    @contextmanager
    def reader(self) -> Generator[TensorReader]:
        """Opens the checkpoint."""
        shapes = expected_shapes(self.spec)
        seeds = {name: idx for idx, name in enumerate(shapes)}

        def read(name: str) -> torch.Tensor:
            shape = shapes[name]
            if len(shape) == 1:
                return torch.ones(shape, dtype=self.dtype, device=self.device)
            made = torch.empty(shape, dtype=self.dtype, device=self.device)
            if self.device.type == "meta":  # only its shape is wanted
                return made
            generator = torch.Generator(self.device).manual_seed(seeds[name])
            return made.normal_(0, shape[1] ** -0.5, generator=generator)

        yield read


@dataclass(frozen=True, slots=True)
class Bench:
    """A model ready to be timed; its cache is full of noise."""

    spec: ModelSpec
    runner: Runner
    forward: GpuForward | None
    cache: KVCache
    device: torch.device
    kind: GpuKind
    dtype: torch.dtype

    def step_bytes(self, context: int) -> int:
        """Returns what one token must read: the weights without the embedding, keys and values."""
        embedding = self.spec.vocab_size * self.spec.hidden_size * self.dtype.itemsize
        weights = gpu_weight_bytes(self.spec, self.kind, self.dtype) - embedding
        return weights + slot_bytes(self.spec, context, self.dtype.itemsize)


def build(
    shape: str,
    kind: GpuKind,
    device: torch.device,
    *,
    num_slots: int,
    max_len: int,
    attention: str = "auto",
) -> Bench:
    """Returns a model of random weights; on the CPU in plain torch, whose speed means nothing.

    `attention` is a key of `gpu_choice.ATTENTIONS`: with `whole` a step is one launch.
    """
    spec = ModelSpec.from_config(SHAPES[shape])
    dtype = torch.bfloat16
    max_len = min(max_len, spec.max_position_embeddings)
    cache = KVCache(spec, num_slots, max_len, dtype, device)
    cache.keys.normal_()
    cache.values.normal_()
    checkpoint = RandomCheckpoint(spec, device, dtype)
    if device.type == "cuda":
        forward = build_gpu_forward(
            spec,
            checkpoint,
            cache,
            Device.of(device),
            kind=kind,
            dtype=dtype,
            kernels="native",
            attention=attention,
        )
    else:
        weights = load_gpu_weights(spec, checkpoint, kind, dtype, device)
        forward = assemble(spec, weights, plain_parts(), cache, kind=kind, dtype=dtype)
    plan = MemoryPlan(
        process=0,
        weights=gpu_weight_bytes(spec, kind, dtype),
        slot=slot_bytes(spec, max_len, dtype.itemsize),
        num_slots=num_slots,
        reserve=0,
    )
    runner = Runner(spec, forward, cache, str(device), plan)
    ours = forward if isinstance(forward, GpuForward) else None
    return Bench(spec, runner, ours, cache, device, kind, dtype)
