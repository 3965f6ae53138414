"""The measurement of speculation at work: its ratio, and one run against real engines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench import speculation


def test_the_ratio_is_of_the_sums_and_lies_in_its_interval() -> None:
    pairs = [(2.0, 1.0), (10.0, 5.0), (3.0, 3.0), (8.0, 4.0)]
    found = speculation.summary(pairs)
    assert found["speedup"] == pytest.approx(23 / 13)
    low, high = found["interval"]
    assert 1 < low < found["speedup"] < high <= 2
    assert (found["requests"], found["off_ms"], found["on_ms"]) == (4, 5.75, 3.25)


@pytest.mark.e2e
@pytest.mark.slow
def test_engines_with_and_without_drafts_are_asked_the_same(
    model: Path, corpus: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--model", str(model), "--files", str(corpus), "--num-cases", "4"]
    options += ["--variant", "spm", "--dtype", "float32"]
    monkeypatch.setattr("sys.argv", ["speculation.py", *options])
    assert speculation.main() == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert {row["request"] for row in rows} >= {"first request"}
    assert all(row["tokens"] >= row["requests"] > 0 and row["on_ms"] > 0 for row in rows)
