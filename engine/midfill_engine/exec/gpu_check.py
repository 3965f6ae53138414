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

logger = logging.getLogger(__name__)

MOST_DIFFERENCE = 0.1
"""Of logits, over their size. bfloat16 alone makes about 0.01 (tests/engine/gpu); what is broken
makes 1."""


def failure(forward: GpuForward) -> str | None:
    """Gets the kernels ready; returns why they are not to be trusted on this GPU, or None.

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
        if is_lost(str(forward.decoder.device)):
            told = f"the GPU kernels fail here ({type(error).__name__})"
            raise ModelError(f"{told}; use --kernels torch --dtype auto") from error
        return f"they failed: {type(error).__name__}"
    return f"their numbers are off by {difference:.2g} of torch's"
