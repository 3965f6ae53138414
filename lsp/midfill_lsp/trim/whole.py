"""Closes what a suggestion leaves open where text stands behind it. Pure.

At the end of a line, what is missing may still be written, by the next suggestion or by hand.
Before text that stays it never is. Called by `line` and `trimmer`.
"""

from __future__ import annotations

from midfill_lsp.trim import brackets, indent, lexer
from midfill_lsp.trim import mode as modes
from midfill_lsp.trim.context import TrimContext


def missing(text: str, context: TrimContext) -> str:
    """Return the closers of brackets that `text` opens and neither it nor the document closes."""
    if context.allowed is None:
        return ""
    token = lexer.last_token(context.head + text, context.language_id)
    if lexer.closer_of(token) is not None:  # a string that the rest goes on with
        return ""
    openers = brackets.left_open(context.head, text, context.language_id)
    closers = "".join(opener.closer for opener in reversed(openers))
    most = _num_open(context.allowed)
    for num in range(len(closers)):
        changed = context.prefix + text + closers[:num]
        allowed = brackets.allowed_closers(changed, context.suffix, context.language_id)
        if _num_open(allowed) <= most:
            return closers[:num]
    return closers


def block(text: str, shown: str, context: TrimContext) -> str:
    """Return a block with all of it closed, and without last lines that only open something.

    It comes back as it is if no line follows that stands where the block does, or deeper.

    Args:
        text: of the block, which is over.
        shown: what of it is on the screen, and stays.
        context: the cursor's surroundings.
    """
    below = context.line_below
    if context.allowed is None or below is None or indent.width(below) < context.level:
        return text
    while text:
        above, _, last = (context.head + text).rpartition("\n")
        closers = _closing_lines(text, context)
        is_needless = bool(closers and brackets.unmatched(last, context.language_id)[0])
        shorter = above[len(context.head) :].rstrip()
        if not (is_needless or _lacks_body(last, below, context.language_id)):
            return text + closers
        if not shorter.startswith(shown):
            return text + closers
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
