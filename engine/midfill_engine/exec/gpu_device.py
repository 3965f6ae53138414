"""What a GPU is, and whether our kernels can run a model on it.

Triton is imported here and only when it is needed. Called by `build` and `gpu_choice`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, cast

import torch

from midfill_engine.errors import ModelError
from midfill_engine.model.gpu_weights import GpuKind
from midfill_engine.model.spec import ModelSpec

logger = logging.getLogger(__name__)

_LEAST_CAPABILITY = (8, 0)
"""Ampere: the first whose tensor cores know bfloat16."""
_PDL_CAPABILITY = (9, 0)
"""Hopper: the first that starts a launch before the one before it is over."""
_ROOMY = {(8, 0), (9, 0), (10, 0), (10, 3)}
"""Data-centre GPUs, whose processors have 160 kB of shared memory and more, not 99."""
_FP8_CAPABILITY = (8, 9)
"""Ada and Hopper: the first that convert float8_e4m3fn."""


@dataclass(frozen=True, slots=True)
class Device:
    """What is asked of a GPU, so that tests need none.

    Attributes:
        place: where it is.
        capability: its compute capability.
        num_processors: of it.
    """

    place: torch.device
    capability: tuple[int, int]
    num_processors: int

    @property
    def has_dependent_launch(self) -> bool:
        """Whether a launch may come near before the one before it is over."""
        return self.capability >= _PDL_CAPABILITY

    @property
    def is_roomy(self) -> bool:
        """Whether a processor's shared memory holds many loads at a time."""
        return self.capability in _ROOMY

    @classmethod
    def of(cls, place: torch.device) -> Device:
        """Asks torch about a CUDA device."""
        properties: Any = cast("Any", torch.cuda).get_device_properties(place)
        return cls(place, (properties.major, properties.minor), properties.multi_processor_count)


def find_gpu(kernels: str, spec: ModelSpec, place: torch.device) -> Device | str:
    """Returns the GPU where our kernels are to run a model, else why they do not.

    Args:
        kernels: `auto`, `native` or `torch`.
        spec: the model's shape.
        place: any device.

    Raises:
        ModelError: `native` was asked for on a GPU and cannot be.
    """
    if place.type != "cuda":
        return f"on {place.type}"
    if kernels == "torch":
        return "asked for"
    device = Device.of(place)
    reason = refusal(spec, device)
    if reason is None:
        return device
    if kernels == "native":
        raise ModelError(f"--kernels native is not possible: {reason}; use --kernels auto")
    logger.warning("the GPU kernels are not used, torch is slower: %s", reason)
    return reason


def refusal(spec: ModelSpec, device: Device) -> str | None:
    """Returns why our kernels cannot run a model on a GPU, or None."""
    if spec.num_experts is not None:
        return "a mixture of experts"
    if device.capability < _LEAST_CAPABILITY:
        major, minor = device.capability
        return f"compute capability {major}.{minor}, below 8.0"
    try:
        import midfill_engine.kernels.triton_step  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except (ImportError, OSError) as error:  # OSError: a broken library
        return f"Triton cannot be loaded ({' '.join(str(error).split())[:120]})"
    return None


def check_kind(kind: GpuKind, device: Device) -> None:
    """Checks that the GPU knows what the weights are to be kept in.

    Raises:
        ModelError: it does not.
    """
    if kind == "fp8" and device.capability < _FP8_CAPABILITY:
        major, minor = device.capability
        raise ModelError(
            f"dtype fp8 needs a GPU of compute capability 8.9 or more, this one has "
            f"{major}.{minor}; use --dtype int8 or bfloat16"
        )
