"""What computes on a GPU, and why: our kernels or torch, which attention, which weights.

Called by `build`. Triton and flash-attn are imported here and only when they are needed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial

import torch

from midfill_engine.errors import ModelError
from midfill_engine.exec.forward import Forward
from midfill_engine.exec.gpu_check import failure
from midfill_engine.exec.gpu_device import Device, check_kind
from midfill_engine.exec.gpu_forward import GpuForward
from midfill_engine.exec.gpu_whole import find_launch
from midfill_engine.exec.graphs import Capture, CudaGraphs, Eager
from midfill_engine.exec.memory import MemoryNeeds
from midfill_engine.exec.torch_forward import TorchForward
from midfill_engine.kernels import flash
from midfill_engine.kernels.gpu_interface import Attention, Operations
from midfill_engine.kernels.gpu_plain import PlainAttention, PlainOperations
from midfill_engine.kernels.whole_step import Launch
from midfill_engine.model.attention import Attention as SdpaAttention
from midfill_engine.model.attention import AttentionFactory
from midfill_engine.model.checkpoint import TensorSource
from midfill_engine.model.decoder import Decoder
from midfill_engine.model.gpu_decoder import MAX_ROWS, GpuDecoder
from midfill_engine.model.gpu_weights import (
    GpuKind,
    GpuWeights,
    dense_weights,
    gpu_weight_bytes,
    load_gpu_weights,
)
from midfill_engine.model.kv_cache import KVCache
from midfill_engine.model.shapes import num_parameters, slot_bytes
from midfill_engine.model.spec import ModelSpec

logger = logging.getLogger(__name__)

ATTENTIONS = ("auto", "triton", "flash", "whole")
_PIECE = 256
"""Positions of a piece of attention (`triton_attend.Splitting`)."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What computes a step."""

    operations: Operations
    attention: Attention
    prompt_attention: AttentionFactory
    prompt_attention_name: str


def gpu_needs(spec: ModelSpec, kind: GpuKind, dtype: torch.dtype, max_len: int) -> MemoryNeeds:
    """Returns what a model needs of the GPU's memory.

    Quantising holds one layer more, in the dtype and in float32, when the cache is there already.
    Prompts then take a part of the same memory: a layer is made dense for each of their chunks.
    """
    kept = gpu_weight_bytes(spec, kind, dtype)
    layer = num_parameters(spec) // spec.num_layers * (dtype.itemsize + 4)
    beside = 0 if kind == "plain" else layer
    # What steps of MAX_ROWS rows write: logits, and attention's sums of every piece; of a quarter
    # of the rows and of the positions too, where a step is one launch.
    pieces = -(-max_len // _PIECE) + 1
    rows = 4 * MAX_ROWS * (spec.vocab_size + 2 * spec.num_heads * pieces * (spec.head_dim + 2))
    slot = slot_bytes(spec, max_len, dtype.itemsize)
    return MemoryNeeds(spec, slot, kept, kept + beside, buffers=beside + rows)


def choose_parts(
    spec: ModelSpec, dtype: torch.dtype, device: Device, max_len: int, attention: str = "auto"
) -> Parts:
    """Returns our kernels of many launches: `triton` for steps, flash-attn for prompts.

    flash-attn takes the prompts where it is installed, since they run by themselves. Steps go to it
    only where it is asked for: its sums hang on how many drafts are verified, so that speculation
    might change a text (docs/log.md).

    Raises:
        ModelError: `flash` was asked for and cannot be, or `attention` is unknown.
    """
    from midfill_engine.kernels.triton_attend import TritonAttention
    from midfill_engine.kernels.triton_step import TritonOperations

    if attention not in ATTENTIONS:
        raise ModelError(f"attention {attention!r} is unknown; use {', '.join(ATTENTIONS)}")
    pdl, roomy = device.has_dependent_launch, device.is_roomy
    operations = TritonOperations(device.place, pdl=pdl, roomy=roomy)
    found = flash.unsupported(dtype, spec.head_dim) or flash.open_flash()
    if isinstance(found, str):
        if attention == "flash":
            raise ModelError(f"--attention flash is not possible: {found}; use --attention auto")
        logger.info("prompts are attended by torch's SDPA: %s", found)
        prompts: tuple[AttentionFactory, str] = (SdpaAttention, "sdpa")
    else:
        call, version = found
        prompts = (partial(flash.FlashPrefill, call), f"flash-attn {version}")
        if attention == "flash":
            return Parts(operations, flash.FlashAttention(call, version), *prompts)
    ours = TritonAttention(
        max_rows=MAX_ROWS,
        num_heads=spec.num_heads,
        num_kv_heads=spec.num_kv_heads,
        head_dim=spec.head_dim,
        max_len=max_len,
        device=device.place,
        num_processors=device.num_processors,
        pdl=pdl,
        roomy=roomy,
    )
    return Parts(operations, ours, *prompts)


def plain_parts() -> Parts:
    """Returns the reference: it runs anywhere, one group after the other, without graphs."""
    return Parts(PlainOperations(), PlainAttention(), SdpaAttention, "sdpa")


def build_gpu_forward(
    spec: ModelSpec,
    checkpoint: TensorSource,
    cache: KVCache,
    device: Device,
    *,
    kind: GpuKind,
    dtype: torch.dtype,
    kernels: str = "auto",
    attention: str = "auto",
) -> Forward:
    """Loads a model and returns what runs it on a CUDA device, ready for the first request.

    The kernels are first compared with torch on the model itself. Where they fail or differ, torch
    runs the model, and the log says so.

    Args:
        spec: a model that `gpu_device.refusal` accepts.
        checkpoint: its weights.
        cache: on the device.
        device: a CUDA device.
        kind: what the matrices are kept in.
        dtype: of everything else.
        kernels: `native` makes it an error where they fail.
        attention: one of ATTENTIONS; `whole` makes a step one launch, its attention included.

    Raises:
        ModelError: as `choose_parts`, `check_kind` and `load_gpu_weights`; the kernels fail and
            torch can't or may not take their place.
    """
    check_kind(kind, device)
    parts = choose_parts(spec, dtype, device, cache.max_len, attention)
    launch = find_launch(spec, kind, dtype, device) if attention == "whole" else None
    weights = load_gpu_weights(spec, checkpoint, kind, dtype, device.place)
    capture = CudaGraphs(device.place)
    forward = assemble(spec, weights, parts, cache, capture, kind=kind, dtype=dtype, launch=launch)
    other = "--attention auto" if launch is not None else "--kernels torch --dtype auto"
    remedy = f"use {other}"
    reason = failure(forward, remedy)
    if reason is None:
        return forward
    if launch is not None or kind != "plain" or kernels == "native":
        raise ModelError(f"the GPU kernels fail here ({reason}); {remedy}")
    logger.warning("the GPU kernels are not used, torch is slower: %s", reason)
    dense = dense_weights(weights, dtype)
    decoder = Decoder(spec, dense, dtype, device.place, cache.max_len)
    return TorchForward(decoder, cache, reason)


def assemble(
    spec: ModelSpec,
    weights: GpuWeights,
    parts: Parts,
    cache: KVCache,
    capture: Capture | None = None,
    *,
    kind: GpuKind,
    dtype: torch.dtype,
    launch: Launch | None = None,
) -> GpuForward:
    """Returns the forward of parts that belong together; without `capture` every step is launched.

    On the device that the weights are on. With `launch`, which is built for the model's shape, a
    step is one launch and the choice.
    """
    decoder = GpuDecoder(
        spec,
        weights,
        parts.operations,
        parts.attention,
        dtype=dtype,
        device=weights.embedding.device,
        max_len=cache.max_len,
        prompt_attention=parts.prompt_attention,
    )
    if launch is not None:
        decoder.use_whole_step(launch, cache)
    return GpuForward(
        decoder,
        cache,
        capture or Eager(),
        weights=str(dtype).removeprefix("torch.") if kind == "plain" else kind,
        prompt_attention=parts.prompt_attention_name,
    )
