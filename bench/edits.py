"""Texts as LSP counts them: the edit from one to another, and places in UTF-16.

Called by ``bench.replay``.
"""

from __future__ import annotations

from typing import Any


def difference(old: str, new: str) -> dict[str, Any] | None:
    """Returns the one edit that makes ``new`` of ``old``, None where they are the same."""
    if old == new:
        return None
    shorter = min(len(old), len(new))
    head = _common(old, new, shorter)
    tail = _common(old[head:][::-1], new[head:][::-1], shorter - head)
    start, end = position(old, head), position(old, len(old) - tail)
    return {"range": {"start": start, "end": end}, "text": new[head : len(new) - tail]}


def _common(one: str, other: str, limit: int) -> int:
    """Returns how long two texts agree from their starts, by halving."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def position(text: str, offset: int) -> dict[str, int]:
    """Returns the place with ``offset`` code points before it; line ends are LF."""
    start = text.rfind("\n", 0, offset) + 1
    return {"line": text.count("\n", 0, offset), "character": units(text[start:offset])}


def units(text: str) -> int:
    """Returns the UTF-16 units of a text."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
