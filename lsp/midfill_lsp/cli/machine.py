"""What this machine has for a model: memory, a GPU, and how fast memory is read. For `models`.

Decoding one sequence reads every weight once a token, so that the speed of memory bounds the
tokens a second; the arithmetic hardly counts.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

_COPIED_BYTES = 2**26
"""Beyond the caches of a desktop; a copy of it takes 5 to 30 ms."""
_COPIES = 5
_TOOL_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Gpu:
    """The GPU with the most memory."""

    name: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is.

    Attributes:
        memory_bytes: that programs could still take; None where the system does not tell.
        bytes_per_s: moved by one core while it copies.
        gpu: None where nvidia-smi finds none.
    """

    memory_bytes: int | None
    bytes_per_s: float
    gpu: Gpu | None


def look() -> Machine:
    """Measure; takes a fifth of a second, more where nvidia-smi is slow."""
    return Machine(available_bytes(), copy_speed(), find_gpu())


def available_bytes(table: Path = Path("/proc/meminfo")) -> int | None:
    """Return the memory that programs could still take, None where the system does not tell."""
    try:
        lines = table.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def copy_speed() -> float:
    """Return the bytes a second that one core moves, the median of a few copies.

    A copy moves every byte twice, from memory and to it.
    """
    source = memoryview(bytearray(_COPIED_BYTES))
    target = memoryview(bytearray(_COPIED_BYTES))
    seconds: list[float] = []
    for _ in range(_COPIES + 1):
        began = time.perf_counter()
        target[:] = source
        seconds.append(time.perf_counter() - began)
    return 2 * _COPIED_BYTES / statistics.median(seconds[1:])  # the first one touches the pages


def find_gpu() -> Gpu | None:
    """Ask nvidia-smi for the GPU with the most memory."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    query = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(
            query, capture_output=True, text=True, timeout=_TOOL_TIMEOUT_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return max(read_gpus(told), key=lambda gpu: gpu.memory_bytes, default=None)


def read_gpus(told: str) -> list[Gpu]:
    """Return the GPUs of nvidia-smi's lines `name, MiB`; other lines count for nothing."""
    found: list[Gpu] = []
    for line in told.splitlines():
        name, _, memory = line.rpartition(",")
        if name and memory.strip().isdecimal():
            found.append(Gpu(name.strip(), int(memory) * 2**20))
    return found
