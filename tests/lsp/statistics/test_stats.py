"""`midfill stats`, and what a running server counts."""

from __future__ import annotations

import io
import json
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from midfill_lsp.cli import main
from midfill_lsp.cli.stats import draw
from midfill_lsp.statistics import store as stores
from midfill_lsp.statistics.store import Store
from midfill_lsp.statistics.tally import Key, Tally
from tests.fakes import FakeBackend
from tests.lsp.in_process import InProcess

URI = "file:///add.py"


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("MIDFILL_STATE_DIR", str(tmp_path / "state"))
    return Store(tmp_path / "state" / "statistics.jsonl")


def add(store: Store, back: int, language: str, **counts: int) -> None:
    tally = Tally()
    tally.counts.update(counts)
    tally.time(20.0)
    key = Key.of(date.today() - timedelta(days=back), language)
    assert store.add({key: tally})


def test_printed(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats"]) == 0
    assert "nothing was suggested in the last 30 days" in capsys.readouterr().out
    add(store, 0, "python", shown=10, accepted=4, kept=3, gone=1, accepted_chars=1200)
    add(store, 1, "go", shown=2, accepted=1, partly_accepted=1)
    add(store, 99, "c", shown=1000)
    assert main(["stats"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(lines[0].split()) == (
        "language shown accepted in part kept mostly gone chars p50 ms"
    )
    assert " ".join(lines[1].split()[:11]) == "python 10 4 40% 0 3 75% 0 0% 1 25%"
    assert lines[3].split()[:4] == ["all", "12", "5", "42%"]
    assert "c  " not in "".join(line[:3] for line in lines)
    assert lines[-1].endswith("▂█|  4 at most")


def test_an_output_that_has_no_blocks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add(store, 0, "python", shown=10, accepted=4)
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="latin-1"))
    assert main(["stats"]) == 0
    sys.stdout.flush()
    assert out.getvalue().endswith(b"?|  4 at most\n")


def test_json_and_reset(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    add(store, 0, "python", shown=10)
    assert main(["stats", "--json", "--days", "1"]) == 0
    (facts,) = json.loads(capsys.readouterr().out)["tallies"]
    assert (facts["language"], facts["shown"]) == ("python", 10)
    assert abs(facts["p95_ms"] - 20) < 1
    assert main(["stats", "--reset"]) == 0
    assert store.read() == {}


def test_json_gives_all_unless_days_are_said(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    add(store, 300, "python", shown=10)
    assert main(["stats", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["days"], len(facts["tallies"])) == (None, 1)
    assert main(["stats", "--json", "--days", "30"]) == 0
    assert json.loads(capsys.readouterr().out) == {"days": 30, "tallies": []}


def test_days_that_are_many_or_none(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    add(store, 300, "python", shown=10)
    assert main(["stats", "--days", "9" * 30]) == 0
    assert "python" in capsys.readouterr().out
    for days in ("0", "-5", "x"):
        assert main(["stats", f"--days={days}"]) == 2
        assert f"{days!r} is no number of days" in capsys.readouterr().err


def test_a_file_of_another_s_brings_nothing_down(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(store, 0, "python", shown=10)
    strange = '{"day":"2026-11-26","language":"c","counts":{},"latencies":{"99999":3}}'
    path = tmp_path / "state" / "statistics.jsonl"
    path.write_text(f"{strange}\n{'[' * 100_000}\n{path.read_text()}")
    assert main(["stats"]) == 0
    assert "python" in capsys.readouterr().out


def test_a_locked_file_is_told(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    add(store, 0, "python", shown=10)
    monkeypatch.setattr(stores, "_LOCK_TIMEOUT_S", 0.05)
    with FileLock(tmp_path / "state" / "statistics.lock"):
        assert main(["stats", "--reset"]) != 0
    assert "is locked by another process; try again" in capsys.readouterr().err
    assert store.read()


def test_the_chart_has_a_block_a_day() -> None:
    day = date(2026, 11, 26)
    tallies = {Key.of(day - timedelta(days=back), "c"): Tally() for back in range(3)}
    for back, tally in enumerate(tallies.values()):
        tally.count("accepted", 8 - 3 * back)
    assert draw(tallies, 4, day) == (" ▂▅█", 8)
    assert draw({}, 2, day) == ("  ", 0)


async def test_a_server_counts_what_editors_tell(store: Store) -> None:
    editor = InProcess(FakeBackend(deltas=["a + b"]))
    await editor.initialize()
    editor.open(URI, "def add(a, b):\n    return \n")
    (item, *_) = await editor.complete(URI, 1, 11)
    editor.notify("textDocument/didShowCompletion", {"item": item})
    editor.notify("textDocument/didPartiallyAcceptCompletion", {"item": item, "acceptedLength": 1})
    command = {"command": item["command"]["command"], "arguments": item["command"]["arguments"]}
    place = {"line": 1, "character": 11}
    editor.change(URI, 2, {"range": {"start": place, "end": place}, "text": "a + b"})
    await editor.request("workspace/executeCommand", command)
    editor.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
    await editor.shut_down()
    (tally,) = store.read().values()
    assert tally.counts == {
        "shown": 1,
        "shown_chars": 5,
        "partly_accepted": 1,
        "accepted": 1,
        "accepted_chars": 5,
        "kept": 1,
    }
    assert tally.latencies.total() == 1


async def test_what_is_typed_through_is_shown_once(store: Store) -> None:
    # The window's page counted an answer to each key, and the share that was accepted sank.
    editor = InProcess(FakeBackend(deltas=["a + b"]))
    await editor.initialize()
    editor.open(URI, "def add(a, b):\n    return \n")
    for version, column in enumerate(range(11, 14), 2):
        (item, *_) = await editor.complete(URI, 1, column)
        editor.notify("textDocument/didShowCompletion", {"item": item})
        place = {"line": 1, "character": column}
        text = "a + b"[column - 11]
        editor.change(URI, version, {"range": {"start": place, "end": place}, "text": text})
    status = await editor.request("workspace/executeCommand", {"command": "midfill.status"})
    assert status["metrics"]["events"] == {"shown": 1}
    await editor.shut_down()
    (tally,) = store.read().values()
    assert tally.counts["shown"] == 1


async def test_the_setting_turns_it_off(store: Store) -> None:
    editor = InProcess(FakeBackend(deltas=["a + b"]))
    await editor.initialize()
    settings = {"midfill": {"statistics": {"enabled": False}}}
    editor.notify("workspace/didChangeConfiguration", {"settings": settings})
    editor.open(URI, "x = \n")
    assert await editor.complete(URI, 0, 4)
    await editor.shut_down()
    assert store.read() == {}
