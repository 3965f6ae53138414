"""Out of memory, told apart from other failures of torch. Called by the runners."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch

from midfill_engine.errors import OutOfMemory


@contextmanager
def memory_errors(num_tokens: int) -> Generator[None]:
    """Raises `OutOfMemory` where a step of `num_tokens` did not fit."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        raise OutOfMemory(
            f"out of memory while computing {num_tokens} tokens; shorten the prompt"
        ) from error


def is_out_of_memory(error: Exception) -> bool:
    """Whether it is one: torch's CPU allocator raises a plain RuntimeError."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "allocate memory" in str(
        error
    )
