"""Out of memory, told apart from other failures of torch. Called by the runners."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager

from midfill_engine.errors import OutOfMemory


@contextmanager
def memory_errors(num_tokens: int) -> Generator[None]:
    """Raises `OutOfMemory` where a step of `num_tokens` did not fit."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        _empty_cache()
        raise OutOfMemory(
            f"out of memory while computing {num_tokens} tokens; shorten the prompt"
        ) from error


def is_out_of_memory(error: Exception) -> bool:
    """Whether it is one: torch's CPU allocator raises a plain RuntimeError."""
    torch = sys.modules.get("torch")  # what was never imported has raised nothing
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, MemoryError) or "allocate memory" in str(error)


def _empty_cache() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
