"""The measurement of speculation at work: its ratio, and one run against real engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from bench import speculation
from bench.backends import VARIANTS, Ask
from bench.drafts import Edit


def test_the_ratio_is_of_the_sums_and_files_are_resampled() -> None:
    asked = Ask("", "", VARIANTS["spm"], 4)
    edits = [Edit(asked, [1, 2], [], [], "", file) for file in ("a", "a", "b", "c")]
    found = speculation.summary(edits, [(2.0, 1.0), (10.0, 5.0), (3.0, 3.0), (8.0, 4.0)])
    assert found["speedup"] == round(23 / 13, 2)
    assert found["interval"] == "1.00 to 2.00"
    assert (found["requests"], found["tokens"]) == (4, 8)
    assert (found["off_ms"], found["on_ms"]) == (5.75, 3.25)


def test_nothing_is_learnt_of_a_completion_before_it_is_timed() -> None:
    """It was asked for whole first, so that the engine knew how its drafts would do."""
    asked: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        return httpx.Response(200, json={})

    engine = httpx.Client(base_url="http://engine", transport=httpx.MockTransport(answer))
    edit = Edit(Ask("a", "b", VARIANTS["spm"], 4), [1, 2, 3], [], [], "earlier", "file")
    assert speculation.timed(engine, edit) >= 0
    first, second = asked
    assert (first.pop("n_predict"), second.pop("n_predict")) == (0, 3)
    assert first == second


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
