"""Failures of torch told apart: out of memory, a GPU that is lost, and others.

Called by the runners.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress

from midfill_engine.errors import DeviceLost, OutOfMemory


@contextmanager
def step_errors(num_tokens: int, device: str) -> Generator[None]:
    """Raises `OutOfMemory` where a step of `num_tokens` did not fit; `DeviceLost` see `is_lost`."""
    try:
        yield
    except Exception as error:  # drivers and compilers raise what they like
        if is_lost(device):
            raise _lost(error, device) from error
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


def is_lost(device: str) -> bool:
    """Whether a GPU computes nothing more for this process, as behind an illegal memory access.

    CUDA then answers every call with the error of the first that failed, until the process ends.
    So one is made that fails for nothing else: a wait for the stream of this thread. A wait for
    the whole device would break a graph that another thread captures.
    """
    torch = sys.modules.get("torch")
    if torch is None or not device.startswith("cuda") or not torch.cuda.is_initialized():
        return False
    try:
        torch.cuda.current_stream(device).synchronize()
    except RuntimeError:
        return True
    return False


def _lost(error: Exception, device: str) -> DeviceLost:
    first = (str(error).splitlines() or [""])[0] or type(error).__name__
    return DeviceLost(
        f"{device} failed and computes nothing more for this process ({first[:200]}): "
        "midfill-engine has to be started again, as editors do by themselves; if it fails again, "
        "use --kernels torch or --device cpu, in an editor midfill.engine.device"
    )


def _empty_cache() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        with suppress(RuntimeError):  # as behind a capture that failed
            torch.cuda.empty_cache()
