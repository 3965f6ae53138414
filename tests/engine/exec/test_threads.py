"""How many threads compute by default, and what may change it."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from midfill_engine.exec.threads import count_cores, num_cores, num_threads, set_threads


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    set_threads(None)


def test_what_was_set_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    set_threads(5)
    assert num_threads() == 5
    set_threads(None)
    assert num_threads() == 1


@pytest.mark.parametrize(
    ("told", "expected"), [("1", 1), ("1,4", 1), ("999", 3), ("", 3), ("x", 3)]
)
def test_openmp_only_lowers(monkeypatch: pytest.MonkeyPatch, told: str, expected: int) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    monkeypatch.setattr("midfill_engine.exec.threads.num_cores", lambda: 3)
    assert num_threads() == expected


@pytest.mark.parametrize(("quota", "expected"), [(None, 3), (1, 1), (2, 2), (9, 3)])
def test_a_quota_only_lowers(
    monkeypatch: pytest.MonkeyPatch, quota: int | None, expected: int
) -> None:
    """Sixteen threads in a container of one processor's time stood still for most of it."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("midfill_engine.exec.threads.num_cores", lambda: 3)
    monkeypatch.setattr("midfill_engine.exec.threads.cpu_quota", lambda: quota)
    assert num_threads() == expected
    set_threads(8)
    assert num_threads() == 8


def test_hyperthreads_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for cpu in range(8):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{cpu % 4},{cpu % 4 + 4}\n")

    def usable(cpus: set[int]) -> int:
        def told(_process: int) -> set[int]:
            return cpus

        monkeypatch.setattr(os, "sched_getaffinity", told, raising=False)
        return num_cores(tmp_path)

    assert usable(set(range(8))) == 4
    assert usable({0, 4}) == 1
    assert usable({0, 1}) == 2
    assert usable({8, 9, 10}) == 3  # of these nothing is told


def test_without_affinity_every_processor_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert num_cores() == 6


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"hw.perflevel0.physicalcpu": 4, "hw.physicalcpu": 8}, 4),  # of two kinds
        ({"hw.physicalcpu": 2}, 2),
        ({}, 16),
    ],
)
def test_on_macos_the_fast_cores_count(
    monkeypatch: pytest.MonkeyPatch, told: dict[str, int], expected: int
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr("midfill_engine.exec.threads._told_by_kernel", told.get)
    assert num_cores() == expected


def _records(*lengths: int) -> bytes:
    """Cores as Windows tells them: kind 0, the record's length, the rest."""
    return b"".join(struct.pack("<II", 0, length) + bytes(length - 8) for length in lengths)


def test_windows_tells_cores_in_records() -> None:
    assert count_cores(b"") == 0
    assert count_cores(_records(48, 48, 64)) == 3
    assert count_cores(struct.pack("<II", 3, 48) + bytes(40) + _records(48)) == 1
    assert count_cores(struct.pack("<II", 0, 0)) == 1  # which ends all the same


@pytest.mark.parametrize(("answers", "expected"), [(True, 4), (False, 8)])
def test_on_windows_hyperthreads_count_once(
    monkeypatch: pytest.MonkeyPatch, answers: bool, expected: int
) -> None:
    records = _records(48, 48, 48, 48)

    class Kernel:
        @staticmethod
        def GetLogicalProcessorInformationEx(kind: int, into: object, size: object) -> int:
            assert kind == 0
            told = ctypes.cast(size, ctypes.POINTER(ctypes.c_uint32))  # type: ignore[arg-type]
            told[0] = len(records)
            if into is None or not answers:
                return 0
            ctypes.memmove(into, records, len(records))  # type: ignore[arg-type]
            return 1

    def opened(name: str) -> type[Kernel]:
        return {"kernel32": Kernel}[name]

    monkeypatch.setattr(ctypes, "WinDLL", opened, raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    nothing: dict[str, int] = {}
    monkeypatch.setattr("midfill_engine.exec.threads._told_by_kernel", nothing.get)
    assert num_cores() == expected
