"""Whether the kernels are to be trusted on the GPU at hand: they are compared with torch.

The comparison is made on the model itself, so nothing needs to be known of a GPU beforehand.
Called by `gpu_choice` once a model is loaded, before anything is captured ahead.
"""

from __future__ import annotations

import logging

import torch

from midfill_engine.exec.gpu_forward import GpuForward

logger = logging.getLogger(__name__)

MOST_DIFFERENCE = 0.1
"""Of logits, over their size. bfloat16 alone makes about 0.01 (tests/engine/gpu); what is broken
makes 1."""


def failure(forward: GpuForward) -> str | None:
    """Returns why the kernels are not to be trusted on this GPU, or None."""
    try:
        difference = forward.difference()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # compilers and drivers raise what they like
        logger.warning("the GPU kernels failed", exc_info=True)
        return f"they failed: {type(error).__name__}"
    if difference <= MOST_DIFFERENCE:  # false for NaN
        return None
    return f"their numbers are off by {difference:.2g} of torch's"
