"""Whether a model's steps run as one launch each, and the kernel that is built for it.

The bindings of the compiler are imported here and only when they are needed. Called by
`gpu_choice`.
"""

from __future__ import annotations

import logging

import torch

from midfill_engine.errors import ModelError
from midfill_engine.exec.gpu_device import Device
from midfill_engine.kernels.whole_step import Launch
from midfill_engine.model.gpu_decoder import shape_of
from midfill_engine.model.gpu_weights import GpuKind
from midfill_engine.model.spec import ModelSpec

logger = logging.getLogger(__name__)

_LEAST_CAPABILITY = (9, 0)
"""Hopper: the first that copies to shared memory in the background."""
DTYPES = {"plain": torch.bfloat16, "fp8": torch.float8_e4m3fn, "int8": torch.int8}
"""What a kind's matrices are kept in where the rest is bfloat16."""


def find_launch(
    spec: ModelSpec, kind: GpuKind, dtype: torch.dtype, device: Device
) -> Launch | None:
    """Returns the kernel built for a model, or None and says why steps are many launches."""
    reason = refusal(spec, dtype, device)
    if reason is None:
        from midfill_engine.kernels.nvrtc import CudaLaunch, shared_bytes_of

        shape = shape_of(spec, DTYPES[kind])
        try:
            reason = shape.refusal(shared_bytes_of(device.place))
            if reason is None:
                return CudaLaunch(shape.macros, device.place)
        except ModelError as error:
            reason = str(error)
    logger.info("a step is many launches: %s", reason)
    return None


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
