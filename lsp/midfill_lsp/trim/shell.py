"""The patterns of a shell's `case`, whose `)` no bracket opens. Pure; called by `brackets`.

case $1 in
    -h | --help) usage ;;
    *) run "$1" ;;
esac
"""

from __future__ import annotations

import re

SHELLS = frozenset({"shellscript", "sh", "bash", "zsh", "ksh"})
_PART = r"""(?:"[^"\n]*"|'[^'\n]*'|\\.|[^\s()|;&<>`'"\\])+"""
_PATTERN = re.compile(rf"[ \t]*{_PART}(?:[ \t]*\|[ \t]*{_PART})*[ \t]*")
_BEGIN = re.compile(r";;&?|;&|(?<!\S)in(?=[ \t])")
_BEFORE = re.compile(r"(?:;;&?|;&|(?:\A|\s)in)\Z")
_MOST_CHARS_ABOVE = 4_000
_COMMENT = re.compile(r"(?:\A|(?<=\s))#.*")


def line_above(prefix: str) -> str:
    """Return the line above the cursor's that holds code, or ""."""
    lines = reversed(prefix[-_MOST_CHARS_ABOVE:].split("\n")[:-1])
    return next((line for line in lines if _COMMENT.sub("", line).strip()), "")


def is_case_pattern(text: str, offset: int, line_above: str) -> bool:
    """Whether the `)` at `offset` ends a pattern: one begins a line or stands behind `;;` or `in`.

    Args:
        text: some lines.
        offset: where the bracket stands.
        line_above: the line above the text that is not blank, or "".
    """
    start = text.rfind("\n", 0, offset) + 1
    begins = list(_BEGIN.finditer(text, start, offset))
    if not _PATTERN.fullmatch(text, begins[-1].end() if begins else start, offset):
        return False
    if begins:
        return True
    above = [line_above, *text[:start].split("\n")]
    lines = (_COMMENT.sub("", line).strip() for line in reversed(above))
    return _BEFORE.search(next(filter(None, lines), "")) is not None
