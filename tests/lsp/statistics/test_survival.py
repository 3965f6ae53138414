"""What is left of accepted text."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midfill_lsp.statistics.survival import Place, distance, judge, others

TEXT = "return a + b\n\n\ndef sub(a, b):\n    return a - b"


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


@dataclass(frozen=True)
class Case:
    """A document after a while."""

    document: str
    line_idx: int
    fate: str


@pytest.mark.parametrize(
    "case",
    [
        Case(f"def add(a, b):\n    {TEXT}\n", 1, "kept"),
        Case("\r\n".join(f"def add(a, b):\n    {TEXT}\n".split("\n")), 1, "kept"),
        Case(f"import os\nimport re\n\ndef add(a, b):\n    {TEXT}\n", 1, "kept"),
        Case(f"{'x = 1' * 3}\n" * 40 + TEXT, 1, "gone"),
        Case(f"{TEXT.replace('sub', 'minus')}\n", 0, "mostly_kept"),
        Case(f"{TEXT.replace('a', 'left').replace('b', 'right')}\n", 0, "gone"),
        Case("return a + b\n", 0, "gone"),
        Case("", 0, "gone"),
        Case("def add(a, b):\n    pass\n", 900, "gone"),
    ],
)
def test_fates(case: Case) -> None:
    assert judge(TEXT, lines(case.document), case.line_idx) == case.fate


@pytest.mark.parametrize("is_there_already", [True, False])
@pytest.mark.parametrize(
    ("after", "fate"),
    [
        (["return x\n", "if y:\n", "    return x\n"], "kept"),
        (["return x\n", "y()\n", "if y:\n", "    return x\n"], "kept"),
        (["return x\n", "if y:\n", "    "], "gone"),
        (["if y:\n", "    return x\n"], "kept"),  # its line moved up, and the other went
    ],
)
def test_a_twin_above_does_not_count(after: list[str], fate: str, is_there_already: bool) -> None:
    before = ["return x\n", "if y:\n", "    return x\n" if is_there_already else "    "]
    num_others = others("return x", before, 2, "    ")
    assert num_others == 1
    line_idx = next((idx for idx, line in enumerate(after) if line == "if y:\n"), 0) + 1
    assert judge("return x", after, line_idx, "    ", num_others) == fate


@pytest.mark.parametrize(
    ("line", "fate"),
    [
        ("    x = foo(a, b)\n", "mostly_kept"),  # by a formatter, as its twin
        ("    x = foo(a, b, c)\n", "mostly_kept"),
        ("    x = None\n", "gone"),
        ("    y = foo(a, b)\n", "mostly_kept"),
        ("    return y\n", "gone"),
        ("", "gone"),
    ],
)
def test_what_a_formatter_touched_is_kept_beside_a_twin(line: str, fate: str) -> None:
    # It was gone as soon as one character of it had changed.
    before = ["    z = foo(a,b)\n", "    y()\n", "    x = foo(a,b)\n"]
    num_others = others("foo(a,b)", before, 2, "    x = ")
    after = ["    z = foo(a, b)\n", "    y()\n", line]
    assert judge("foo(a,b)", after, 2, "    x = ", num_others) == fate


def test_blank_text_is_kept_where_it_stands() -> None:
    assert judge("\n    ", ["def f():\n", "    pass\n"], 0, "def f():") == "kept"
    assert judge("\n    ", ["def f(): pass\n"], 0, "def f():") == "gone"


def test_long_text_is_judged_by_its_beginning() -> None:
    text = "\n".join(f"value_{idx} = {idx}" for idx in range(2000))
    assert judge(text, lines(text), 0) == "kept"
    assert judge(text, lines(text.replace("value_5 ", "other ")), 0) == "mostly_kept"


@pytest.mark.parametrize(
    ("edit", "line_idx"),
    [
        ((0, 0, 2), 7),  # two lines more above
        ((1, 3, 0), 3),  # two less
        ((2, 6, 1), 3),  # what holds the place is replaced
        ((5, 5, 1), 5),  # in the same line, behind or before: the margin finds it
        ((9, 12, 0), 5),
    ],
)
def test_a_place_moves_with_the_lines_above(edit: tuple[int, int, int], line_idx: int) -> None:
    assert Place("u", 5).after(*edit).line_idx == line_idx


def plain_distance(left: list[str], right: list[str]) -> int:
    if not left or not right:
        return len(left) + len(right)
    return min(
        plain_distance(left[1:], right[1:]) + (left[0] != right[0]),
        plain_distance(left[1:], right) + 1,
        plain_distance(left, right[1:]) + 1,
    )


TOKENS = st.lists(st.sampled_from("ab"), max_size=4)


@given(TOKENS, TOKENS)
def test_distance_is_that_to_the_closest_part(tokens: list[str], window: list[str]) -> None:
    parts = [window[i:j] for i in range(len(window) + 1) for j in range(i, len(window) + 1)]
    assert distance(tokens, window) == min(plain_distance(tokens, part) for part in parts)
