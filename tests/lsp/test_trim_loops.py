"""Loops of a small model: how soon they end, what of them stays, and what is none."""

from __future__ import annotations

import pytest

from midfill_lsp.trim import Trimmer, describe, repeat
from tests.lsp.trimming import Case, in_pieces, trim

PY = "python"
DOC = '"""Returns the given number of the number of the number of the number'
TWICE = "if not isinstance(a, str):\n        return a\n"


@pytest.mark.parametrize(
    ("document", "written", "num_chars"),
    [
        ("x = █", "f(1, 2) + " * 40, 12),
        ("def f():\n    █\n", "a = 1\n" + "    a = 1\n" * 30, 16),
        ("def f():\n    █\n", "a()\n    b()\n" + "    a()\n    b()\n" * 30, 48),
        ("x = [\n    █\n]\n", "0, 0, 0,\n" + "    0, 0, 0,\n" * 30, 30),
    ],
)
def test_loops_end_soon(document: str, written: str, num_chars: int) -> None:
    for pieces in (list(written), in_pieces(written, 1), [written]):
        result = trim(Case(PY, document, "", ""), pieces)
        assert written.startswith(result.text)
        assert len(result.text) <= num_chars
        assert result.reason == "repeat"


@pytest.mark.parametrize(
    ("document", "written", "inserted"),
    [
        # as the early starter model wrote them
        ("def f():\n    █\n", DOC, '"""Returns the given number of the'),
        (
            "def f():\n    █\n",
            '"""It.\n\n    A list of the given number of the\n    given number of the value\n',
            '"""It.\n\n    A list of the given number of the',
        ),
        ("def f():\n    █\n", f"{TWICE}    {TWICE}    {TWICE}", TWICE.rstrip()),
        (
            "class A:\n    def f(self):\n    █\n",
            "        self.a = self.name\n\n" * 4,
            "    self.a = self.name",
        ),
        (
            "def f():\n    █\n",
            "".join(f"a = first_thing(b)\n    {name}()\n    " for name in "vwxyz"),
            "a = first_thing(b)\n    v()\n    a = first_thing(b)\n    w()\n"
            "    a = first_thing(b)\n    x()",
        ),
        (
            "def f():\n    █\n",
            "x = a.shape if a not in a.shape if a not in a.shape\n",
            "x = a.shape if a not in",
        ),
        ("def f():\n    █\n", "x = 1\n    y = 1" + "0" * 60 + "\n", "x = 1"),
        # what stands above
        ("    def f(self, a):\n    █\n", "def f(self, a):\n        x()\n", ""),
        ("first_thing(b)\n█\n", "first_thing(b)\n", ""),
        # cut so, a bracket would stay open
        ("def f():\n    █\n", "x = 1\n    y = zeros((a, a, a, a, a, a, a, a, a,\n", "x = 1"),
        ("x = [█]\n", "zeros((a, a, a, a, a, a, a, a, a, a, a, a, a, a", ""),
    ],
)
def test_what_stays_of_a_loop(document: str, written: str, inserted: str) -> None:
    assert trim(Case(PY, document, "", ""), [written]).text == inserted
    pieces = trim(Case(PY, document, "", ""), list(written)).text
    assert pieces.startswith(inserted)
    assert pieces.count("\n") == inserted.count("\n")


@pytest.mark.parametrize(
    "written",
    [
        "dirname(dirname(dirname(__file__)))",
        "x.parent.parent.parent.parent / name",
        "foo(None, None, None, None)",
        "'%s %s %s %s' % (a, b, c, d)",
        "a if b else c if d else e",
        "# " + "| -------------------- " * 4 + "|",
    ],
)
def test_repetition_that_people_write_stays(written: str) -> None:
    assert trim(Case(PY, "x = █\n", "", ""), [written]).text == written
    assert trim(Case(PY, "x = █\n", "", ""), list(written)).text == written


def test_what_nobody_saw_may_be_dropped() -> None:
    for is_shown, inserted in ((True, "2.0.0.0"), (False, "")):
        trimmer = Trimmer(describe("x = ", "\n", PY), is_shown)
        for char in "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0":
            trimmer.feed(char)
        assert trimmer.finish().text == inserted


def test_a_rule_is_not_a_loop() -> None:
    assert trim(Case(PY, "# █\n", "", ""), list("-" * 70 + "\n")).text == "-" * 70


@pytest.mark.parametrize("unit", ["\u2028", " ", "ab cd ", "=="])
def test_what_is_held_back_of_an_endless_line_is_bounded(unit: str) -> None:
    # Each delta of an endless line was compared in whole: a minute of it blocked the server.
    assert repeat.num_held(unit * 20_000) <= 240
