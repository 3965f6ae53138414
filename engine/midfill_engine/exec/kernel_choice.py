"""Native kernels or torch, in which precision, and why: what runs a model. Called by `build`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final, TypeGuard

from midfill_engine.errors import ModelError
from midfill_engine.exec.placement import choose_dtype
from midfill_engine.kernels.library import CACHE_KINDS, WEIGHT_KINDS, Library, LibraryError
from midfill_engine.model import native
from midfill_engine.model.native_cache import CacheKind
from midfill_engine.model.native_weights import WeightKind
from midfill_engine.model.spec import ModelSpec

logger = logging.getLogger(__name__)

KERNELS = ("auto", "native", "torch")
QUANTISED: Final = ("int8", "int6", "int4")
"""The dtypes that only the native kernels know. Keys and values are in int8 there, which costs the
bundled model nothing that can be measured (docs/log.md, 2026-11-27), or with biases in bfloat16;
all else but the matrices is in float32."""

FP8 = "fp8"
"""The dtype that only our GPU kernels know: matrices in float8_e4m3fn, all else in bfloat16."""

MAX_LOSS: Final = 0.005
"""Nats a token that a dtype may cost on code to be the default. The bundled model on 60,000 tokens
of held-out code (`bench/precision.py`; docs/log.md, 2026-11-27): int8 0.0001, int6 0.0030, int4
0.018."""
_DEFAULTS: Final[dict[str, WeightKind]] = {
    "portable": "float32",  # four times as fast there as whole numbers
    "neon": "int8",  # where nobody has timed int6
    "neondot": "int8",
}
"""What is fastest where int6 is not."""


@dataclass(frozen=True, slots=True)
class NativePlan:
    """The native kernels are to run a model.

    Attributes:
        library: with their code.
        kind: what they keep the matrices in.
        cache_kind: and keys and values.
        why: what spoke for this precision, in words for `/info`.
    """

    library: Library
    kind: WeightKind
    cache_kind: CacheKind
    why: str


@dataclass(frozen=True, slots=True)
class TorchPlan:
    """torch is to run a model.

    Attributes:
        reason: what speaks against kernels of our own.
        dtype: of weights and cache, a key of `placement.ITEM_BYTES`.
        why: as in `NativePlan`.
    """

    reason: str
    dtype: str
    why: str


def choose(
    kernels: str, dtype: str, spec: ModelSpec, device: str, cache_dtype: str = "auto"
) -> NativePlan | TorchPlan:
    """Returns what runs a model on a CPU.

    `auto` takes the fastest dtype that costs at most MAX_LOSS.

    Args:
        kernels: one of KERNELS.
        dtype: `auto`, one of QUANTISED or a key of `placement.ITEM_BYTES`.
        spec: the model's shape.
        device: as `placement.choose_device` tells it.
        cache_dtype: of keys and values: `auto` or a `CacheKind`.

    Raises:
        ModelError: a name is unknown, or what was asked for cannot be had.
    """
    kept = "float32" if is_quantised(dtype) else choose_dtype(dtype, device)
    library = choose_library(kernels, spec, kept)
    if isinstance(library, str):
        return on_torch(dtype, device, library)
    if dtype == "auto":
        kind, why = _fastest(library)
    else:
        kind, why = _kind_of(dtype), why_of(dtype)
    return NativePlan(library, kind, _cache_kind(cache_dtype, kind, spec), why)


def on_torch(dtype: str, device: str, reason: str) -> TorchPlan:
    """Returns what torch runs a model in, where `reason` speaks against kernels of our own.

    Raises:
        ModelError: the dtype needs those, or is unknown.
    """
    if is_quantised(dtype):
        raise ModelError(f"dtype {dtype} needs kernels of our own ({reason}); use --dtype auto")
    return TorchPlan(reason, choose_dtype(dtype, device), why_of(dtype))


def why_of(dtype: str) -> str:
    """Returns what `/info` says of a dtype where nothing was weighed."""
    return "auto: the device's own" if dtype == "auto" else "asked for"


def check_without_gpu(dtype: str, attention: str, reason: str) -> None:
    """Checks that nothing was asked for that only our GPU kernels can do.

    Raises:
        ModelError: it was; `reason` tells why they do not run.
    """
    if dtype == FP8:
        raise ModelError(f"dtype fp8 needs the GPU kernels ({reason}); use --dtype auto or int8")
    if attention != "auto":
        raise ModelError(
            f"--attention {attention} needs the GPU kernels ({reason}); use --attention auto"
        )


def check_cache_dtype(cache_dtype: str, reason: str) -> None:
    """Checks that keys and values are not asked to be what only the CPU's kernels keep.

    Raises:
        ModelError: they are; `reason` tells why those do not run.
    """
    if cache_dtype != "auto":
        raise ModelError(
            f"--cache-dtype {cache_dtype} needs the CPU kernels ({reason}); use --cache-dtype auto"
        )


def choose_library(kernels: str, spec: ModelSpec, dtype: str) -> Library | str:
    """Returns the native library where it is to run the model on a CPU, else why torch does.

    Raises:
        ModelError: `native` was asked for and cannot be, or `kernels` is unknown.
    """
    if kernels not in KERNELS:
        raise ModelError(f"kernels {kernels!r} is unknown; use {', '.join(KERNELS)}")
    if kernels == "torch":
        return "asked for"
    unable = native.unsupported(spec) if dtype in WEIGHT_KINDS else f"no native {dtype}"
    found = unable or native.open_library()
    if isinstance(found, str):
        if kernels == "native":
            install = "" if find_spec("torch") else ", with torch: pip install 'midfill[torch]'"
            raise ModelError(
                f"--kernels native is not possible: {found}; use --kernels auto{install}"
            )
        logger.warning("the CPU kernels are not used, torch is slower: %s", found)
    return found


def _kind_of(dtype: str) -> WeightKind:
    if is_quantised(dtype):
        return dtype
    return "bfloat16" if dtype == "bfloat16" else "float32"


def _cache_kind(cache_dtype: str, kind: WeightKind, spec: ModelSpec) -> CacheKind:
    if cache_dtype == "auto":
        if kind == "float32" or kind == "bfloat16":
            return kind
        # A bias makes few dimensions of all keys large (Qwen2's), and the scale is the largest's.
        return "bfloat16" if spec.qkv_bias else "int8"
    for known in CACHE_KINDS:
        if known == cache_dtype:
            return known
    raise ModelError(f"cache dtype {cache_dtype!r} is unknown; use auto, {', '.join(CACHE_KINDS)}")


def is_quantised(dtype: str) -> TypeGuard[WeightKind]:
    """Returns whether a dtype's weights are whole numbers of the CPU's kernels."""
    return dtype in QUANTISED


def _fastest(library: Library) -> tuple[WeightKind, str]:
    """Returns the default of the native kernels and why it is."""
    try:
        instruction_set = library.choose_instruction_set()
    except LibraryError as error:
        raise ModelError(str(error)) from None
    kind = _DEFAULTS.get(instruction_set, "int6")
    why = f"auto: the fastest on {instruction_set}"
    if kind == "float32":
        return kind, why
    return kind, f"{why} that costs at most {MAX_LOSS} nats a token"
