"""What was typed at an anchor, line by line, against the same on whole texts."""

from __future__ import annotations

import random

import pytest

from midfill_lsp.complete.anchor import Anchor, Typed, goes_along, without_closers
from midfill_lsp.complete.request import CompletionRequest
from midfill_lsp.document import Edit, Snapshot, open_snapshot
from midfill_lsp.prompt import build

PIECES = ["a", "b ", "\n", "\n    ", "(", ")", "]", "x = 1\n", "😀"]


def plain_typed_at(before: str, after: str, text: str, cursor: int) -> Typed | None:
    """The reference: `before` and `after` are the text around the anchor, `text` is it now."""
    if cursor < len(before) or cursor > len(text) - len(after):
        return None
    if not text.startswith(before) or not text.endswith(after):
        return None
    closed = text[cursor : len(text) - len(after)]
    if len(closed) > 3 or any(char not in ")]}\"'`" for char in closed):
        return None
    return Typed(text[len(before) : cursor], closed)


def plain_inserted(before: str, after: str, text: str) -> str | None:
    """The reference for all that stands at the anchor."""
    if len(text) < len(before) + len(after):
        return None
    if not text.startswith(before) or not text.endswith(after):
        return None
    return text[len(before) : len(text) - len(after)]


def edited(snapshot: Snapshot, start: int, end: int, text: str) -> Snapshot:
    edit = Edit(text, snapshot.position_at(start), snapshot.position_at(end))
    return snapshot.apply((edit,), snapshot.version + 1)


@pytest.mark.parametrize("seed", range(5))
def test_random_edits(seed: int) -> None:
    source = random.Random(seed)
    num_typed, num_else = 0, 0
    for _ in range(400):
        text = "".join(source.choices(PIECES, k=source.randint(0, 20)))
        at = source.randint(0, len(text))
        first = open_snapshot("file:///a.py", "python", 1, text, "utf-32")
        line_idx, column = first.locate(first.position_at(at))
        request = CompletionRequest("1", first, line_idx, column)
        anchor = Anchor.of(request, build(first.lines, line_idx, column, 10_000, 10_000))
        now = first
        for _ in range(source.randint(0, 3)):
            length = len(now.text)
            start = at if source.random() < 0.7 else source.randint(0, length)
            end = min(length, start + (source.random() < 0.2))
            now = edited(now, start, end, "".join(source.choices(PIECES, k=2)))
        cursor = source.randint(0, len(now.text))
        line_idx, column = now.locate(now.position_at(cursor))
        expected = plain_typed_at(text[:at], text[at:], now.text, cursor)
        assert anchor.typed_at(now, line_idx, column) == expected
        assert anchor.inserted(now) == plain_inserted(text[:at], text[at:], now.text)
        num_typed += expected is not None
        num_else += expected is None
    assert num_typed > 10
    assert num_else > 20


def test_lines_that_were_not_sent_may_change() -> None:
    lines = [f"line {idx}\n" for idx in range(1000)]
    snapshot = open_snapshot("file:///a.py", "python", 1, "".join(lines), "utf-32")
    prompt = build(snapshot.lines, 500, 4, 200, 200)
    anchor = Anchor.of(CompletionRequest("1", snapshot, 500, 4), prompt)
    far = edited(snapshot, 0, 4, "LINE")
    assert anchor.typed_at(far, 500, 4) == Typed("")
    near = edited(snapshot, 0, 0, "one more\n")  # all lines move
    assert anchor.typed_at(near, 501, 4) is None
    end = len(snapshot.text)
    assert anchor.typed_at(edited(snapshot, end, end, "one more\n"), 500, 4) is None


def test_what_an_editor_may_have_added() -> None:
    assert list(without_closers("f([")) == ["f(["]
    assert list(without_closers("f([])")) == ["f([])", "f([]", "f(["]
    assert list(without_closers("))))")) == ["))))", ")))", "))", ")"]


def test_going_along() -> None:
    assert goes_along("ab", "abc")
    assert goes_along("abc", "ab")
    assert goes_along("", "")
    assert not goes_along("ax", "ab")
