"""Where a suggestion ends what is not its own to end. Pure; called by `line` and `block`.

A bracket, a string, a tag that the document closes already; and the line itself, where a comment
would swallow what stands behind the cursor.
"""

from __future__ import annotations

from midfill_lsp.trim import brackets, lexer, markup, shell
from midfill_lsp.trim.context import TrimContext

BRACKETS = ")]}"
OPENERS = "([{"
QUOTES = "\"'`"
_BEHIND_COMMENT = ("#", "//", "/*", "--", *BRACKETS, ",", ";")


def surplus(text: str, context: TrimContext) -> int | None:
    """Return where `text` first closes what it must not, None if nowhere or not asked for."""
    if context.allowed is None:
        return None
    return scan(text, context.allowed, context)[0]


def scan(
    text: str, allowed: tuple[str | None, ...], context: TrimContext
) -> tuple[int | None, int]:
    """Return `brackets.scan` of a suggestion at the cursor."""
    line_above = None
    if context.language_id in shell.SHELLS and ")" not in context.rest:
        line_above = shell.line_above(context.prefix)
    return brackets.scan(context.head, text, allowed, context.language_id, line_above)


def end_of_text(text: str, context: TrimContext, is_whole: bool = True) -> int | None:
    """Return where `text` ends the string or comment around the cursor, None if it does not.

    Nor does it if it opens one again, as `" + name + "` does, once it is whole.
    """
    if not context.begun:
        return None
    return lexer.end_of(context.begun, text, context.language_id, is_whole)


def before_rest(line: str, context: TrimContext, is_whole: bool) -> int | None:
    """Return where `line` has to end if the rest of the cursor's line stays; None if nowhere."""
    rest, length = context.rest.strip(), len(line)
    for rule in (_surplus, _hole, _comment, _end, _quote, _tag):
        line = line[: rule(line, rest, context, is_whole or len(line) < length)]
    return len(line) if len(line) < length else None


def num_held(line: str, context: TrimContext) -> int:
    """Return how many characters at the end of an unfinished line might begin what ends it.

    That is half of the closer of the string or comment around the cursor; before text, half of a
    comment's beginning too, and openers and commas: they may turn out to be the line's last.
    """
    ends, last = [lexer.closer_of(context.begun) or ""], ""
    if context.rest and context.allowed is not None:
        ends, last = [*ends, "//", "--"], OPENERS + ", \t"
    sizes = (size for end in ends for size in range(1, len(end)) if line.endswith(end[:size]))
    return max(sizes, default=len(line) - len(line.rstrip(last)))


def without_comma(text: str, replaces_rest: bool, context: TrimContext) -> str:
    """Return JSON without a last comma behind which nothing follows."""
    if context.language_id != "json" or not text.endswith(","):
        return text
    behind = context.suffix[len(context.rest) if replaces_rest else 0 :].lstrip()
    return text[:-1].rstrip() if behind.startswith(("}", "]")) else text


def _surplus(line: str, rest: str, context: TrimContext, is_whole: bool) -> int | None:
    return surplus(line, context)


def _hole(line: str, rest: str, context: TrimContext, is_whole: bool) -> int | None:
    """Return where `line` closes the bracket that `rest` closes, in a string's hole or in prose."""
    if rest[0] not in BRACKETS or not (context.in_text or context.allowed is None):
        return None
    if _ends_text(rest, context):
        return None
    _, closers = brackets.unmatched(line, context.language_id)
    found = closers[0] if closers else None
    return found.offset if found is not None and found.closer == rest[0] else None


def _comment(line: str, rest: str, context: TrimContext, is_whole: bool) -> int | None:
    """Return where a comment begins that would swallow code behind it, or another comment."""
    if context.allowed is None or not rest.startswith(_BEHIND_COMMENT):
        return None
    return brackets.comment_start(context.head, line, context.language_id)


def _end(line: str, rest: str, context: TrimContext, is_whole: bool) -> int | None:
    return end_of_text(line, context, is_whole)


def _quote(line: str, rest: str, context: TrimContext, is_whole: bool) -> int | None:
    """Return where `line` closes the string that `rest` closes, None if it does not."""
    if rest[0] not in QUOTES:
        return None
    if _ends_text(rest, context):  # a quote right before three of them would be one of these
        return len(line.rstrip(rest[0])) if rest.startswith(rest[0] * 3) else None
    return line.index(rest[0]) if line.count(rest[0]) % 2 else None


def _ends_text(rest: str, context: TrimContext) -> bool:
    """Whether `rest` begins with the end of the string around the cursor: `_end` knows better."""
    closer = lexer.closer_of(context.begun)
    return closer is not None and rest.startswith(closer)


def _tag(line: str, rest: str, context: TrimContext, is_whole: bool) -> int | None:
    if not context.is_markup:
        return None
    return markup.surplus(context.head, line, rest, is_whole, markup.is_script(context.prefix))
