"""Snapshots against an oracle that is written in another way: whole text, UTF-16 code units."""

from __future__ import annotations

import random

import pytest

from midfill_lsp.document import (
    Edit,
    Encoding,
    Position,
    Snapshot,
    column_of,
    open_snapshot,
)
from midfill_lsp.lines import split_lines

ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")
PIECES = [
    *("\x85", "\x1c", "", "def f():\n", "x\n\n", "\n\r", "\ufeff"),
    "a",
    "ab",
    "\t",
    " ",
    "\n",
    "\r\n",
    "\r",
    "é",
    "漢",
    "😀",
    "👩‍👩‍👧",
    "\u2028",
    "\x0b",
    "\x0c",
]


def units_of(char: str, encoding: Encoding) -> int:
    if encoding == "utf-32":
        return 1
    if encoding == "utf-8":
        return 1 + (ord(char) > 0x7F) + (ord(char) > 0x7FF) + (ord(char) > 0xFFFF)
    return 1 + (ord(char) > 0xFFFF)


def oracle_offset(text: str, position: Position, encoding: Encoding) -> int:
    """Walk the whole text one character at a time, as the LSP specification words it."""
    offset = line = 0
    while line < position.line:
        while offset < len(text) and text[offset] not in "\r\n":
            offset += 1
        if offset == len(text):
            return offset
        offset += 2 if text[offset : offset + 2] == "\r\n" else 1
        line += 1
    units = position.character
    while offset < len(text) and text[offset] not in "\r\n":
        units -= units_of(text[offset], encoding)
        if units < 0:
            break
        offset += 1
    return offset


def random_position(rng: random.Random, snapshot: Snapshot) -> Position:
    line = rng.randrange(len(snapshot.lines) + 2)
    width = len(snapshot.lines[line]) if line < len(snapshot.lines) else 0
    return Position(line, rng.randrange(2 * width + 3))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("seed", range(4))
def test_random_edits_agree_with_the_oracle(encoding: Encoding, seed: int) -> None:
    rng = random.Random(seed)
    text = "".join(rng.choices(PIECES, k=20))
    snapshot = open_snapshot("file:///x", "python", 0, text, encoding)
    for version in range(1, 1500):
        fresh = "".join(rng.choices(PIECES, k=rng.randrange(4)))
        if rng.random() < 0.005 or len(text) > 400:
            edit, text = Edit(fresh), fresh
        else:
            start, end = (random_position(rng, snapshot) for _ in range(2))
            ends = sorted(oracle_offset(text, place, encoding) for place in (start, end))
            edit = Edit(fresh, start, end)
            text = text[: ends[0]] + fresh + text[ends[1] :]
        snapshot = snapshot.apply((edit,), version)
        assert snapshot.text == text
        assert snapshot.lines == split_lines(text)
        snapshot.lines.check_integrity()
        check_position(snapshot, random_position(rng, snapshot))


def check_position(snapshot: Snapshot, position: Position) -> None:
    offset = oracle_offset(snapshot.text, position, snapshot.encoding)
    assert snapshot.offset_at(position) == offset
    assert snapshot.offset_at(snapshot.position_at(offset)) == offset
    line_idx, column = snapshot.locate(position)
    assert sum(map(len, snapshot.lines[:line_idx])) + column == offset


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ("",)),
        ("a", ("a",)),
        ("a\n", ("a\n", "")),
        ("a\r\nb\rc\n\n", ("a\r\n", "b\r", "c\n", "\n", "")),
        ("\n\r", ("\n", "\r", "")),
        ("a\u2028b\x0c\x0b\x85c\n", ("a\u2028b\x0c\x0b\x85c\n", "")),
    ],
)
def test_only_the_three_line_ends_split(text: str, lines: tuple[str, ...]) -> None:
    assert split_lines(text) == lines


@pytest.mark.parametrize(
    ("encoding", "character", "column"),
    [
        ("utf-16", 0, 0),
        ("utf-16", 1, 1),
        ("utf-16", 2, 1),  # inside the pair of the emoji: its start
        ("utf-16", 3, 2),
        ("utf-16", 99, 3),
        ("utf-8", 2, 1),
        ("utf-8", 4, 1),
        ("utf-8", 5, 2),
        ("utf-8", 6, 3),
        ("utf-32", 2, 2),
    ],
)
def test_column_inside_a_character_is_its_start(
    encoding: Encoding, character: int, column: int
) -> None:
    assert column_of("a😀b", character, encoding) == column


def test_columns_in_a_very_long_line() -> None:
    line = "é😀" * 50_000
    assert column_of(line, 3 * 40_000 + 1, "utf-16") == 80_001
    assert column_of(line, 3 * 40_000 + 2, "utf-16") == 80_001
    assert column_of(line, 10**9, "utf-8") == len(line)


def test_a_line_feed_behind_a_lone_carriage_return_makes_one_line_end() -> None:
    snapshot = open_snapshot("file:///x", "c", 1, "a\rb", "utf-16")
    merged = snapshot.apply((Edit("\n", Position(1, 0), Position(1, 0)),), 2)
    assert merged.lines == ("a\r\n", "b")


def test_edits_of_one_notification_see_each_other() -> None:
    snapshot = open_snapshot("file:///x", "c", 1, "ab", "utf-16")
    edits = (
        Edit("1\n", Position(0, 0), Position(0, 0)),
        Edit("2", Position(1, 2), Position(1, 2)),
    )
    assert snapshot.apply(edits, 2).text == "1\nab2"


def test_the_earlier_snapshot_stays_as_it_was() -> None:
    before = open_snapshot("file:///x", "c", 1, "ab", "utf-16")
    after = before.apply((Edit("x"),), 2)
    assert (before.text, before.version) == ("ab", 1)
    assert (after.text, after.version) == ("x", 2)


@pytest.mark.parametrize(
    ("text", "line_idx", "end"),
    [
        ("a\r\nb", 0, "\r\n"),
        ("a\r\nb", 1, "\r\n"),
        ("a\nb\r\nc", 0, "\n"),
        ("a", 0, "\n"),
        ("", 0, "\n"),
    ],
)
def test_line_end_follows_the_neighbourhood(text: str, line_idx: int, end: str) -> None:
    assert open_snapshot("file:///x", "c", 1, text, "utf-16").line_end(line_idx) == end


def test_half_a_surrogate_pair_counts_one_unit() -> None:
    snapshot = open_snapshot("file:///x", "c", 1, "\ud83dx", "utf-16")
    assert snapshot.locate(Position(0, 1)) == (0, 1)
    assert snapshot.position(0, 2) == Position(0, 2)


@pytest.mark.parametrize(
    ("text", "fresh", "at"),
    [("\ud83d", "\ude00", 1), ("\ude00", "\ud83d", 0), ("a\ude00", "\ud83d", 1)],
)
def test_halves_that_meet_are_one_character(text: str, fresh: str, at: int) -> None:
    snapshot = open_snapshot("file:///x", "c", 1, text, "utf-16")
    joined = snapshot.apply((Edit(fresh, Position(0, at), Position(0, at)),), 2)
    assert joined.text == text[:at].rstrip("\ud83d") + "😀"
    assert joined.position(0, len(joined.text)).character == len(text) + 1


def test_halves_meet_where_what_was_between_is_taken_away() -> None:
    snapshot = open_snapshot("file:///x", "c", 1, "\ud83dab\ude00", "utf-16")
    assert snapshot.apply((Edit("", Position(0, 1), Position(0, 3)),), 2).text == "😀"
