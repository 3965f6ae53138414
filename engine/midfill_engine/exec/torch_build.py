"""A model on torch, or on a GPU's kernels: what `build` does where the CPU's kernels do not run it.

Called by `build`, which imports it only then.
"""

from __future__ import annotations

import torch

from midfill_engine.errors import ModelError
from midfill_engine.exec.build import Built, Wanted, choose_context, loading, plan_for
from midfill_engine.exec.gpu_choice import build_gpu_forward, gpu_needs
from midfill_engine.exec.gpu_device import Device, find_gpu
from midfill_engine.exec.kernel_choice import FP8, TorchPlan, check_without_gpu, on_torch, why_of
from midfill_engine.exec.memory import MemoryNeeds
from midfill_engine.exec.placement import choose_dtype
from midfill_engine.exec.threads import num_threads
from midfill_engine.exec.torch_forward import TorchForward
from midfill_engine.model.checkpoint import Checkpoint
from midfill_engine.model.decoder import Decoder
from midfill_engine.model.gpu_weights import GpuKind
from midfill_engine.model.kv_cache import KVCache
from midfill_engine.model.shapes import slot_bytes
from midfill_engine.model.spec import ModelSpec
from midfill_engine.model.weights import load_weights


def torch_dtype(name: str) -> torch.dtype:
    """Returns torch's dtype of one of `placement.ITEM_BYTES`."""
    found = getattr(torch, name)
    assert isinstance(found, torch.dtype), name
    return found


def build_on_torch(
    spec: ModelSpec,
    checkpoint: Checkpoint,
    wanted: Wanted,
    device: str,
    plan: TorchPlan | None = None,
) -> Built:
    """Loads a model.

    Args:
        spec: its shape.
        checkpoint: its weights.
        wanted: as `Runner.load` documents it.
        device: as `placement.choose_device` tells it.
        plan: what was chosen for a CPU; None on a GPU.

    Raises:
        ModelError: anything that keeps it from running, in one line.
    """
    torch.set_num_threads(num_threads())
    place = torch.device(device)
    if plan is None:
        gpu = find_gpu(wanted.kernels, spec, place)
        if isinstance(gpu, Device):
            return _build_gpu(spec, checkpoint, wanted, gpu)
        check_without_gpu(wanted.dtype, wanted.attention, gpu)
        plan = on_torch(wanted.dtype, device, gpu)
    dtype = torch_dtype(plan.dtype)
    max_len = choose_context(spec.max_position_embeddings, wanted.max_total_tokens)
    needs = MemoryNeeds.of(spec, slot_bytes(spec, max_len, dtype.itemsize), dtype.itemsize)
    memory = plan_for(needs, device, wanted)
    with loading(spec, plan.dtype, max_len, device):
        weights = load_weights(spec, checkpoint, dtype, place)
        decoder = Decoder(spec, weights, dtype, place, max_len)
        cache = KVCache(spec, memory.num_slots, max_len, dtype, place)
    return Built(TorchForward(decoder, cache, plan.reason), cache, device, memory, plan.why)


def _build_gpu(spec: ModelSpec, checkpoint: Checkpoint, wanted: Wanted, device: Device) -> Built:
    if wanted.dtype in ("int6", "int4"):
        raise ModelError(
            f"dtype {wanted.dtype} needs the CPU kernels; use --dtype auto, int8 or fp8"
        )
    weights: GpuKind = (
        "fp8" if wanted.dtype == FP8 else "int8" if wanted.dtype == "int8" else "plain"
    )
    place = str(device.place)
    name = choose_dtype(wanted.dtype if weights == "plain" else "auto", place)
    dtype = torch_dtype(name)
    max_len = choose_context(spec.max_position_embeddings, wanted.max_total_tokens)
    needs = gpu_needs(spec, weights, dtype, max_len)
    memory = plan_for(needs, place, wanted)
    with loading(spec, name, max_len, place):
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
    return Built(forward, cache, place, memory, why_of(wanted.dtype))
