"""Closes what a suggestion leaves open where text stands behind it. Pure.

At the end of a line, what is missing may still be written, by the next suggestion or by hand.
Before text that stays it never is. Called by `line` and `trimmer`.
"""

from __future__ import annotations

import re

from midfill_lsp.trim import brackets, indent, lexer
from midfill_lsp.trim import mode as modes
from midfill_lsp.trim.context import TrimContext

_MAX_OPEN = 20  # brackets; text that leaves more of them open is not mended
# Before a brace that opens the body of a function, which may be written later.
_BODY = re.compile(
    r"(?:[-=]>|\||\b(?:do|async|unsafe|move)|\[[\s&=\w,]*\]|\)[\s\w.:*&<>\[\]|-]*)\Z"
)


def without_literal(text: str, context: TrimContext) -> str:
    """Return a line without the value that it ends in if that has its brackets' contents below.

    Closed at once it would be another value: `[]` for a list of three. An empty function is a
    beginning, and stays.
    """
    while _opens_literal(text) and missing(text, context):
        openers = brackets.left_open(context.head, text, context.language_id)
        above = openers[-2].offset - len(context.head) + 1 if len(openers) > 1 else 0
        text = text[: _last_comma(text, above, context.language_id)].rstrip()
    return text


def _opens_literal(text: str) -> bool:
    text = text.rstrip()
    is_body = text.endswith("{") and _BODY.search(text[:-1].rstrip()) is not None
    return text.endswith(("(", "[", "{")) and not is_body


def _last_comma(text: str, start: int, language_id: str) -> int:
    """Return where the last comma stands behind `start` that is in no bracket, else `start`."""
    place, depth, end = start, 0, start
    inner = text[start:]
    for match in (*lexer.tokens(inner, language_id), None):
        between = inner[end - start : match.start() if match else len(inner)]
        if depth == 0 and "," in between:
            place = end + between.rindex(",")
        if match:
            depth += (match[0] in "([{") - (match[0] in ")]}")
            end = start + match.end()
    return place


def missing(text: str, context: TrimContext) -> str:
    """Return the closers of brackets that `text` opens and neither it nor the document closes."""
    if context.allowed is None:
        return ""
    token = lexer.last_token(context.head + text, context.language_id)
    if lexer.closer_of(token) is not None:  # a string that the rest goes on with
        return ""
    openers = brackets.left_open(context.head, text, context.language_id)
    if not 0 < len(openers) <= _MAX_OPEN:
        return ""
    closers = "".join(opener.closer for opener in reversed(openers))
    full, most = context.prefix + text, _num_open(context.allowed)
    in_turn = brackets.allowed_in_turn(full, context.suffix, context.language_id)
    for num, allowed in zip(range(len(closers)), in_turn, strict=False):
        if _num_open(allowed) <= most:
            return closers[:num]
    return closers


def block(text: str, shown: str, context: TrimContext) -> str:
    """Return a block with all of it closed, and without last lines that only open something.

    It comes back as it is if no line follows that stands where the block does, or deeper; and if
    such a line is all that there is, or is shown: whoever takes it goes on from there.

    Args:
        text: of the block, which is over.
        shown: what of it is on the screen, and stays.
        context: the cursor's surroundings.
    """
    below = context.line_below
    if context.allowed is None or below is None or indent.width(below) < context.level:
        return text
    if len(brackets.left_open(context.head, text, context.language_id)) > _MAX_OPEN:
        return shown
    while text:
        above, _, last = (context.head + text).rpartition("\n")
        closers = _closing_lines(text, context)
        is_needless = bool(closers and brackets.unmatched(last, context.language_id)[0])
        if not (is_needless or _lacks_body(last, below, context.language_id)):
            return text + closers
        shorter = above[len(context.head) :].rstrip()
        if not shorter or not shorter.startswith(shown):
            return text
        text = shorter
    return ""


def _closing_lines(text: str, context: TrimContext) -> str:
    """Return lines that close what the block leaves open, as far as the document does not."""
    full, language = context.head + text, context.language_id
    lines = ""
    closer = lexer.text_closer(full, language)
    if closer is not None:
        start = len(full) - len(lexer.last_token(full, language))
        lines = f"\n{_blanks_at(full, start)}{closer}"
    openers = brackets.left_open(context.head, text + lines, language)
    line_start = None
    for opener, bracket in zip(reversed(openers), missing(text + lines, context), strict=False):
        start = full.rfind("\n", 0, opener.offset)
        if start != line_start:
            lines += f"\n{_blanks_at(full, opener.offset)}"
        lines, line_start = lines + bracket, start
    return lines


def _blanks_at(text: str, offset: int) -> str:
    """Return the indentation of the line in which an offset lies."""
    line = text[text.rfind("\n", 0, offset) + 1 :]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _lacks_body(line: str, below: str, language_id: str) -> bool:
    """Whether a line asks for a body by its colon, and what follows is none."""
    is_header = language_id == "python" and modes.opens_block(line, language_id)
    return is_header and indent.width(below) <= indent.width(line)


def _num_open(allowed: tuple[str | None, ...]) -> int:
    return sum(closer is not None for closer in allowed)
