"""Cuts the text around the cursor to its budget. Pure: knows no editor, engine or tokenizer.

The prefix's window is anchored: its start stays where it is while the user types, so that the
engine's key/value cache keeps holding and typing only appends. `complete` calls this.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Prompt:
    """Text for the engine, with LF as the only line end.

    Attributes:
        prefix: ends at the cursor; starts at the start of `first_line` unless that line alone is
            over the budget.
        suffix: starts at the cursor; ends with a whole line unless its first is over the budget.
        first_line: index of the document's line that the prefix starts in.
    """

    prefix: str
    suffix: str
    first_line: int


def build(
    lines: Sequence[str], line_idx: int, column: int, prefix_chars: int, suffix_chars: int
) -> Prompt:
    """Return the windows around a cursor given in code points.

    Args:
        lines: the document, line ends kept.
        line_idx: the cursor's line.
        column: the code points before the cursor in that line.
        prefix_chars: upper bound of the prefix; at least half of it is used where there is text.
        suffix_chars: upper bound of the suffix.
    """
    head = lines[line_idx][:column]
    if len(head) > prefix_chars:
        start = _anchor(column - prefix_chars, column - prefix_chars // 2)
        prefix, first_line = head[start:], line_idx
    else:
        first_line = _first_line(lines, line_idx, prefix_chars - len(head))
        prefix = "".join(lines[first_line:line_idx]) + head
    return Prompt(
        prefix=plain(prefix),
        suffix=plain(_suffix(lines, line_idx, column, suffix_chars)),
        first_line=first_line,
    )


def plain(text: str) -> str:
    """Return `text` with LF as the only line end, and lone surrogates replaced.

    An editor that cuts a UTF-16 pair in two sends half characters, which UTF-8 cannot carry.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.isascii() else _HALF_CHARACTER.sub("\ufffd", text)


def _first_line(lines: Sequence[str], line_idx: int, budget: int) -> int:
    """Return the anchored first line: within the budget, over half of it, and rarely moving."""
    used = 0
    lowest = half = line_idx
    while lowest > 0 and used + len(lines[lowest - 1]) <= budget:
        lowest -= 1
        if used < budget // 2:
            half = lowest
        used += len(lines[lowest])
    return _anchor(lowest, half)


def _anchor(low: int, high: int) -> int:
    """Return the roundest number in [low, high]: the multiple of the highest power of two.

    While `low` and `high` creep up with the text, the answer stays until `low` passes it, then
    moves in a large step.
    """
    if low <= 0:
        return 0
    step = 1
    while -(-low // (2 * step)) * 2 * step <= high:
        step *= 2
    return -(-low // step) * step


def _suffix(lines: Sequence[str], line_idx: int, column: int, suffix_chars: int) -> str:
    parts = [lines[line_idx][column : column + suffix_chars]]
    left = suffix_chars - len(parts[0])
    for below in range(line_idx + 1, len(lines)):
        if len(lines[below]) > left:
            break
        parts.append(lines[below])
        left -= len(lines[below])
    return "".join(parts)
