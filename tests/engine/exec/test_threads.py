"""How many threads compute by default, and what may change it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from midfill_engine.exec.threads import num_cores, num_threads, set_threads


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
