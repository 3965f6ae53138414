"""How many threads compute on the CPU, for the whole process. Knows no torch."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import cast

from midfill_engine.exec.cgroup import cpu_quota

_CPUS = Path("/sys/devices/system/cpu")
_RECORD_HEAD = struct.Struct("<II")
_PROCESSOR_CORE = 0  # RelationProcessorCore

_asked: int | None = None


def set_threads(num_threads: int | None = None) -> None:
    """Sets the threads of the models loaded from now on; None takes one per physical core."""
    global _asked
    _asked = num_threads


def num_threads() -> int:
    """Returns what was set, or the physical cores this process may use.

    At most OMP_NUM_THREADS, and at most the processors whose time a control group leaves: threads
    beyond them use that up, and all of them stand still until more is given.
    """
    if _asked:
        return _asked
    return min(bound for bound in (num_cores(), cpu_quota(), _openmp_threads()) if bound)


def num_cores(cpus: Path = _CPUS) -> int:
    """Returns the physical cores; hyperthreads share the units that the products keep busy.

    On macOS only those of the fast kind count, because all threads wait for the slowest one.

    Args:
        cpus: where Linux tells which processors share a core.
    """
    if not hasattr(os, "sched_getaffinity"):
        fast = _told_by_kernel("hw.perflevel0.physicalcpu") or _told_by_kernel("hw.physicalcpu")
        return fast or count_cores(_told_by_windows()) or os.cpu_count() or 1
    usable = os.sched_getaffinity(0)
    cores = {_siblings(cpus, cpu) for cpu in usable}
    return max(1, len(cores))


def count_cores(told: bytes) -> int:
    """Returns how many cores there are in SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX of Windows.

    That is records of any length, which begin with their kind and their length.
    """
    count = begin = 0
    while begin + _RECORD_HEAD.size <= len(told):
        kind, length = _RECORD_HEAD.unpack_from(told, begin)
        count += kind == _PROCESSOR_CORE
        begin += max(length, _RECORD_HEAD.size)
    return count


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


def _told_by_windows() -> bytes:
    """Returns what Windows tells of its cores, nothing elsewhere."""
    library = getattr(ctypes, "WinDLL", None)
    if library is None:
        return b""
    ask = cast("Callable[..., int]", library("kernel32").GetLogicalProcessorInformationEx)
    size = ctypes.c_uint32(0)
    ask(_PROCESSOR_CORE, None, ctypes.byref(size))  # fails, and tells the size
    records = ctypes.create_string_buffer(size.value)
    return records.raw if ask(_PROCESSOR_CORE, records, ctypes.byref(size)) else b""


def _openmp_threads() -> int | None:
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(told) if told.isdecimal() and int(told) > 0 else None
