"""Text that repeats what stands behind the cursor."""

from __future__ import annotations


def num_repeated(line: str, rest: str) -> int:
    """Return how many characters at the end of `line` are the start of `rest`.

    Only whole tokens count: `max` does not repeat the `x` of `x + 1`.
    """
    line, rest = line.rstrip(), rest.strip()
    for size in range(min(len(line), len(rest)), 0, -1):
        if line.endswith(rest[:size]) and _whole(line, rest, size):
            return size
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


def _in_word(char: str) -> bool:
    return char.isalnum() or char == "_"
