"""Brackets left open before the cursor, and which of them the text behind it closes.

A closer in a suggestion is right only if the suggestion opened it, or if the document left it
open. Strings and comments are skipped (`lexer`).
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from midfill_lsp.trim import lexer, shell

_PAIR = {"(": ")", "[": "]", "{": "}"}
_CLOSERS = frozenset(_PAIR.values())


@dataclass(frozen=True, slots=True)
class Bracket:
    """A bracket without partner.

    Attributes:
        closer: the closing form, also for an opener.
        offset: where it stands in the scanned text.
        indent: leading whitespace of its line, in code points.
        leads: it is the first thing on its line.
    """

    closer: str
    offset: int
    indent: int
    leads: bool


def unmatched(text: str, language_id: str) -> tuple[list[Bracket], list[Bracket]]:
    """Return the openers and the closers without partner in `text`, each in text order."""
    openers: list[tuple[str, int]] = []
    closers: list[tuple[str, int]] = []
    for match in lexer.tokens(text, language_id):
        token = match[0]
        if token in _PAIR:
            openers.append((_PAIR[token], match.start()))
        elif token in _CLOSERS:
            if openers and openers[-1][0] == token:
                openers.pop()
            elif not _is_of_case(text, match.start(), None, language_id):
                closers.append((token, match.start()))
    return [_bracket(text, *item) for item in openers], [_bracket(text, *item) for item in closers]


def allowed_closers(prefix: str, suffix: str, language_id: str) -> tuple[str | None, ...]:
    """Return what a suggestion may close, innermost bracket first.

    An entry is the closer of a bracket that the document leaves open, or None where the suffix
    closes that bracket. A closer of the suffix is taken as an opener's if it has its kind, does
    not lead a line that is indented less than the opener's, and, unless it is a brace, does not
    stand behind such a line.
    """
    openers, _ = unmatched(lexer.near(prefix), language_id)
    closers, lowest_above = _closers_behind(suffix[: lexer.WINDOW_CHARS], language_id)
    return _allowed(openers, closers, lowest_above)[0]


def num_open_in_turn(prefix: str, text: str, suffix: str, language_id: str) -> Iterator[int]:
    """Yield how many brackets are open for sure, and the same with the innermost ones closed.

    One more of them is closed each time. One above the cursor's line, with no closer left behind
    the cursor for it, may have one further below.

    Args:
        prefix: the document before the cursor.
        text: the suggestion.
        suffix: the document behind the cursor.
        language_id: as the editor names it.
    """
    before = lexer.near(prefix)
    openers, _ = unmatched(before + text, language_id)
    closers, lowest_above = _closers_behind(suffix[: lexer.WINDOW_CHARS], language_id)
    line_start = before.rfind("\n") + 1
    num_above = sum(opener.offset < line_start for opener in openers)
    for num in range(len(openers), -1, -1):
        allowed, used = _allowed(openers[:num], closers, lowest_above)
        if used == len(closers):
            allowed = allowed[: max(0, num - num_above)]
        yield sum(closer is not None for closer in allowed)


@functools.lru_cache(maxsize=8)
def _closers_behind(suffix: str, language_id: str) -> tuple[list[Bracket], dict[int, int]]:
    """Return the closers that the suffix leaves without partner, and `_lowest_above` of them."""
    _, closers = unmatched(suffix, language_id)
    return closers, _lowest_above(closers, suffix)


def _allowed(
    openers: list[Bracket], closers: list[Bracket], lowest_above: dict[int, int]
) -> tuple[tuple[str | None, ...], int]:
    """Return `allowed_closers`, and how many of the closers are some opener's."""
    allowed: list[str | None] = []
    used = 0
    for opener in reversed(openers):
        closer = closers[used] if used < len(closers) else None
        if closer and _is_partner(opener, closer, lowest_above):
            used += 1
            allowed.append(None)
        else:
            allowed.append(opener.closer)
    return tuple(allowed), used


def left_open(head: str, text: str, language_id: str) -> list[Bracket]:
    """Return the openers of `text` that it does not close itself, in text order.

    Args:
        head: the cursor's line before the text.
        text: the suggestion.
        language_id: as the editor names it.
    """
    openers, _ = unmatched(head + text, language_id)
    return [opener for opener in openers if opener.offset >= len(head)]


def comment_start(head: str, text: str, language_id: str) -> int | None:
    """Return where a comment begins in `text` that takes the rest of its line, None if none does.

    Args:
        head: the cursor's line before the text.
        text: the suggestion.
        language_id: as the editor names it.
    """
    head = _last_begun(head, language_id)
    for match in lexer.tokens(head + text, language_id):
        offset = match.start() - len(head)
        is_apart = offset == 0 or text[offset - 1 : offset].isspace()
        if offset >= 0 and is_apart and lexer.ending_of(match[0]) == "comment":
            return offset
    return None


def scan(
    head: str,
    text: str,
    allowed: tuple[str | None, ...],
    language_id: str,
    line_above: str | None = None,
) -> tuple[int | None, int]:
    """Look at what a suggestion closes.

    Args:
        head: the cursor's line before the suggestion; it says whether that is inside a string.
        text: the suggestion.
        allowed: what it may close (`allowed_closers`).
        language_id: as the editor names it.
        line_above: the line above the cursor's that is not blank; None where the document has the
            end of a pattern of a shell's `case` on the cursor's line, if it is one.

    Returns:
        Where `text` first closes what it must not, None if nowhere; and how many brackets that
        were open before it are closed by then.
    """
    stack = list(reversed(allowed))
    lowest = len(stack)
    begun = _last_begun(head, language_id)
    for match in lexer.tokens(begun + text, language_id):
        token, offset = match[0], match.start() - len(begun)
        if offset < 0:
            continue
        if token in _PAIR:
            stack.append(_PAIR[token])
        elif token in _CLOSERS:
            if not stack or stack[-1] != token:
                may_be_of_case = line_above is not None or "\n" in text[:offset]
                place = len(head) + offset
                if may_be_of_case and _is_of_case(head + text, place, line_above, language_id):
                    continue
                return offset, len(allowed) - lowest
            stack.pop()
            lowest = min(lowest, len(stack))
    return None, len(allowed) - lowest


def _is_of_case(text: str, offset: int, line_above: str | None, language_id: str) -> bool:
    if language_id not in shell.SHELLS or text[offset] != ")":
        return False
    return shell.is_case_pattern(text, offset, line_above or "")


@functools.lru_cache(maxsize=8)
def _last_begun(head: str, language_id: str) -> str:
    """Return the head from its last token on, which is all that what follows depends on."""
    start = 0
    for match in lexer.tokens(head, language_id):
        # Of a regular expression only what stands before it tells that it is none of division.
        start = match.end() if lexer.is_regex(match[0]) else match.start()
    return head[start:]


def _is_partner(opener: Bracket, closer: Bracket, lowest_above: dict[int, int]) -> bool:
    if closer.closer != opener.closer:
        return False
    if closer.offset not in lowest_above:
        return True
    if closer.closer == "}":  # labels and preprocessor lines stand at the left inside of blocks
        return not closer.leads or closer.indent >= opener.indent
    return min(lowest_above[closer.offset], closer.indent) >= opener.indent


def _lowest_above(closers: list[Bracket], suffix: str) -> dict[int, int]:
    """Return the least indent between the cursor's line and each closer's, by its offset.

    Closers on the cursor's line have none; blank lines don't count.
    """
    offsets = iter(closer.offset for closer in closers)
    offset = next(offsets, None)
    lowest_above: dict[int, int] = {}
    lowest, end = sys.maxsize, -1
    for number, line in enumerate(suffix.split("\n")):
        end += 1 + len(line)
        while offset is not None and offset < end:
            if number:
                lowest_above[offset] = lowest
            offset = next(offsets, None)
        if number and line.strip():
            lowest = min(lowest, len(line) - len(line.lstrip(" \t")))
    return lowest_above


def _bracket(text: str, closer: str, offset: int) -> Bracket:
    line = text[text.rfind("\n", 0, offset) + 1 : offset]
    blank = line.lstrip(" \t")
    return Bracket(closer, offset, len(line) - len(blank), not blank)
