"""Carets in text, as tables."""

from __future__ import annotations

import pytest

from midfill_lsp.cli.text import (
    Caret,
    NoSuchPlace,
    caret_at,
    find_caret,
    offset_of,
    split_lines,
    whole_lines,
)

TEXT = "aé🙂b\r\n\tx\r\n\nlast"


@pytest.mark.parametrize(
    ("line_idx", "character", "encoding", "column"),
    [
        (0, 0, "utf-8", 0),
        (0, 3, "utf-8", 2),
        (0, 7, "utf-8", 3),
        (0, 4, "utf-16", 3),
        (0, 3, "utf-32", 3),
        (0, 4, "utf-32", 4),
        (1, 2, "utf-16", 2),
        (2, 0, "utf-8", 0),
        (3, 4, "utf-8", 4),
    ],
)
def test_find(line_idx: int, character: int, encoding: str, column: int) -> None:
    caret = find_caret(TEXT, line_idx, character, encoding)
    assert caret == Caret(line_idx, column)
    assert caret_at(TEXT, offset_of(TEXT, caret)) == caret


@pytest.mark.parametrize(
    ("line_idx", "character", "encoding"),
    [(0, 2, "utf-8"), (0, 3, "utf-16"), (0, 5, "utf-32"), (4, 0, "utf-8"), (2, 1, "utf-8")],
)
def test_no_such_place(line_idx: int, character: int, encoding: str) -> None:
    with pytest.raises(NoSuchPlace):
        find_caret(TEXT, line_idx, character, encoding)


def test_empty_text() -> None:
    assert find_caret("", 0, 0, "utf-16") == Caret(0, 0)


@pytest.mark.parametrize(
    "text", [TEXT, TEXT + "\r", "", "\n", "a\fb\u2028c\vd\x85e\nf", "\n\n\r\n"]
)
def test_whole_lines_are_those_that_lsp_counts(text: str) -> None:
    lines = whole_lines(text)
    assert "".join(lines) == text
    bare = [line.rstrip("\r\n") for line in lines]
    assert bare == split_lines(text)[: len(bare)]
    assert split_lines(text)[len(bare) :] in ([], [""])
