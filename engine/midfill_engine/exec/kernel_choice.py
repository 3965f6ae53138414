"""Native kernels or torch, in which precision, and why: what runs a model. Called by `runner`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final, TypeGuard

import torch

from midfill_engine.errors import ModelError
from midfill_engine.exec.forward import Forward, NativeForward, TorchForward
from midfill_engine.exec.placement import choose_dtype
from midfill_engine.kernels.library import Library, LibraryError
from midfill_engine.model import native
from midfill_engine.model.checkpoint import Checkpoint
from midfill_engine.model.decoder import Decoder
from midfill_engine.model.native import NativeDecoder
from midfill_engine.model.native_weights import WeightKind
from midfill_engine.model.spec import ModelSpec
from midfill_engine.model.weights import load_weights, stream_weights

logger = logging.getLogger(__name__)

KERNELS = ("auto", "native", "torch")
QUANTISED: Final = ("int8", "int4")
"""The dtypes that only the native kernels know; all but the matrices is float32 there."""

MAX_LOSS: Final = 0.005
"""Nats a token that a dtype may cost on code to be the default. The bundled model on 30,000 tokens
of held-out code (docs/log.md, 2026-11-25, precisions; `bench/precision.py`): bfloat16 0.0000, int8
0.0005, int4 0.02."""
_SLOW_INT8 = ("portable",)
"""Instruction sets that multiply float32 faster: four times on the portable one."""

_KINDS: dict[torch.dtype, WeightKind] = {torch.float32: "float32", torch.bfloat16: "bfloat16"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to run a model.

    Attributes:
        library: the native kernels, or why torch runs it.
        dtype: of the cache, and of torch's weights.
        kind: what the native kernels keep the matrices in; None where torch runs.
        why: what spoke for this precision, in words for `/info`.
    """

    library: Library | str
    dtype: torch.dtype
    kind: WeightKind | None
    why: str


def choose(
    kernels: str, dtype: str, spec: ModelSpec, device: torch.device, gpu_refusal: str
) -> Plan:
    """Returns what runs a model where the GPU's kernels do not.

    `auto` takes the fastest dtype that costs at most MAX_LOSS.

    Args:
        kernels: one of KERNELS.
        dtype: `auto`, one of QUANTISED or a key of `placement.DTYPES`.
        spec: the model's shape.
        device: where it is to run.
        gpu_refusal: what speaks against the GPU's kernels.

    Raises:
        ModelError: a name is unknown, or what was asked for cannot be had.
    """
    quantised = _is_quantised(dtype)
    on_cpu = device.type == "cpu"
    torch_dtype = torch.float32 if quantised else choose_dtype(dtype, device)
    library = choose_library(kernels, spec, torch_dtype, device) if on_cpu else gpu_refusal
    if isinstance(library, str):
        if quantised:
            raise ModelError(
                f"dtype {dtype} needs kernels of our own ({library}); use --dtype auto"
            )
        return Plan(library, torch_dtype, None, why_of(dtype))
    if dtype == "auto":
        return Plan(library, torch_dtype, *_fastest(library))
    kind = dtype if _is_quantised(dtype) else _KINDS[torch_dtype]
    return Plan(library, torch_dtype, kind, why_of(dtype))


def why_of(dtype: str) -> str:
    """Returns what `/info` says of a dtype where nothing was weighed."""
    return "auto: the device's own" if dtype == "auto" else "asked for"


def choose_library(
    kernels: str, spec: ModelSpec, dtype: torch.dtype, device: torch.device
) -> Library | str:
    """Returns the native library where it is to run the model, else why torch does.

    Raises:
        ModelError: `native` was asked for and cannot be, or `kernels` is unknown.
    """
    if kernels not in KERNELS:
        raise ModelError(f"kernels {kernels!r} is unknown; use {', '.join(KERNELS)}")
    if kernels == "torch":
        return "asked for"
    found = _reason(spec, dtype, device) or native.open_library()
    if isinstance(found, str):
        if kernels == "native":
            raise ModelError(f"--kernels native is not possible: {found}; use --kernels auto")
        if device.type == "cpu":
            logger.warning("the CPU kernels are not used, torch is slower: %s", found)
    return found


def build_forward(
    plan: Plan, spec: ModelSpec, checkpoint: Checkpoint, device: torch.device, max_len: int
) -> Forward:
    """Returns what runs the model at positions [0, max_len), its weights loaded.

    Raises:
        ModelError: the checkpoint is not the model's.
        RuntimeError: torch cannot allocate it.
        MemoryError: the native kernels cannot.
    """
    if isinstance(plan.library, str):
        weights = load_weights(spec, checkpoint, plan.dtype, device)
        decoder = Decoder(spec, weights, plan.dtype, device, max_len)
        return TorchForward(decoder, plan.library)
    assert plan.kind is not None, "the native kernels have one"
    native_decoder = NativeDecoder(
        spec,
        stream_weights(spec, checkpoint),
        plan.library,
        kind=plan.kind,
        cache_dtype=plan.dtype,
        max_len=max_len,
        num_threads=torch.get_num_threads(),
    )
    return NativeForward(native_decoder)


def _is_quantised(dtype: str) -> TypeGuard[WeightKind]:
    return dtype in QUANTISED


def _fastest(library: Library) -> tuple[WeightKind, str]:
    """Returns the default of the native kernels and why it is."""
    try:
        instruction_set = library.choose_instruction_set()
    except LibraryError as error:
        raise ModelError(str(error)) from None
    why = f"auto: the fastest on {instruction_set}"
    if instruction_set in _SLOW_INT8:
        return "float32", why
    return "int8", f"{why} that costs at most {MAX_LOSS} nats a token"


def _reason(spec: ModelSpec, dtype: torch.dtype, device: torch.device) -> str | None:
    if device.type != "cpu":
        return f"on {device.type}"
    if dtype not in _KINDS:
        return f"no native {str(dtype).removeprefix('torch.')}"
    return native.unsupported(spec)
