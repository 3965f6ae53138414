"""Tiny models on the GPU engine's parts, and their twins in plain torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch

from midfill_engine.exec.gpu_choice import Parts, assemble, plain_parts
from midfill_engine.exec.gpu_forward import GpuForward
from midfill_engine.exec.graphs import Capture
from midfill_engine.exec.memory import MemoryPlan
from midfill_engine.exec.runner import Runner
from midfill_engine.model.attention import Attention
from midfill_engine.model.checkpoint import MemoryCheckpoint
from midfill_engine.model.gpu_weights import GpuKind, load_gpu_weights
from midfill_engine.model.kv_cache import KVCache
from midfill_engine.model.spec import ModelSpec
from tests.engine.tiny import tiny_config, tiny_reference

MAX_LEN = 96
NUM_SLOTS = 20


@dataclass(frozen=True, slots=True)
class GpuModel:
    """A runner and what it is made of."""

    runner: Runner
    forward: GpuForward
    cache: KVCache


@cache
def tensors(kind: str) -> Mapping[str, torch.Tensor]:
    """A model's weights by their names on the Hub."""
    found = dict(tiny_reference(kind).state_dict())
    if tiny_config(kind).get("tie_word_embeddings"):
        del found["lm_head.weight"]
    return found


def gpu_model(
    kind: str,
    device: torch.device,
    *,
    parts: Parts | None = None,
    capture: Capture | None = None,
    weights: GpuKind = "plain",
    dtype: torch.dtype = torch.float32,
) -> GpuModel:
    """A tiny model of `kind` as the GPU engine runs it; without `parts` in plain torch."""
    spec = ModelSpec.from_config(tiny_config(kind))
    loaded = load_gpu_weights(spec, MemoryCheckpoint(tensors(kind)), weights, dtype, device)
    cache = KVCache(spec, NUM_SLOTS, MAX_LEN, dtype, device)
    cache.keys.fill_(7.0)  # readable garbage: what is read by mistake changes the result
    cache.values.fill_(-7.0)
    forward = assemble(
        spec, loaded, parts or plain_parts(), cache, capture, kind=weights, dtype=dtype
    )
    plan = MemoryPlan(process=0, weights=0, slot=0, num_slots=NUM_SLOTS, reserve=0)
    return GpuModel(Runner(spec, forward, cache, str(device), plan), forward, cache)


def triton_parts(kind: str, device: torch.device) -> Parts:
    """Our kernels, in large tiles: the interpreter takes its time by the program."""
    from midfill_engine.kernels.triton_attend import Splitting, TritonAttention
    from midfill_engine.kernels.triton_step import Tiling, TritonOperations
    from midfill_engine.model.gpu_decoder import MAX_ROWS

    spec = ModelSpec.from_config(tiny_config(kind))
    attention = TritonAttention(
        max_rows=MAX_ROWS,
        num_heads=spec.num_heads,
        num_kv_heads=spec.num_kv_heads,
        head_dim=spec.head_dim,
        max_len=MAX_LEN,
        device=device,
        num_processors=4,
        splitting=Splitting(split=32, block=32, programs_per_processor=1),
    )
    operations = TritonOperations(device, Tiling(128, 128, 4, 2))
    return Parts(operations, attention, Attention, "sdpa")


def reference_runner(kind: str) -> Runner:
    """The same model through `Decoder`, one sequence after another."""
    return Runner.from_parts(
        tiny_config(kind), tensors(kind), kernels="torch", max_total_tokens=MAX_LEN
    )
