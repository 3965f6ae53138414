"""A `)` behind a pattern of a shell's `case` closes no bracket."""

from __future__ import annotations

import pytest

from midfill_lsp.trim import shell
from tests.lsp.trimming import trimmed

LOOP = "while [ $# -gt 0 ]; do\n  case $1 in\n    {}\n  esac\ndone\n"


@pytest.mark.parametrize(
    ("document", "written"),
    [
        (LOOP.format("█"), "-h | --help) usage ;;\n    -v) verbose=1 ;;\n    *) break ;;"),
        (LOOP.format("-h) usage ;;\n    █"), '--out=*) out="${1#*=}" ;;\n    --) shift ;;'),
        (LOOP.format("-h) usage ;; # shows it\n\n    █"), "(a|'b c') run \"$1\" ;;"),
        (LOOP.format("-h) usage ;;\n    # the rest\n    █"), "-v|--verbose) verbose=1 ;;"),
        (LOOP.format("-h) usage ;;\n    --out=*█"), ') out="${1#*=}" ;;'),
        (LOOP.format("-h) usage ;;\n    -█"), "v|--verbose) verbose=1 ;;"),
        ("case $(uname) in █\n", "Linux) os=linux ;; Darwin) os=mac ;; esac"),
    ],
)
def test_a_pattern_is_written_whole(document: str, written: str) -> None:
    below = document.partition("█")[2].partition("\n")[2]
    assert trimmed("shellscript", document, f"{written}\n{below}").text == written


@pytest.mark.parametrize(
    ("document", "written", "inserted"),
    [
        (LOOP.format("█) usage ;;"), "-h) usage ;;\n", "-h"),
        ("x=$(foo █)\n", "bar)\n", "bar"),
        ("a=(\n  foo\n  █\n)\n", "bar)\nx=1\n", "bar"),
        ("f() {\n  █\n}\n", "echo a)\n", "echo a"),
    ],
)
def test_a_bracket_that_the_document_closes_is_not_closed_twice(
    document: str, written: str, inserted: str
) -> None:
    assert trimmed("shellscript", document, written).text == inserted


@pytest.mark.parametrize(
    ("text", "line_above", "is_one"),
    [
        ("a)", "case $x in", True),
        ("a)", "b) ;;", True),
        ("a)", "b) ;&", True),
        ('"a b" | c)', "  ;; # end", True),
        ("a)", "echo in", True),
        ("a)", "echo main", False),
        ("a)", "", False),
        ("a b)", "case $x in", False),
        ("$(a)", "case $x in", False),
        ("x\na)", "case $x in", False),
        ("case $x in a)", "", True),
        ("b ;; a)", "", True),
    ],
)
def test_where_a_pattern_stands(text: str, line_above: str, is_one: bool) -> None:
    assert shell.is_case_pattern(text, len(text) - 1, line_above) is is_one
