"""Brackets left open before the cursor, and which of them the text behind it closes.

A closer in a suggestion is right only if the suggestion opened it, or if the document left it
open. Strings and line comments are skipped by a rough lexer: a wrong guess costs one suggestion.
"""

from __future__ import annotations

import functools
import re
import sys
from dataclasses import dataclass
from typing import Literal

_BRACKET = r"\(|\)|\[|\]|\{|\}"  # not a set: only then `re` skips to the next token at once
# A string that the text ends in is still being written.
_DOUBLE = r'"(?:\\.|[^"\\\n])*(?:"|\Z)'
_SINGLE = r"'(?:\\.|[^'\\\n])*(?:'|\Z)"
_TRIPLE = r'"""(?:\\.|[^\\])*?(?:"""|\Z)'
_COMMENT = r"/\*.*?(?:\*/|\Z)|//[^\n]*"
# Outside of strings too: a quote whose string has no end on its line is looked at once only.
_ESCAPE = r"\\[^\n]"
_HASH = re.compile(
    rf"{_TRIPLE}|'''(?:\\.|[^\\])*?(?:'''|\Z)|{_DOUBLE}|{_SINGLE}|#[^\n]*|{_BRACKET}|{_ESCAPE}"
)
_SLASH = re.compile(
    rf'\bR"(\w*)\(.*?(?:\)\1"|\Z)|{_TRIPLE}|{_DOUBLE}|{_SINGLE}'
    rf"|`(?:\\.|[^`\\])*(?:`|\Z)|{_COMMENT}|{_BRACKET}|{_ESCAPE}",
    re.DOTALL,
)
# In Rust a quote starts a lifetime more often than a character; one may still be written.
_RUST = re.compile(
    rf'\br(#*)".*?(?:"\1|\Z)|{_DOUBLE}'
    rf"|'(?:\\[^\n']+|[^'\\\n])(?:'|\Z)|{_COMMENT}|{_BRACKET}|{_ESCAPE}",
    re.DOTALL,
)
_HASH_LANGUAGES = frozenset(
    {"python", "ruby", "shellscript", "yaml", "toml", "makefile", "perl", "r", "elixir"}
    | {"julia", "dockerfile", "cmake", "nim"}
)
_WINDOW_CHARS = 4_000  # each way; 12,000 took 8 ms on dense code, on the event loop
Ending = Literal["code", "string", "text", "comment"]
"""`text` is a string or comment of several lines, such as a docstring."""

_TEXTS = {
    **{'"""': '"""', "'''": "'''", "/*": "*/", "`": "`"},
    **{'R"(': ')"', 'r"': '"', 'r#"': '"#', 'r##"': '"##'},
}
_QUOTES = frozenset({'"', "'"})
_PAIR = {"(": ")", "[": "]", "{": "}"}
_CLOSERS = frozenset(_PAIR.values())
PROSE = frozenset({"markdown", "plaintext", "latex", "restructuredtext", "text"})


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
    for match in _lexer(language_id).finditer(text):
        token = match[0]
        if token in _PAIR:
            openers.append((_PAIR[token], match.start()))
        elif token in _CLOSERS:
            if openers and openers[-1][0] == token:
                openers.pop()
            else:
                closers.append((token, match.start()))
    return [_bracket(text, *item) for item in openers], [_bracket(text, *item) for item in closers]


def allowed_closers(prefix: str, suffix: str, language_id: str) -> tuple[str | None, ...]:
    """Return what a suggestion may close, innermost bracket first.

    An entry is the closer of a bracket that the document leaves open, or None where the suffix
    closes that bracket. A closer of the suffix is taken as an opener's if it has its kind, does
    not lead a line that is indented less than the opener's, and, unless it is a brace, does not
    stand behind such a line.
    """
    openers, _ = unmatched(_near(prefix), language_id)
    _, closers = unmatched(suffix[:_WINDOW_CHARS], language_id)
    lowest_above = _lowest_above(closers, suffix)
    allowed: list[str | None] = []
    used = 0
    for opener in reversed(openers):
        closer = closers[used] if used < len(closers) else None
        if closer and _is_partner(opener, closer, lowest_above):
            used += 1
            allowed.append(None)
        else:
            allowed.append(opener.closer)
    return tuple(allowed)


def ending(prefix: str, language_id: str) -> Ending:
    """Return what the prefix ends in."""
    token = _last_token(prefix, language_id)
    if _text_closer(token):
        return "text"
    if token.startswith(("#", "//")):
        return "comment"
    is_open = token[:1] in _QUOTES and (len(token) == 1 or token[-1] != token[0])
    return "string" if is_open else "code"


def text_closer(prefix: str, language_id: str) -> str | None:
    """Return what would end the string or comment of several lines that the prefix ends in."""
    return _text_closer(_last_token(prefix, language_id))


def _last_token(prefix: str, language_id: str) -> str:
    """Return the token that reaches to the end of the prefix, "" if none does."""
    near = _near(prefix)
    token, end = "", 0
    for match in _lexer(language_id).finditer(near):
        token, end = match[0], match.end()
    return token if end == len(near) else ""


def _text_closer(token: str) -> str | None:
    for opener, closer in _TEXTS.items():
        if token.startswith(opener):
            is_open = len(token) < len(opener + closer) or not token.endswith(closer)
            return closer if is_open else None
    return None


def scan(
    head: str, text: str, allowed: tuple[str | None, ...], language_id: str
) -> tuple[int | None, int]:
    """Look at what a suggestion closes.

    Args:
        head: the cursor's line before the suggestion; it says whether that is inside a string.
        text: the suggestion.
        allowed: what it may close (`allowed_closers`).
        language_id: as the editor names it.

    Returns:
        Where `text` first closes what it must not, None if nowhere; and how many brackets that
        were open before it are closed by then.
    """
    stack = list(reversed(allowed))
    lowest = len(stack)
    head = _last_begun(head, language_id)
    for match in _lexer(language_id).finditer(head + text):
        token, offset = match[0], match.start() - len(head)
        if offset < 0:
            continue
        if token in _PAIR:
            stack.append(_PAIR[token])
        elif token in _CLOSERS:
            if not stack or stack[-1] != token:
                return offset, len(allowed) - lowest
            stack.pop()
            lowest = min(lowest, len(stack))
    return None, len(allowed) - lowest


@functools.lru_cache(maxsize=8)
def _last_begun(head: str, language_id: str) -> str:
    """Return the head from its last token on, which is all that what follows depends on."""
    start = 0
    for match in _lexer(language_id).finditer(head):
        start = match.start()
    return head[start:]


def _near(prefix: str) -> str:
    """Return the end of the prefix, from a place that is likely not inside a docstring."""
    if len(prefix) <= _WINDOW_CHARS:
        return prefix
    start = prefix.find("\n", len(prefix) - _WINDOW_CHARS) + 1
    for quotes in ('"""', "'''"):
        if prefix.count(quotes, 0, start) % 2:
            start = max(start, prefix.find(quotes, start) + len(quotes))
    return prefix[start:]


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
    for number, line in enumerate(suffix[:_WINDOW_CHARS].split("\n")):
        end += 1 + len(line)
        while offset is not None and offset < end:
            if number:
                lowest_above[offset] = lowest
            offset = next(offsets, None)
        if number and line.strip():
            lowest = min(lowest, len(line) - len(line.lstrip(" \t")))
    return lowest_above


def _lexer(language_id: str) -> re.Pattern[str]:
    if language_id in _HASH_LANGUAGES:
        return _HASH
    return _RUST if language_id == "rust" else _SLASH


def _bracket(text: str, closer: str, offset: int) -> Bracket:
    line = text[text.rfind("\n", 0, offset) + 1 : offset]
    blank = line.lstrip(" \t")
    return Bracket(closer, offset, len(line) - len(blank), not blank)
