"""Cuts of real files, and what trimming makes of their true remainders."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from bench import cuts, remainders
from bench.cuts import Cut, closers_of

SOURCE = '''"""Shapes."""


class Square:
    """A square."""

    def __init__(self, side):
        self.side = side
        self.name = "square (plain)"
        self.seen = []

    def area(self):
        total = self.side * self.side
        self.seen.append({"area": total})
        return total
'''


def test_what_is_missing_fits_where_it_was_cut() -> None:
    kinds: set[str] = set()
    for cut in cuts.cuts(SOURCE, 400, random.Random(3)):
        kinds.add(cut.kind)
        behind = cut.suffix
        if cut.kind == "closed":
            closers = closers_of(cut.prefix.split("\n")[-1])
            assert closers
            assert behind.startswith(closers)
            behind = behind[len(closers) :]
        assert cut.prefix + cut.expected + behind == SOURCE
        assert cut.answer.startswith(cut.expected)
    assert kinds == set(cuts.KINDS)


@pytest.mark.parametrize(
    ("head", "closers"),
    [
        ("print(", ")"),
        ('d = {"a": [f(1', ")]}"),
        ('say("it', '")'),
        (r'say("a\"b', '")'),
        ("don't (", ")"),
        ("f('a", "')"),
        ("f(a) + g[b]", ""),
    ],
)
def test_what_an_editor_closes(head: str, closers: str) -> None:
    assert closers_of(head) == closers


@pytest.mark.parametrize(
    ("cut", "text", "line", "outcome"),
    [
        (Cut("rest", "a = ", "\n", "f(x)\nb", "f(x)"), "f(x)", "f(x)", "whole"),
        (Cut("rest", "a = ", "\n", "f(x)\nb", "f(x)"), "f(", "f(", "less"),
        (Cut("rest", "a = ", "\n", "f(x)\nb", "f(x)"), "f(y)", "f(y)", "wrong"),
        (Cut("rest", "a = ", "\n", "f(x)\nb", "f(x)"), "", "", "nothing"),
        (Cut("rest", "a = ", "\n", "  f(x)", "  f(x)"), "f(x)", "f(x)", "whole"),
        (Cut("hole", "f(", ")\n", "x)", "x"), "x", "x)", "whole"),
        (Cut("hole", "f(", ")\n", "x)", "x"), "x)", "x))", "wrong"),
        (Cut("closed", "f(x", ")\n", ")\n", ")"), "", ")", "whole"),
        (Cut("block", "if a:", "\nc", "\n  b\nc", "\n  b"), "\n  b", "\n  b", "whole"),
        (Cut("block", "if a:", "\nc", "\n  b\n  d\nc", "\n  b\n  d"), "\n  b", "\n  b", "less"),
    ],
)
def test_what_a_text_is_worth(cut: Cut, text: str, line: str, outcome: str) -> None:
    assert remainders.outcome_of(cut, text, line, "block") == outcome


def test_only_the_first_line_counts_where_no_more_is_suggested() -> None:
    cut = Cut("block", "if a:", "\nc", "\n  b\n  d\nc", "\n  b\n  d")
    assert remainders.outcome_of(cut, "\n  b", "\n  b", "line") == "whole"


def nothing(*_told: object) -> str:
    return "nothing"


def test_two_runs_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, out = tmp_path / "src", tmp_path / "out.json"
    root.mkdir()
    (root / "shapes.py").write_text(SOURCE)
    (root / "broken.py").write_bytes(b"\xff\xfe")
    (root / "notes.unknown").write_text("x")
    argv = ["--root", str(root), "--num-cuts", "60"]
    told = remainders.main([*argv, "--out", str(out)])
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == told
    total = sum(sum(row[name] for name in remainders.ORDER) for row in told["rows"])
    whole = sum(row["whole"] for row in told["rows"])
    assert {row["language"] for row in told["rows"]} == {"python"}
    assert whole > 0.8 * total > 20
    outcomes = json.loads(out.read_text())
    assert len(outcomes) == total
    changed = next(one for one in outcomes if one["outcome"] == "whole")
    changed["outcome"] = "wrong"
    out.write_text(json.dumps(outcomes))
    assert remainders.main([*argv, "--against", str(out)])["against"] == {"worse": 0, "better": 1}
    capsys.readouterr()
    monkeypatch.setattr(remainders, "outcome_of", nothing)
    assert remainders.main([*argv, "--against", str(out)])["against"] == {
        "worse": total - 1,
        "better": 1,
    }
    assert "worse: " in capsys.readouterr().out
