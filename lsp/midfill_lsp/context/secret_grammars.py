"""Secrets whose place and end another grammar than the file's tells, in one line. Pure.

    https://x.org/?api_key=...     "X-Api-Key: ..."     Authorization: Bearer ...
    machine x.org login anna password ...               ${PASSWORD:-...}

There a value may hold any character but those that end it, so more than a name has to say that it
is one: letters and digits, or a look as of a password. Takes time in the line's length. Called by
`secret_forms`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from midfill_lsp.context.secret_looks import (
    PLACEHOLDER,
    holds_template,
    looks_chosen,
    looks_plain,
    looks_plain_setting,
    names_another,
)
from midfill_lsp.named_values import LIKELY_NAMES, LIKELY_REST, NAMES

_NAMED: Final = rf"(?P<named>(?:{NAMES})\w{{0,30}})"
_NAME: Final = rf"(?:{_NAMED}|(?:{LIKELY_NAMES})(?:{LIKELY_REST}))"
_MOST_URL_CHARS = 1_000
_ENDS_URL = re.compile(r"[\s\"'`<>]")
# A template, a parameter, an alias or an anchor of YAML.
_PUT_IN = re.compile(r"[#$@%]?[<{(\[]|[:@*&]\w+\Z")
_DIGIT_AND_LETTER = re.compile(r"(?=.*[0-9]).*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class _Grammar:
    """One of them.

    Attributes:
        sign: a line in lower case without it has none.
        pattern: its group `value` is the secret; where there is a group `sure`, whatever it holds.
        in_code: whether code holds it too.
        in_url: whether it is a part of a URL.
    """

    sign: str
    pattern: re.Pattern[str]
    in_code: bool
    in_url: bool


def grammar_spans(line: str, lowered: str, is_code: bool) -> Iterator[tuple[int, int]]:
    """Yield where secrets of these grammars stand in a line.

    Args:
        line: without its end.
        lowered: the same in lower case.
        is_code: whether what has no quotes mostly is a name.
    """
    for grammar in _GRAMMARS:
        if grammar.sign in lowered and (grammar.in_code or not is_code):
            for match in grammar.pattern.finditer(line):
                if _is_secret(match) and (not grammar.in_url or _is_in_url(match)):
                    yield match.span("value")


def _is_secret(match: re.Match[str]) -> bool:
    value, groups = match["value"], match.groupdict()
    if looks_plain(value) or looks_plain_setting(value) or holds_template(value):
        return False
    if _PUT_IN.match(value) or PLACEHOLDER.fullmatch(value):
        return False
    if groups.get("sure") or looks_chosen(value, "/" in value):
        return True
    is_named = groups.get("named") and not names_another(match.string, match.start("value"))
    return bool(is_named and _DIGIT_AND_LETTER.match(value))


def _is_in_url(match: re.Match[str]) -> bool:
    before = match.string[max(0, match.start() - _MOST_URL_CHARS) : match.start()]
    scheme = before.rfind("://")
    return scheme >= 0 and not _ENDS_URL.search(before, scheme)


def _grammar(sign: str, pattern: str, *, in_code: bool = True, in_url: bool = False) -> _Grammar:
    return _Grammar(sign, re.compile(pattern, re.IGNORECASE), in_code, in_url)


_GRAMMARS: Final = (
    _grammar(  # a query's
        "=", rf"[?&][\w.-]{{0,40}}?{_NAME}=(?P<value>[^\s\"'`&#<>\\]{{4,400}})", in_url=True
    ),
    _grammar(  # "X-Api-Key: ..."
        ": ",
        rf"[\"'`](?=\w{{1,30}}-)[\w-]{{0,60}}?{_NAME}:[ ](?P<value>[^\s\"'`]{{4,400}})[\"'`]",
    ),
    _grammar(
        "authorization",
        r"authorization[\"'`]?\]?\s{0,5}[:=,]\s{0,5}[\"'`]?(?:bearer|token|apikey)[ ]{1,5}"
        r"(?P<value>[^\s\"'`,;]{8,400})",
    ),
    _grammar(  # .netrc
        "password",
        r"(?<![\w.-])(?:(?P<sure>(?:machine\s{1,5}\S{1,200}|default)\s{1,5}"
        r"login\s{1,5}\S{1,200}\s{1,5})"
        r"|\A\s{0,20}(?:login\s{1,5}\S{1,200}\s{1,5})?)"
        r"password\s{1,5}(?P<value>[^\s\"'`]{4,400}?)(?=;?(?!\S))",
        in_code=False,
    ),
    _grammar(
        "${",
        rf"\$\{{\w{{0,40}}?{_NAME}:?[-=](?P<value>[^\s\"'`$}}]{{4,400}})\}}",
        in_code=False,
    ),
    _grammar(  # a name and its value, to the line's end
        "",
        rf"\A\s{{0,40}}(?:-\s{{1,5}})?[\w.-]{{0,80}}?(?:{NAMES})\w{{0,30}}[ \t]{{0,20}}"
        r"(?:[:?+]?=|:[ \t])[ \t]{0,20}(?!\S{1,400}?&[\w.-]{1,60}=)"
        r"(?P<value>[^\s\"'`#|>][^\s\"'`]{3,400})\s{0,20}\Z",
        in_code=False,
    ),
)
