"""Native kernels or torch: which of them runs a model, and why. Called by `runner`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import torch

from midfill_engine.errors import ModelError
from midfill_engine.exec.forward import Forward, NativeForward, TorchForward
from midfill_engine.kernels.library import Library
from midfill_engine.model import native
from midfill_engine.model.decoder import Decoder
from midfill_engine.model.native import NativeDecoder
from midfill_engine.model.native_weights import WeightKind
from midfill_engine.model.spec import ModelSpec
from midfill_engine.model.weights import ModelWeights

logger = logging.getLogger(__name__)

KERNELS = ("auto", "native", "torch")
INT8: Final = "int8"
"""The dtype that only the native kernels know: int8 matrices, everything else float32."""

_KINDS: dict[torch.dtype, WeightKind] = {torch.float32: "float32", torch.bfloat16: "bfloat16"}


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
    spec: ModelSpec,
    load: Callable[[], ModelWeights],
    library: Library | str,
    *,
    dtype: torch.dtype,
    int8: bool,
    device: torch.device,
    max_len: int,
) -> Forward:
    """Returns what runs the model: natively where `library` is one.

    Args:
        spec: the model's shape.
        load: gives the weights in `dtype` on `device`; they are consumed.
        library: as `choose_library` returns it.
        dtype: of weights and cache.
        int8: keep the matrices in int8; natively only.
        device: where it runs.
        max_len: positions [0, max_len) can be run.

    Raises:
        ModelError: int8 without the native kernels.
    """
    if isinstance(library, str):
        if int8:
            raise ModelError(f"dtype int8 needs kernels of our own ({library}); use --dtype auto")
        return TorchForward(Decoder(spec, load(), dtype, device, max_len), library)
    decoder = NativeDecoder(
        spec,
        load(),
        library,
        kind=INT8 if int8 else _KINDS[dtype],
        cache_dtype=dtype,
        max_len=max_len,
        num_threads=torch.get_num_threads(),
        consume=True,
    )
    return NativeForward(decoder)


def _reason(spec: ModelSpec, dtype: torch.dtype, device: torch.device) -> str | None:
    if device.type != "cpu":
        return f"on {device.type}"
    if dtype not in _KINDS:
        return f"no native {str(dtype).removeprefix('torch.')}"
    return native.unsupported(spec)
