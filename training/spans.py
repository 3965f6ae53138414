"""Chooses what is cut out of a document as the middle: lines, parts of lines, blocks, syntax.

Editors ask at all of these places, so a model must have met them. Spans are code points
``[start, end)``. Called by ``training.infill``; ``training.syntax`` finds the syntax nodes.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from training import syntax

CLOSING = ")]}>\"'`,;:"


@dataclass(frozen=True, slots=True)
class SpanShares:
    """Shares of the kinds of middle; what they leave to 1 is cut at any two characters."""

    rest_of_line: float = 0.40
    inside_line: float = 0.12
    whole_lines: float = 0.12
    block: float = 0.12
    syntax: float = 0.16


def middle_span(
    text: str, language: str, rng: random.Random, shares: SpanShares
) -> tuple[int, int]:
    """Returns the middle of ``text``, which is not empty; empty only where all is blank."""
    kind = rng.random()
    for share, choose in (
        (shares.rest_of_line, rest_of_line),
        (shares.inside_line, inside_line),
        (shares.whole_lines, whole_lines),
        (shares.block, block),
    ):
        if kind < share:
            return choose(text, rng)
        kind -= share
    if kind < shares.syntax:
        span = syntax.node_span(text, language, rng)
        return span or block(text, rng)
    start = rng.randrange(len(text))
    return start, min(len(text), start + 1 + int(rng.expovariate(1 / 60)))


def rest_of_line(text: str, rng: random.Random) -> tuple[int, int]:
    """Returns a span from a character of a line that is not blank to the line's end."""
    for _ in range(20):
        start, end = line_at(text, rng.randrange(len(text)))
        first = end - len(text[start:end].lstrip())
        if first < end:
            return (first if rng.random() < 0.1 else rng.randrange(first, end)), end
    return len(text), len(text)


def inside_line(text: str, rng: random.Random) -> tuple[int, int]:
    """Returns a span that ends before what closes its line, as an editor's closed brackets do."""
    start, end = rest_of_line(text, rng)
    places = [idx for idx in range(start + 1, end) if text[idx] in CLOSING]
    return start, (rng.choice(places) if places else end)


def whole_lines(text: str, rng: random.Random) -> tuple[int, int]:
    """Returns a span of one to four lines, from the first one's indentation on."""
    start, end = line_at(text, rng.randrange(len(text)))
    first = start + len(text[start:end]) - len(text[start:end].lstrip(" \t"))
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        end = line_at(text, min(end + 1, len(text)))[1]
    return (first if rng.random() < 0.7 else start), end


def block(text: str, rng: random.Random) -> tuple[int, int]:
    """Returns a span from inside a line to the end of the block that this line opens."""
    start, end = line_at(text, rng.randrange(len(text)))
    indent = indent_of(text[start:end])
    cut = rng.randint(start + indent, end)
    for _ in range(8):
        follow_start, follow_end = line_at(text, min(end + 1, len(text)))
        line = text[follow_start:follow_end]
        if follow_start <= end or not line.strip() or indent_of(line) < indent:
            break
        end = follow_end
    return cut, end


def line_at(text: str, offset: int) -> tuple[int, int]:
    """Returns ``[start, end)`` of the line that holds ``offset``, without its line end."""
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    return start, len(text) if end < 0 else end


def indent_of(line: str) -> int:
    """Returns how many blanks the line starts with."""
    return len(line) - len(line.lstrip(" \t"))
