"""From what was asked for to a model that runs: device, dtype, kernels, memory, weights.

Called by the runners.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from midfill_engine.errors import ModelError
from midfill_engine.exec.forward import Cache, Forward, NativeForward
from midfill_engine.exec.kernel_choice import (
    NativePlan,
    TorchPlan,
    check_cache_dtype,
    check_without_gpu,
    choose,
)
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
from midfill_engine.exec.placement import (
    NO_TORCH,
    choose_device,
    free_gpu_bytes,
)
from midfill_engine.exec.step_errors import is_out_of_memory
from midfill_engine.exec.threads import num_threads
from midfill_engine.model import native
from midfill_engine.model.arrays import stream_arrays
from midfill_engine.model.checkpoint import Checkpoint
from midfill_engine.model.native import NativeDecoder
from midfill_engine.model.native_cache import NativeCache, cache_slot_bytes
from midfill_engine.model.native_weights import weight_bytes
from midfill_engine.model.shapes import num_parameters
from midfill_engine.model.spec import ModelSpec

DEFAULT_MAX_TOTAL_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a model is to be run with; `Runner.load` documents each."""

    device: str = "auto"
    dtype: str = "auto"
    cache_dtype: str = "auto"
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
    cache: Cache
    device: str
    memory: MemoryPlan
    dtype_reason: str


def build(spec: ModelSpec, checkpoint: Checkpoint, wanted: Wanted) -> Built:
    """Loads a model; torch is imported only where it, or a GPU, is to run it.

    Raises:
        ModelError: anything that keeps it from running, in one line.
    """
    device = choose_device(wanted.device)
    plan: TorchPlan | None = None
    if device == "cpu":
        check_without_gpu(wanted.dtype, wanted.attention, "on cpu")
        chosen = choose(wanted.kernels, wanted.dtype, spec, device, wanted.cache_dtype)
        if isinstance(chosen, NativePlan):
            return _build_native(spec, checkpoint, wanted, chosen)
        check_cache_dtype(wanted.cache_dtype, chosen.reason)
        plan = chosen
    else:
        check_cache_dtype(wanted.cache_dtype, f"on {device}")
    before = process_bytes()
    try:
        from midfill_engine.exec.torch_build import build_on_torch
    except ModuleNotFoundError as error:
        if error.name != "torch" or plan is None:  # whoever chose a GPU has asked torch
            raise
        is_chosen = wanted.kernels == "torch" and native.unsupported(spec) is None
        remedy = ", or leave --kernels torch out" if is_chosen else ""
        raise ModelError(f"torch is to run it ({plan.reason}), but {NO_TORCH}{remedy}") from None
    wanted = replace(wanted, part=wanted.part.grown(before))
    return build_on_torch(spec, checkpoint, wanted, device, plan)


def _build_native(
    spec: ModelSpec, checkpoint: Checkpoint, wanted: Wanted, plan: NativePlan
) -> Built:
    max_len = choose_context(spec.max_position_embeddings, wanted.max_total_tokens)
    slot = cache_slot_bytes(spec, max_len, plan.cache_kind)
    needs = MemoryNeeds.of_packed(spec, slot, weight_bytes(spec, plan.kind))
    memory = plan_for(needs, "cpu", wanted)
    with loading(spec, plan.kind, max_len, "cpu"):
        decoder = NativeDecoder(
            spec,
            stream_arrays(spec, checkpoint),
            plan.library,
            kind=plan.kind,
            cache_kind=plan.cache_kind,
            max_len=max_len,
            num_threads=num_threads(),
        )
        cache = NativeCache(spec, memory.num_slots, max_len, plan.cache_kind)
    return Built(NativeForward(decoder, cache), cache, "cpu", memory, plan.why)


def plan_for(needs: MemoryNeeds, device: str, wanted: Wanted) -> MemoryPlan:
    """Returns how the memory of a device is divided.

    Raises:
        ModelError: not even one slot fits the limit.
    """
    on_gpu = device != "cpu"
    part = wanted.part
    process = part.taken
    if process is None:
        process = 0 if on_gpu else process_bytes()
    cache_bytes = wanted.cache_bytes
    if cache_bytes is None and on_gpu:
        cache_bytes = max(0, free_gpu_bytes(device) - needs.loading) * 3 // 4
    elif cache_bytes is None:
        free = available_bytes()
        most = DEFAULT_CACHE_BYTES if free is None else free // 2
        cache_bytes = min(DEFAULT_CACHE_BYTES, most)
    needs = replace(needs, libraries=0 if on_gpu else part.libraries)
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
        raise ModelError(
            f"--max-context {asked} is outside the model's context of {longest} tokens"
        )
    return asked


@contextmanager
def loading(spec: ModelSpec, kind: str, max_len: int, device: str) -> Generator[None]:
    """Tells in one line that a model does not fit."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise ModelError(
            f"{num_parameters(spec):,} parameters in {kind} and a context of {max_len} do not "
            f"fit the memory of {device}; take a smaller model, dtype or context"
        ) from None
