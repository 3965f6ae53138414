"""The file of statistics: small, shared, and of numbers only."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from midfill_lsp.statistics import store as stores
from midfill_lsp.statistics.store import Store
from midfill_lsp.statistics.tally import Key, Tally, class_of, dump, load

DAY = date(2026, 11, 26)


def tally(**counts: int) -> Tally:
    made = Tally()
    made.counts.update(counts)
    return made


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "statistics.jsonl")


def test_what_is_added_adds_up(store: Store, tmp_path: Path) -> None:
    python, go = Key.of(DAY, "python"), Key.of(DAY, "go")
    assert store.read() == {}
    assert store.add({python: tally(shown=2), go: tally(shown=1)})
    assert store.add({python: tally(shown=3, accepted=1)})
    assert store.add({})
    assert store.read()[python].counts == {"shown": 5, "accepted": 1}
    assert (tmp_path / "statistics.jsonl").stat().st_mode & 0o077 == 0
    store.reset()
    store.reset()
    assert store.read() == {}


def test_percentiles_are_close_whatever_was_merged() -> None:
    whole = Tally()
    for latency_ms in range(1, 1001):
        part = Tally()
        part.time(float(latency_ms))
        whole.add(part)
    for share in (0.5, 0.95):
        found = whole.percentile_ms(share)
        assert found is not None
        assert abs(found / (1000 * share) - 1) < 0.06
    assert Tally().percentile_ms(0.5) is None
    assert class_of(0.0) == 0
    assert class_of(1e12) == class_of(1e9)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "null",
        '{"day":"today","language":"c","counts":{},"latencies":{}}',
        '{"day":"2026-11-26","language":"c","counts":{"shown":-1},"latencies":{}}',
        '{"day":"2026-11-26","language":"c","counts":{"shown":"1"},"latencies":{}}',
        '{"day":"2026-11-26","language":3,"counts":{},"latencies":{}}',
        '{"day":"2026-11-26","language":"c","counts":{},"latencies":{"x":1}}',
        # These brought the command down when it added up or drew.
        '{"day":"2026-11-26","language":"c","counts":{},"latencies":{"99999":3}}',
        '{"day":"2026-11-26","language":"c","counts":{},"latencies":{"-1":3}}',
        f'{{"day":"2026-11-26","language":"c","counts":{{"shown":1{"0" * 400}}},"latencies":{{}}}}',
        "[" * 100_000,
    ],
)
def test_what_is_no_line_of_ours_is_left_out(line: str) -> None:
    assert load(line) is None


def test_a_language_id_cannot_carry_text() -> None:
    assert Key.of(DAY, "C:\\secret\\path").language == "other"
    assert Key.of(DAY, "objective-c++").language == "objective-c++"
    assert load(dump(Key.of(DAY, "c"), tally(shown=1))) == (Key.of(DAY, "c"), tally(shown=1))


def test_the_file_stays_small(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "MAX_BYTES", 2000)
    for idx in range(100):
        store.add(
            {Key("2026-11-25", "c"): tally(shown=1), Key("2026-11-26", "c"): tally(shown=idx)}
        )
    assert (tmp_path / "statistics.jsonl").stat().st_size < 2300
    assert store.read()[Key("2026-11-25", "c")].counts == {"shown": 100}
    for idx in range(28):
        store.add({Key(f"2025-01-{idx + 1:02}", "c"): tally(shown=1)})
    kept = sorted(key.day for key in store.read())
    assert kept[-1] == "2026-11-26", "the oldest go first"
    assert len(kept) < 30


def test_a_file_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not Store(tmp_path / "file" / "x.jsonl").add({Key.of(DAY, "c"): tally(shown=1)})


def test_a_torn_line_costs_no_other(store: Store, tmp_path: Path) -> None:
    key = Key.of(DAY, "c")
    assert store.add({key: tally(shown=1)})
    with (tmp_path / "statistics.jsonl").open("a") as file:
        file.write('{"day":"2026-')  # killed while it wrote
    assert store.add({key: tally(shown=2)})
    assert store.read() == {key: tally(shown=3)}


def test_a_full_disk_leaves_no_half_line(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = Key.of(DAY, "c")
    assert store.add({key: tally(shown=1)})
    before = (tmp_path / "statistics.jsonl").read_bytes()

    class Full(io.FileIO):
        def write(self, data: Any, /) -> int:  # noqa: ANN401
            return super().write(bytes(data)[:20])

    def fdopen(descriptor: int, mode: str, **_more: object) -> io.FileIO:
        return Full(descriptor, mode.replace("b", ""))

    monkeypatch.setattr(os, "fdopen", fdopen)
    assert not store.add({key: tally(shown=2)})
    assert (tmp_path / "statistics.jsonl").read_bytes() == before


def test_counts_are_written_once_where_they_cannot_be_made_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "MAX_BYTES", 10)

    def refuse(*_args: object) -> None:
        raise OSError

    monkeypatch.setattr(os, "replace", refuse)
    key = Key.of(DAY, "c")
    assert store.add({key: tally(shown=1)}), "or they would be added again"
    assert store.read() == {key: tally(shown=1)}


def test_what_was_counted_before_a_reset_is_forgotten(store: Store, tmp_path: Path) -> None:
    key, began = Key.of(DAY, "c"), time.time()
    store.reset()
    assert store.add({key: tally(shown=1)}, began)
    assert store.read() == {}
    assert store.add({key: tally(shown=2)}, time.time())
    assert store.read() == {key: tally(shown=2)}
    (tmp_path / "statistics.reset").write_text(str(time.time() + 1e6))
    assert store.add({key: tally(shown=1)}, time.time()), "the clock was set back"
    assert store.read() == {key: tally(shown=3)}


def test_a_held_lock_is_waited_for_a_moment_only(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "_LOCK_TIMEOUT_S", 0.05)
    with FileLock(tmp_path / "statistics.lock"):
        assert not store.add({Key.of(DAY, "c"): tally(shown=1)})
        with pytest.raises(TimeoutError):
            store.reset()
    assert store.read() == {}


ADDER = """
import sys
from pathlib import Path
from midfill_lsp.statistics import store
from midfill_lsp.statistics.tally import Key, Tally
store.MAX_BYTES = 500
store._LOCK_TIMEOUT_S = 30
kept = store.Store(Path(sys.argv[1]))
for _ in range(50):
    tally = Tally()
    tally.count("shown")
    assert kept.add({Key("2026-11-26", "c"): tally})
"""


@pytest.mark.e2e
async def test_several_processes_lose_nothing(store: Store, tmp_path: Path) -> None:
    path = str(tmp_path / "statistics.jsonl")
    adders = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", ADDER, path) for _ in range(3)
    ]
    assert [await adder.wait() for adder in adders] == [0, 0, 0]
    assert store.read()[Key("2026-11-26", "c")].counts == {"shown": 150}


def test_no_socket_is_opened(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise AssertionError("statistics stay on this machine")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    assert store.add({Key.of(DAY, "c"): tally(shown=1)})
    assert store.read()
    store.reset()
