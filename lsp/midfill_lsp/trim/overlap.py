"""Text that repeats what stands behind the cursor."""

from __future__ import annotations

import re

# Brackets of a generic, likely: no arrow, no shift, no comparison.
_OPENING = re.compile(r"<(?![\s=<])")
_CLOSING = re.compile(r"(?<![-=\s])>(?!=)")


def num_repeated(line: str, rest: str, head: str = "") -> int:
    """Return how many characters at the end of `line` are the start of `rest`.

    Only whole tokens count: `max` does not repeat the `x` of `x + 1`. Nor does `Array<number>`
    repeat the `>` that stands behind `Map<string, `, which is the `head`.
    """
    line, rest = line.rstrip(), rest.strip()
    for size in range(min(len(line), len(rest)), 0, -1):
        if line.endswith(rest[:size]) and _whole(line, rest, size):
            return 0 if _is_generic(head + line[:-size], rest, size) else size
    return 0


def num_held(line: str, rest: str) -> int:
    """Return how many characters at the end of an unfinished line might yet repeat `rest`."""
    rest = rest.strip()
    stripped = line.rstrip()
    for size in range(min(len(stripped), len(rest)), 0, -1):
        if stripped.endswith(rest[:size]):
            return size + len(line) - len(stripped)
    return len(line) - len(stripped)


def repeats_below(line: str, line_below: str | None) -> bool:
    """Whether a finished line is the document's next line, indentation included."""
    return line_below is not None and bool(line.strip()) and line.rstrip() == line_below.rstrip()


def may_repeat_below(line: str, line_below: str | None) -> bool:
    """Whether an unfinished line could yet become the document's next line."""
    if line_below is None or not line.strip():
        return False
    return line_below.startswith(line.rstrip())


def _whole(line: str, rest: str, size: int) -> bool:
    before = line[-size - 1 : -size] if size < len(line) else ""
    starts_whole = not (_in_word(before) and _in_word(rest[0]))
    after = rest[size : size + 1]
    ends_whole = not (_in_word(rest[size - 1]) and _in_word(after))
    return starts_whole and ends_whole


def _is_generic(before: str, rest: str, size: int) -> bool:
    """Whether nothing but `>` repeats `rest`, and `before` has a `<` for those and for `rest`'s."""
    num_closed = len(rest) - len(rest.lstrip(">"))
    num_open = len(_OPENING.findall(before)) - len(_CLOSING.findall(before))
    return size <= num_closed < num_open


def _in_word(char: str) -> bool:
    return char.isalnum() or char == "_"
