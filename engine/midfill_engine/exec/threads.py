"""How many threads compute on the CPU, for the whole process. Knows no torch."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")

_asked: int | None = None


def set_threads(num_threads: int | None = None) -> None:
    """Sets the threads of the models loaded from now on; None takes one per physical core."""
    global _asked
    _asked = num_threads


def num_threads() -> int:
    """Returns what was set, or the physical cores this process may use, at most OMP_NUM_THREADS."""
    return _asked or min(num_cores(), _openmp_threads() or num_cores())


def num_cores(cpus: Path = _CPUS) -> int:
    """Returns the physical cores; hyperthreads share the units that the products keep busy.

    On macOS only those of the fast kind count, because all threads wait for the slowest one.

    Args:
        cpus: where Linux tells which processors share a core.
    """
    if not hasattr(os, "sched_getaffinity"):
        fast = _told_by_kernel("hw.perflevel0.physicalcpu") or _told_by_kernel("hw.physicalcpu")
        return fast or os.cpu_count() or 1
    usable = os.sched_getaffinity(0)
    cores = {_siblings(cpus, cpu) for cpu in usable}
    return max(1, len(cores))


def _siblings(cpus: Path, cpu: int) -> str:
    """Returns what names the core of a processor, itself where nothing tells."""
    try:
        return (cpus / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text()
    except OSError:
        return f"cpu {cpu}"


def _told_by_kernel(name: str) -> int | None:
    """Returns a number that macOS knows by this name (sysctl), None elsewhere."""
    number = ctypes.c_int32()
    size = ctypes.c_size_t(ctypes.sizeof(number))
    try:
        ask = ctypes.CDLL(None).sysctlbyname
    except (AttributeError, OSError, TypeError):  # TypeError: Windows has no library of this name
        return None
    failed = ask(name.encode(), ctypes.byref(number), ctypes.byref(size), None, ctypes.c_size_t(0))
    return None if failed else number.value


def _openmp_threads() -> int | None:
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(told) if told.isdecimal() and int(told) > 0 else None
