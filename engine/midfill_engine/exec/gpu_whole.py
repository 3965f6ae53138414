"""Whether a model's steps can be one launch each, and the kernel that is built for it.

Called by `gpu_choice`.
"""

from __future__ import annotations

import torch

from midfill_engine.errors import ModelError
from midfill_engine.exec.gpu_device import Device
from midfill_engine.kernels.nvrtc import CudaLaunch, KernelError, shared_bytes_of
from midfill_engine.kernels.whole_step import Launch
from midfill_engine.model.gpu_decoder import shape_of
from midfill_engine.model.gpu_weights import GpuKind
from midfill_engine.model.spec import ModelSpec

_LEAST_CAPABILITY = (9, 0)
"""Hopper: the first that copies to shared memory in the background."""
DTYPES = {"plain": torch.bfloat16, "fp8": torch.float8_e4m3fn, "int8": torch.int8}
"""What a kind's matrices are kept in where the rest is bfloat16."""


def find_launch(spec: ModelSpec, kind: GpuKind, dtype: torch.dtype, device: Device) -> Launch:
    """Returns the kernel, built for a model.

    Raises:
        ModelError: a step of it cannot be one launch here.
    """
    try:
        reason = refusal(spec, dtype, device)
        if reason is None:
            shape = shape_of(spec, DTYPES[kind])
            reason = shape.refusal(shared_bytes_of(device.place))
            if reason is None:
                return CudaLaunch(shape.macros, device.place)
    except KernelError as error:
        reason = str(error)
    raise ModelError(f"--attention whole is not possible: {reason}; use --attention auto")


def refusal(spec: ModelSpec, dtype: torch.dtype, device: Device) -> str | None:
    """Returns why a step cannot be one launch, whatever the model's sizes, or None."""
    if device.place.type != "cuda":
        return f"on {device.place.type}"
    if device.capability < _LEAST_CAPABILITY:
        major, minor = device.capability
        return f"compute capability {major}.{minor}, below 9.0"
    if dtype != torch.bfloat16:
        return f"computed in {str(dtype).removeprefix('torch.')}, not bfloat16"
    if any(window is not None for window in spec.windows):
        return "a sliding window"
    return None
