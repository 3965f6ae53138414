"""Closes what a suggestion leaves open where text stands behind it. Pure.

At the end of a line, what is missing may still be written, by the next suggestion or by hand.
Before text that stays it never is. Called by `line` and `trimmer`.
"""

from __future__ import annotations

import re

from midfill_lsp.trim import brackets, indent, lexer
from midfill_lsp.trim import mode as modes
from midfill_lsp.trim.context import TrimContext

_PLAIN = frozenset({"json", "jsonc", "css"})  # without a grammar, but the lexer knows all of them
_MAX_OPEN = 20  # brackets; text that leaves more of them open is not mended
# Before a brace that opens the body of a function, which may be written later.
_BODY = re.compile(
    r"(?:[-=]>|\||\b(?:do|async|unsafe|move)|\[[\s&=\w,]*\]|\)[\s\w.:*&<>\[\]|-]*)\Z"
)


def line(text: str, shown: str, context: TrimContext) -> str:
    """Return a line with what it opens closed, if what it stands before stays.

    It comes back without the value that it ends in if that has its brackets' contents below:
    closed at once it would be another, as `[]` for a list of three. An empty function is a
    beginning, and stays.

    Args:
        text: the line, which is over.
        shown: what of it is on the screen, and stays.
        context: the cursor's surroundings.
    """
    shorter = text
    while _opens_literal(shorter) and _missing(shorter, context):
        openers = brackets.left_open(context.head, shorter, context.language_id)
        above = openers[-2].offset - len(context.head) + 1 if len(openers) > 1 else 0
        shorter = shorter[: _last_comma(shorter, above, context.language_id)].rstrip()
    kept = shorter if shorter.startswith(shown) else text
    return _sounder(kept + _missing(kept, context), text, context)


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
    if not _is_sure(context) or below is None or indent.width(below) < context.level:
        return text
    if len(brackets.left_open(context.head, text, context.language_id)) > _MAX_OPEN:
        return shown
    kept = text
    while kept:
        above, _, last = (context.head + kept).rpartition("\n")
        closers = _closing_lines(kept, context)
        is_needless = bool(closers and brackets.unmatched(last, context.language_id)[0])
        lacks_body = _lacks_body(last, below, context.language_id)
        if not (is_needless or lacks_body):
            return _sounder(kept + closers, text, context)
        shorter = above[len(context.head) :].rstrip()
        if not shorter or not shorter.startswith(shown):
            return _sounder(kept, text, context)
        kept = shorter
        text = shorter if lacks_body else text  # its parser calls that no fault
    return ""


def _is_sure(context: TrimContext) -> bool:
    """Whether the brackets are known well enough to write some; to cut text, a guess has to do."""
    is_known = context.soundness is not None or context.language_id in _PLAIN
    return is_known and context.allowed is not None


def _sounder(text: str, written: str, context: TrimContext) -> str:
    """Return the text if the file parses better with it than with what was written, else that."""
    soundness = context.soundness
    if text == written or soundness is None or soundness.is_better(text, written):
        return text
    return written


def _missing(text: str, context: TrimContext) -> str:
    """Return the closers of brackets that `text` opens and neither it nor the document closes."""
    language = context.language_id
    if not _is_sure(context):
        return ""
    token = lexer.last_token(context.prefix + text, language)
    if lexer.closer_of(token) is not None:  # a string that the rest goes on with
        return ""
    openers = brackets.left_open(context.head, text, language)
    if not 0 < len(openers) <= _MAX_OPEN:
        return ""
    closers = "".join(opener.closer for opener in reversed(openers))
    most = next(brackets.num_open_in_turn(context.prefix, "", context.suffix, language))
    in_turn = brackets.num_open_in_turn(context.prefix, text, context.suffix, language)
    for num, num_open in zip(range(len(closers)), in_turn, strict=False):
        if num_open <= most:
            return closers[:num]
    return closers


def _closing_lines(text: str, context: TrimContext) -> str:
    """Return lines that close what the block leaves open, as far as the document does not."""
    full, language = context.head + text, context.language_id
    lines = ""
    token = lexer.last_token(context.prefix + text, language)
    if lexer.ending_of(token) == "text":
        closer = lexer.closer_of(token) or ""
        if _is_closed_below(closer, context.suffix):
            return ""
        start = max(0, len(full) - len(token))
        lines = f"\n{_blanks_at(full, start)}{closer}"
    openers = brackets.left_open(context.head, text + lines, language)
    line_start = None
    for opener, bracket in zip(reversed(openers), _missing(text + lines, context), strict=False):
        start = full.rfind("\n", 0, opener.offset)
        if start != line_start:
            lines += f"\n{_blanks_at(full, opener.offset)}"
        lines, line_start = lines + bracket, start
    return lines


def _is_closed_below(closer: str, suffix: str) -> bool:
    """Whether the suffix seems to end a string or comment, and not only others of its own."""
    if closer == "*/":
        return closer in suffix.partition("/*")[0]
    return suffix.count(closer) % 2 == 1


def _blanks_at(text: str, offset: int) -> str:
    """Return the indentation of the line in which an offset lies."""
    line = text[text.rfind("\n", 0, offset) + 1 :]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _lacks_body(line: str, below: str, language_id: str) -> bool:
    """Whether a line asks for a body by its colon, and what follows is none."""
    is_header = language_id == "python" and modes.opens_block(line, language_id)
    return is_header and indent.width(below) <= indent.width(line)
