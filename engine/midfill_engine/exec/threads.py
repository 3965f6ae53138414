"""How many threads compute on the CPU, for the whole process. Knows no torch."""

from __future__ import annotations

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

    Args:
        cpus: where Linux tells which processors share a core; elsewhere every one counts.
    """
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    usable = os.sched_getaffinity(0)
    cores = {_siblings(cpus, cpu) for cpu in usable}
    return max(1, len(cores))


def _siblings(cpus: Path, cpu: int) -> str:
    """Returns what names the core of a processor, itself where nothing tells."""
    try:
        return (cpus / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text()
    except OSError:
        return f"cpu {cpu}"


def _openmp_threads() -> int | None:
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(told) if told.isdecimal() and int(told) > 0 else None
