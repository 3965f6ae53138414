"""Where a model runs and in what: device, dtype, threads. Called by `runner`."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch

from midfill_engine.errors import ModelError

DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def set_threads(num_threads: int | None = None) -> None:
    """Sets torch's threads for the process: as given, or one per core this process may use."""
    torch.set_num_threads(num_threads or _num_cores())


def _num_cores() -> int:
    """Returns the physical cores; hyperthreads share the units that the products keep busy."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    # torch's own default counts physical cores where it can tell.
    return max(1, min(usable or 1, torch.get_num_threads()))


def choose_device(name: str) -> torch.device:
    """Returns the device that `auto`, `cpu`, `cuda` or `cuda:N` means.

    Raises:
        ModelError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    kind, _, index = name.partition(":")
    if kind != "cuda" or (index and not index.isdecimal()):
        raise ModelError(f"device {name!r} is unknown; use auto, cpu, cuda or cuda:N")
    if not torch.cuda.is_available():
        raise ModelError(
            f"device {name!r}: torch {torch.__version__} finds no CUDA GPU; use --device cpu"
        )
    if index and int(index) >= torch.cuda.device_count():
        raise ModelError(f"device {name!r}: there are only {torch.cuda.device_count()} GPUs")
    return torch.device(name)


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """Returns the dtype that a name means on a device.

    Raises:
        ModelError: the name is unknown.
    """
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    dtype = DTYPES.get(name)
    if dtype is None:
        raise ModelError(f"dtype {name!r} is unknown; use auto, {', '.join(DTYPES)}")
    return dtype
