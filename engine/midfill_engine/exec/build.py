"""From what was asked for to a model that runs: device, dtype, kernels, memory, weights.

Called by the runners.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from midfill_engine.errors import ModelError
from midfill_engine.exec.forward import Forward
from midfill_engine.exec.gpu_choice import build_gpu_forward, gpu_needs
from midfill_engine.exec.gpu_device import FP8, Device, check_without_gpu, find_gpu
from midfill_engine.exec.kernel_choice import build_forward, choose, why_of
from midfill_engine.exec.memory import (
    DEFAULT_CACHE_BYTES,
    WHOLE,
    MemoryNeeds,
    MemoryPart,
    MemoryPlan,
    available_bytes,
    plan_memory,
    process_bytes,
)
from midfill_engine.exec.memory_errors import is_out_of_memory
from midfill_engine.exec.placement import choose_device, choose_dtype
from midfill_engine.model.checkpoint import Checkpoint
from midfill_engine.model.gpu_weights import GpuKind
from midfill_engine.model.kv_cache import KVCache, slot_bytes
from midfill_engine.model.native_weights import weight_bytes
from midfill_engine.model.shapes import num_parameters
from midfill_engine.model.spec import ModelSpec

DEFAULT_MAX_TOTAL_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a model is to be run with; `Runner.load` documents each."""

    device: str = "auto"
    dtype: str = "auto"
    kernels: str = "auto"
    attention: str = "auto"
    max_total_tokens: int | None = None
    cache_bytes: int | None = None
    max_memory: int | None = None
    part: MemoryPart = WHOLE


@dataclass(frozen=True, slots=True)
class Built:
    """Parts that belong together."""

    forward: Forward
    cache: KVCache
    device: torch.device
    memory: MemoryPlan
    dtype_reason: str


def build(spec: ModelSpec, checkpoint: Checkpoint, wanted: Wanted) -> Built:
    """Loads a model.

    Raises:
        ModelError: anything that keeps it from running, in one line.
    """
    place = choose_device(wanted.device)
    gpu = find_gpu(wanted.kernels, spec, place)
    if isinstance(gpu, Device):
        return _build_gpu(spec, checkpoint, wanted, gpu)
    check_without_gpu(wanted.dtype, wanted.attention, gpu)
    plan = choose(wanted.kernels, wanted.dtype, spec, place, gpu)
    max_len = choose_context(spec.max_position_embeddings, wanted.max_total_tokens)
    packed = None if plan.kind is None else weight_bytes(spec, plan.kind)
    needs = MemoryNeeds.of(spec, slot_bytes(spec, max_len, plan.dtype), plan.dtype.itemsize, packed)
    memory = plan_for(needs, place, wanted)
    with _loading(spec, plan.dtype, max_len, place):
        forward = build_forward(plan, spec, checkpoint, place, max_len)
        cache = KVCache(spec, memory.num_slots, max_len, plan.dtype, place)
    return Built(forward, cache, place, memory, plan.why)


def _build_gpu(spec: ModelSpec, checkpoint: Checkpoint, wanted: Wanted, device: Device) -> Built:
    if wanted.dtype == "int4":
        raise ModelError("dtype int4 needs the CPU kernels; use --dtype auto, int8 or fp8")
    weights: GpuKind = (
        "fp8" if wanted.dtype == FP8 else "int8" if wanted.dtype == "int8" else "plain"
    )
    dtype = choose_dtype(wanted.dtype if weights == "plain" else "auto", device.place)
    max_len = choose_context(spec.max_position_embeddings, wanted.max_total_tokens)
    needs = gpu_needs(spec, weights, dtype, slot_bytes(spec, max_len, dtype))
    memory = plan_for(needs, device.place, wanted)
    with _loading(spec, dtype, max_len, device.place):
        cache = KVCache(spec, memory.num_slots, max_len, dtype, device.place)
        forward = build_gpu_forward(
            spec,
            checkpoint,
            cache,
            device,
            kind=weights,
            dtype=dtype,
            kernels=wanted.kernels,
            attention=wanted.attention,
        )
    return Built(forward, cache, device.place, memory, why_of(wanted.dtype))


def plan_for(needs: MemoryNeeds, place: torch.device, wanted: Wanted) -> MemoryPlan:
    """Returns how the memory of a device is divided.

    Raises:
        ModelError: not even one slot fits the limit.
    """
    on_gpu = place.type == "cuda"
    part = wanted.part
    process = part.taken
    if process is None:
        process = 0 if on_gpu else process_bytes()
    cache_bytes = wanted.cache_bytes
    if cache_bytes is None and on_gpu:
        cache_bytes = max(0, torch.cuda.mem_get_info(place)[0] - needs.loading) * 3 // 4
    elif cache_bytes is None:
        free = available_bytes()
        most = DEFAULT_CACHE_BYTES if free is None else free // 2
        cache_bytes = min(DEFAULT_CACHE_BYTES, most)
    limit = None if wanted.max_memory is None else part.limit(process, wanted.max_memory)
    return plan_memory(needs, process=process, limit=limit, cache=part.of(cache_bytes))


def choose_context(longest: int | None, asked: int | None) -> int:
    """Returns the positions of a sequence: as asked, or the model's, at most the default.

    Args:
        longest: what the model was made for; None has no bound.
        asked: prompt and generated tokens, or None.

    Raises:
        ModelError: more than the model was made for.
    """
    if asked is None:
        return min(longest or DEFAULT_MAX_TOTAL_TOKENS, DEFAULT_MAX_TOTAL_TOKENS)
    if asked < 1 or (longest is not None and asked > longest):
        raise ModelError(f"--max-context {asked} is outside 1 to {longest}, the model's context")
    return asked


@contextmanager
def _loading(
    spec: ModelSpec, kind: torch.dtype, max_len: int, place: torch.device
) -> Generator[None]:
    """Tells in one line that a model does not fit."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise ModelError(
            f"{num_parameters(spec):,} parameters in {kind} and a context of {max_len} do not "
            f"fit the memory of {place}; take a smaller model, dtype or context"
        ) from None
