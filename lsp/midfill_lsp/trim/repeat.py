"""Loops, which small models fall into."""

from __future__ import annotations

import re

_COPIES = 3
_MAX_PERIOD = 4
_INLINE_LOOP = re.compile(r"(.{2,40}?)\1{5,}\Z")
_ONE_CHAR_LOOP = re.compile(r"(\S)\1{79,}\Z")


def loop_start(lines: list[str]) -> int | None:
    """Return the index of the first line to drop when the last lines run in a loop.

    A loop is three copies of one to four lines in a row. One copy stays. The lines are finished
    ones; blank lines make no loop.
    """
    for period in range(1, _MAX_PERIOD + 1):
        size = period * _COPIES
        if len(lines) < size:
            return None
        unit = lines[-period:]
        if not any(line.strip() for line in unit):
            continue
        if all(lines[len(lines) - size + idx] == unit[idx % period] for idx in range(size)):
            return len(lines) - size + period
    return None


def loops_inline(line: str) -> int | None:
    """Return the length that a line that ends in a loop is cut to, None if it does not.

    Six copies of the same 2 to 40 characters, or 80 of one; the first copy stays.
    """
    match = _INLINE_LOOP.search(line) if len(line) >= 24 else None
    if match and match[1].strip() and len(set(match[1])) > 1 and len(match[0]) >= 24:
        return match.start() + len(match[1])
    match = _ONE_CHAR_LOOP.search(line)
    return match.start() + 80 if match else None
