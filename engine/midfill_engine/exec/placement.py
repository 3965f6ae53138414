"""Where a model runs and in what: device and dtype, by name. Called by `build`.

torch is asked only where it must be: a GPU was named, or there may be one.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from ctypes.util import find_library
from importlib.util import find_spec
from pathlib import Path

from midfill_engine.errors import ModelError

logger = logging.getLogger(__name__)

NO_TORCH = "torch is not installed: pip install 'midfill[torch]'"

ITEM_BYTES: Mapping[str, int] = {"float32": 4, "bfloat16": 2, "float16": 2}
"""The dtypes that torch computes in, and a number's size."""

_NVIDIA = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/usr/lib/wsl/lib/libcuda.so.1")
"""Its driver's files on Linux, the last one in Windows' Linux."""
_AMD = "/dev/kfd"
"""Many a processor's own graphics have it, and few a torch that can use them."""


def choose_device(name: str) -> str:
    """Returns the device that `auto`, `cpu`, `cuda` or `cuda:N` means: `cpu`, `cuda` or `cuda:N`.

    Raises:
        ModelError: there is no such device.
    """
    if name == "cpu":
        return name
    if name == "auto":
        return "cuda" if has_gpu() else "cpu"
    kind, _, index = name.partition(":")
    if kind != "cuda" or (index and not index.isdecimal()):
        raise ModelError(f"device {name!r} is unknown; use auto, cpu, cuda or cuda:N")
    try:
        import torch
    except ModuleNotFoundError:
        raise ModelError(f"--device {name}: {NO_TORCH}") from None
    if not torch.cuda.is_available():
        raise ModelError(
            f"device {name!r}: torch {torch.__version__} finds no CUDA GPU; use --device cpu"
        )
    if index and int(index) >= torch.cuda.device_count():
        raise ModelError(f"device {name!r}: there are only {torch.cuda.device_count()} GPUs")
    return name


def has_gpu() -> bool:
    """Whether torch finds a GPU; it is imported, which takes a second, only where one may be."""
    if not may_have_gpu():
        return False
    try:
        import torch
    except ModuleNotFoundError:
        logger.warning("there is an NVIDIA driver, but %s; the CPU is used", NO_TORCH)
        return False
    return torch.cuda.is_available()


def may_have_gpu() -> bool:
    """Whether a GPU's driver is there, or torch, which knows, is loaded already."""
    if sys.modules.get("torch") is not None:
        return True
    if sys.platform == "win32":
        return find_library("nvcuda") is not None
    if any(Path(path).exists() for path in _NVIDIA):
        return True
    return Path(_AMD).exists() and find_spec("torch") is not None


def free_gpu_bytes(device: str) -> int:
    """Returns what of a GPU's memory nobody has taken."""
    import torch

    return int(torch.cuda.mem_get_info(device)[0])


def choose_dtype(name: str, device: str) -> str:
    """Returns the dtype that a name means on a device, one of ITEM_BYTES.

    Raises:
        ModelError: the name is unknown.
    """
    if name == "auto":
        return "float32" if device == "cpu" else "bfloat16"
    if name not in ITEM_BYTES:
        raise ModelError(f"dtype {name!r} is unknown; use auto, {', '.join(ITEM_BYTES)}")
    return name
