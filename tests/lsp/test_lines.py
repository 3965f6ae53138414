"""Lines in chunks against a plain tuple, and how little an edit copies."""

from __future__ import annotations

import random

import pytest

from midfill_lsp.lines import Lines, split_lines, width_of


@pytest.mark.parametrize("seed", range(3))
def test_replaced_lines_agree_with_a_tuple(seed: int) -> None:
    rng = random.Random(seed)
    plain = tuple(f"{idx}\n" for idx in range(3000))
    lines = Lines(plain)
    for step in range(400):
        first = rng.randrange(len(plain))
        span = rng.choice([1, 1, 2, 700, 2500])
        last = min(len(plain), first + span)
        fresh = tuple(f"{step}/{idx}\n" for idx in range(rng.choice([1, 1, 3, 600, 1500])))
        lines = lines.replaced(first, last, fresh)
        plain = plain[:first] + fresh + plain[last:]
        lines.check_integrity()
        assert lines == plain
        assert hash(lines) == hash(plain)
        assert len(lines) == len(plain)
        low, high = (rng.randrange(-9, len(plain) + 9) for _ in range(2))
        assert lines[low:high] == plain[low:high]
        assert lines[::-7] == plain[::-7]
        idx = rng.randrange(-len(plain), len(plain))
        assert lines[idx] == plain[idx]


def test_lines_taken_away_one_by_one_leave_few_chunks() -> None:
    lines = Lines(f"{idx}\n" for idx in range(20_000))
    rng = random.Random(0)
    while len(lines) > 100:
        first = rng.randrange(len(lines) - 1)
        lines = lines.replaced(first, first + 2, (lines[first],))
        if len(lines) % 500 == 0:
            lines.check_integrity()
    lines.check_integrity()
    assert repr(lines) == "Lines(100 lines in 1 chunks)"


def test_an_edit_in_a_large_document_keeps_the_other_chunks() -> None:
    before = Lines(["x = 1\n"] * 100_000 + [""])
    after = before.replaced(50_000, 50_001, ("y = 2\n", "z = 3\n"))
    kept = set(map(id, before._chunks)) & set(map(id, after._chunks))  # pyright: ignore[reportPrivateUsage]
    assert len(before._chunks) - len(kept) == 1  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("index", [3, -4])
def test_a_line_that_is_not_there(index: int) -> None:
    with pytest.raises(IndexError):
        Lines.of("a\nb\n")[index]


def test_other_things_are_no_lines() -> None:
    assert Lines.of("a") != ["a"]
    assert Lines.of("a\nb") != ("a\n",)


@pytest.mark.parametrize("line", ["", "a", "a\n", "a\r", "a\r\n", "\r\n", "a\u2028", "\x0c\n"])
def test_width_is_what_stands_before_the_end(line: str) -> None:
    assert split_lines(line)[0] == line
    assert width_of(line) == len(line.rstrip("\r\n"))
