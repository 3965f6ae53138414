"""Passwords in texts that hold pairs of names and values, as connection strings do. Pure.

    "Server=x;Uid=sa;Password=letmein"    "host=db user=anna password=letmein"    "password=hunter2"

Much else has that form: SQL, messages, and the code between two strings. So without a neighbour of
the kind a value needs a digit. Takes time in the line's length. Called by `secret_forms`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from midfill_lsp.context.secret_looks import (
    PLACEHOLDER,
    VALUE,
    looks_chosen,
    looks_plain,
    looks_plain_setting,
    looks_templated,
)

_STEMS: Final = ("pass", "pwd", "key")
# An apostrophe opens no text, nor does what is escaped; each step goes on.
_TEXT = re.compile(
    r"""\\.|"([^"\\]*(?:\\.[^"\\]*)*)"|(?<![A-Za-z]{2})'([^'\\]*(?:\\.[^'\\]*)*)'"""
    r"|`([^`\\]*(?:\\.[^`\\]*)*)`"
)
_BETWEEN_TEXTS = re.compile(r"[),]\s")  # f("a", password=b, c="d")
_VALUE: Final = VALUE.replace("$", "")  # `Pa$$w0rd` is none of a template's
_PAIR = re.compile(
    rf"(?<![\w-])(?:password|passwd|pwd|accountkey|sharedaccesskey)[ ]?=[ ]?{_VALUE}",
    re.IGNORECASE,
)
_OF_SERVER: Final = r"(?:host|port|server|user|username|user[ ]id|uid|dbname|database|sslmode)"
_BEFORE = re.compile(rf"(?:=[^;=]{{0,200}};|[&?]|\b{_OF_SERVER}=\S{{1,80}})[ ]?\Z", re.IGNORECASE)
# In a connection string, which a neighbour tells: up to the next `;`.
_OF_CONNECTION: Final = (
    r"server|host|data source|addr|address|network address|driver|endpoint|database"
    r"|initial catalog|user id|uid|username|accountname|sharedaccesskeyname"
)
_CONNECTION = re.compile(rf"(?:\A|;)\s{{0,5}}(?:{_OF_CONNECTION})\s?=[^;=]*(?:;|\Z)", re.IGNORECASE)
_IN_CONNECTION = re.compile(
    r"(?:\A|;)\s{0,5}(?:password|pwd|accountkey|sharedaccesskey)\s?=\s?"
    r"(?P<value>[^;\s\"'`]{4,400})(?=;|\Z)",
    re.IGNORECASE,
)
_PUT_IN = re.compile(r"[{<@:$%]")
_BEHIND = re.compile(rf"&|;[ ]?[\w ]{{1,30}}=|[ ]{_OF_SERVER}=", re.IGNORECASE)
_ALONE = re.compile(r"""(["'])[\w ]{1,20}=[^;"']{0,400};[ ]?\1""")  # "Password=letmein;"
_MOST_BEFORE_CHARS = 210
_DIGIT = re.compile(r"[0-9]")
# A column or a variable, a word in a message, another name of the kind.
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_NAMING = re.compile(
    r".*(?:password|passwd|pwd)[\d_]*|hidden|redacted|masked|removed|missing|wrong|invalid|required",
    re.IGNORECASE,
)


def pair_spans(line: str, lowered: str) -> Iterator[tuple[int, int]]:
    """Yield where the passwords of such pairs stand in a line, in order.

    Args:
        line: without its end.
        lowered: the same in lower case.
    """
    if "=" not in line or not any(stem in lowered for stem in _STEMS):
        return
    for text in _TEXT.finditer(line):
        start, end = text.span(text.lastindex or 0)
        if text.lastindex is None or _BETWEEN_TEXTS.match(line, start, end):
            continue
        text_itself = text[text.lastindex]
        if ";" in text_itself and _CONNECTION.search(text_itself):
            for match in _IN_CONNECTION.finditer(text_itself):
                if _is_of_connection(match["value"]):
                    yield start + match.start("value"), start + match.end("value")
        for match in _PAIR.finditer(line, start, end):
            if _is_password(match):
                yield match.span("value")


def _is_of_connection(value: str) -> bool:
    if looks_plain(value) or looks_plain_setting(value) or looks_templated(value):
        return False
    is_none = PLACEHOLDER.fullmatch(value) or _NAMING.fullmatch(value)
    is_other = _PUT_IN.match(value) or _DOTTED.fullmatch(value)
    return not is_none and (not is_other or looks_chosen(value))


def _is_password(match: re.Match[str]) -> bool:
    line, value, end = match.string, match["value"], match.end("value")
    if line[end : end + 1] in frozenset("([{$>)]"):  # a call, an entry, a template, an argument
        return False
    if (
        looks_plain(value)
        or looks_templated(value)
        or PLACEHOLDER.fullmatch(value)
        or _NAMING.fullmatch(value)
    ):
        return False
    if _DOTTED.fullmatch(value) and not looks_chosen(value):
        return False
    start = match.start()
    return bool(
        _DIGIT.search(value)
        or _BEFORE.search(line, max(0, start - _MOST_BEFORE_CHARS), start)
        or _BEHIND.match(line, end)
        or _ALONE.match(line, max(0, start - 1))
    )
