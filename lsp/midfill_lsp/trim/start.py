"""How a suggestion begins: its first blanks, which the document may have already."""

from __future__ import annotations

import re

from midfill_lsp.trim import indent
from midfill_lsp.trim.context import TrimContext

_BLANKS = re.compile(r"[ \t]*")
_BLANK_LINES = re.compile(r"(?:[ \t]*\n)+")
_STAR = re.compile(r"[ \t]*\*(?!/)[ \t]*")
_QUOTES = ('"""', "'''")
_ENDS = ("*/", "]]", "]=")


def adjust(raw: str, context: TrimContext) -> str:
    """Return the text with the blanks that fit the cursor; the rest stays as it came.

    Text that could still be judged otherwise when more of it is there comes back empty.
    """
    if context.text_opener:
        raw = _without_blank_lines(raw, context)
    blanks = _BLANKS.match(raw)
    assert blanks is not None
    text = raw[blanks.end() :]
    if context.docstring_indent is not None and any(
        quotes.startswith(text[:3]) for quotes in _QUOTES
    ):
        if not text.startswith(_QUOTES):
            return ""
        first, newline, rest = text.partition("\n")
        surplus = indent.width(raw) - indent.width(context.docstring_indent)
        return f"\n{context.docstring_indent}{first}{newline}{_moved(rest, surplus)}"
    if context.max_blanks is None or indent.width(raw) <= context.max_blanks:
        return raw
    return indent.adapt(" " * context.max_blanks, context.indent_style) + text


def num_line_ends(text: str) -> int:
    """Return how many lines end before the first that is not blank."""
    return text.count("\n", 0, len(text) - len(text.lstrip()))


def _without_blank_lines(raw: str, context: TrimContext) -> str:
    """Return text for the inside of a docstring or a comment from its first line on.

    Only one line of it is suggested, which then stands where the cursor does; behind what opens a
    comment with a blank between them.
    """
    blank = _BLANK_LINES.match(raw)
    if blank is None:
        return raw
    raw = raw[blank.end() :]
    if not context.head.strip():
        return raw
    if context.text_opener in _QUOTES:
        return raw.lstrip(" \t")
    star = _STAR.match(raw) if context.text_opener == "/*" else None
    text = raw[star.end() :] if star else raw.lstrip(" \t")
    return f" {text}" if text and not text.startswith(_ENDS) else text


def _moved(text: str, surplus: int) -> str:
    """Return lines without the blanks that their first one had too many."""
    if surplus <= 0:
        return text
    blanks = " " * surplus
    return "\n".join(line.removeprefix(blanks) for line in text.split("\n"))
