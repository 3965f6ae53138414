"""Whether the kernels are to be trusted on the GPU at hand: they are compared with torch.

The comparison is made on the model itself, so nothing needs to be known of a GPU beforehand.
Called by `gpu_choice` once a model is loaded.
"""

from __future__ import annotations

import logging

import torch

from midfill_engine.errors import ModelError
from midfill_engine.exec.gpu_forward import GpuForward
from midfill_engine.exec.step_errors import is_lost
from midfill_engine.kernels.nvrtc import KernelError

logger = logging.getLogger(__name__)

MOST_DIFFERENCE = 0.25
"""Of logits, over their size. bfloat16 alone makes 0.01 to 0.04 (tests/engine/gpu); what is broken
makes 1."""


def failure(forward: GpuForward, remedy: str) -> str | None:
    """Gets the kernels ready; returns why they are not to be trusted on this GPU, or None.

    Args:
        forward: with the kernels.
        remedy: told where nothing else can be done in this process.

    Raises:
        ModelError: they broke it for this process, so that torch cannot take their place.
    """
    try:
        difference = forward.difference()
        if difference <= MOST_DIFFERENCE:  # false for NaN
            forward.prepare()
            return None
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # compilers and drivers raise what they like
        logger.warning("the GPU kernels failed", exc_info=True)
        reason = type(error).__name__
        if isinstance(error, KernelError):  # a line of ours
            reason += f", {error}"
        if is_lost(str(forward.decoder.device)):
            raise ModelError(f"the GPU kernels fail here ({reason}); {remedy}") from error
        return f"they failed: {reason}"
    return f"their numbers are off by {difference:.2g} of torch's"
