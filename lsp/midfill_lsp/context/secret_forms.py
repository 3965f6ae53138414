"""Ways to write a secret that detect-secrets does not know, in one line. Pure.

Options and headers, connection strings, XML, and values without quotes. Each form takes time in
the line's length: what stands before a value is bounded. Called by `secret_rules`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from midfill_lsp.context.secret_looks import (
    PLACEHOLDER,
    VALUE,
    looks_plain,
    looks_plain_setting,
    looks_random,
)
from midfill_lsp.context.secret_pairs import pair_spans
from midfill_lsp.named_values import (
    KEYWORD_STEMS,
    LIKELY_NAMES,
    LIKELY_REST,
    LIKELY_STEMS,
    NAMES,
)

Span = tuple[int, int]
_Match = re.Match[str]
_MIN_BARE_CHARS = 16  # in code, what has no quotes mostly is a name
_STEMS: Final = tuple(dict.fromkeys((*KEYWORD_STEMS, *LIKELY_STEMS)))
_QUICK_STEMS: Final = (*_STEMS, "auth", "://", "-u")
"""A line that holds none of these has no secret of any form."""
_LIKELY: Final = rf"(?:{LIKELY_NAMES})(?:{LIKELY_REST})"
_NAME: Final = rf"(?:(?P<name>{NAMES})\w{{0,30}}|{_LIKELY})(?!\w)"
_CODE_GOES_ON: Final = frozenset("([{$>")  # a call, an entry, a template
_OF_ANOTHER: Final = "".join(
    f"(?<!{end})" for end in ("file", "dir", "path", "name", "names", "length", "len", "type")
)
"""Behind the name of something of a secret's, as in `password_file`."""
_NO_RESULT: Final = "(?-i:(?!(?<=[\"']PASS): ))"  # echo "PASS: test_name"
_IS: Final = r"[\"'`]?\]?[ \t]{0,5}(?:=>|:=|[=:])[ \t]{0,20}"
_WORD_OF_SHELL: Final = r"""(?P<value>(?!\[)(?:[^\s"'`;(){}<>$|&\\]|\\.){4,})"""
_SETTING: Final = (
    rf"\s{{0,20}}[\w.-]{{0,80}}?(?P<name>{NAMES})\w{{0,30}}{_OF_ANOTHER}[ \t]{{0,20}}[=:]"
    r"[ \t]{0,20}(?P<value>(?![#;](?:\s|\Z))[^\s\"'].{2,400}\S)\s{0,20}\Z"
)
_OPTION: Final = (
    r"(?:(?<![\w-])--?[\w-]{0,40}?"
    r"|^\s{0,20}(?:ENV|setx|set(?:[ ]-{1,2}\w{1,10}){0,3})[ ]{1,5}\w{0,40}?)"
)
_QUOTED: Final = r"""(?P<quote>["'])(?P<value>[^"'\s${}]{4,400})(?P=quote)"""
_LOGIN: Final = rf"(?:-u|--user)[ =]?[\"']?[\w.@+-]{{1,60}}:{VALUE}"
_ARGUMENTS: Final = r"""(?:"[^"]{0,300}"|'[^']{0,300}'|[^|;&"']|&(?!&)){0,200}?"""
_LABEL = re.compile(r"[A-Z][a-z]{1,11}(?: [a-z]{1,12}){0,5}")
_WORD = re.compile(r"[A-Z]?[a-z]{1,11}|[A-Z]{1,12}")
_PART = re.compile(r"[a-z]{2,8}=", re.IGNORECASE)
# Put in by something else, or left out.
_NOT_IN_URL = re.compile(r"\$\w|%\w\Z|[*.x]+\Z")


class Syntax(IntEnum):
    """How a text writes values.

    Attributes:
        CODE: in quotes.
        CONFIG: without, as in YAML, which may hold scripts too.
        SETTINGS: without, and to the line's end; no character has a meaning, as in .properties.
        SHELL: without, up to a blank.
    """

    CODE = 0
    CONFIG = 1
    SETTINGS = 2
    SHELL = 3


_WITHOUT_QUOTES: Final = frozenset(Syntax) - {Syntax.CODE}
_UP_TO_THE_END: Final = frozenset({Syntax.CONFIG, Syntax.SETTINGS})


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to write a secret.

    Attributes:
        stems: a line in lower case that holds none of them has no such secret.
        pattern: its group `value` is the secret.
        is_secret: tells others of the same form apart.
        syntaxes: those where it means this.
    """

    stems: tuple[str, ...]
    pattern: re.Pattern[str]
    is_secret: Callable[[_Match], bool]
    syntaxes: frozenset[Syntax]


def form_spans(line: str, lowered: str, syntax: Syntax) -> Iterator[Span]:
    """Yield where secrets of these forms stand in a line, in no order.

    Args:
        line: without its end.
        lowered: the same in lower case.
        syntax: how it writes values.
    """
    if not any(stem in lowered for stem in _QUICK_STEMS):
        return
    for form in _FORMS:
        if syntax in form.syntaxes and any(stem in lowered for stem in form.stems):
            for match in form.pattern.finditer(line):
                if form.is_secret(match) and _ends(match):
                    yield match.span("value")
    yield from pair_spans(line, lowered)


def _form(
    stems: tuple[str, ...],
    pattern: str,
    is_secret: Callable[[_Match], bool] | None = None,
    *,
    only: frozenset[Syntax] = frozenset(Syntax),
) -> _Form:
    compiled = re.compile(pattern, re.IGNORECASE)
    return _Form(stems, compiled, is_secret or _is_not_plain, only)


def _ends(match: _Match) -> bool:
    end = match.end("value")
    return match.string[end : end + 1] not in _CODE_GOES_ON


def _is_not_plain(match: _Match) -> bool:
    return not looks_plain(match["value"])


def _is_random(match: _Match) -> bool:
    return looks_random(match["value"])


def _is_long_and_random(match: _Match) -> bool:
    return looks_random(match["value"], _MIN_BARE_CHARS)


def _is_named_or_random(match: _Match) -> bool:
    if match["name"] is None:
        return _is_random(match)
    return _is_not_plain(match) and match["value"].lower() != match["name"].lower()


def _is_argument(match: _Match) -> bool:
    is_usage = match[0].startswith("-") and PLACEHOLDER.fullmatch(match["value"])
    is_other = is_usage or _PART.match(match["value"])  # --secret id=npm
    return not is_other and _is_named_or_random(match)


def _is_setting(match: _Match) -> bool:
    return not looks_plain_setting(match["value"]) and match["value"] != match["name"]


def _is_in_url(match: _Match) -> bool:
    return not _NOT_IN_URL.match(match["value"])


def _is_no_label(match: _Match) -> bool:
    return not _LABEL.fullmatch(match["value"]) and _is_named_or_random(match)


def _is_no_word(match: _Match) -> bool:
    return not _WORD.fullmatch(match["value"]) and _is_named_or_random(match)


def _is_base64(match: _Match) -> bool:
    return not match["value"].islower()  # a word


_FORMS: Final = (
    _form(_STEMS, _NAME + _NO_RESULT + _IS + VALUE, _is_long_and_random),  # a header, a query
    _form(
        _STEMS,
        _NAME + _OF_ANOTHER + _NO_RESULT + _IS + VALUE,
        _is_named_or_random,
        only=_UP_TO_THE_END,
    ),
    _form(
        _STEMS,
        rf"{_NAME}{_OF_ANOTHER}:?={_WORD_OF_SHELL}",
        _is_named_or_random,
        only=frozenset({Syntax.SHELL}),
    ),
    _form(_STEMS, rf"\A{_SETTING}", _is_setting, only=frozenset({Syntax.SETTINGS})),
    _form(  # app.db.password=!hunter2! among YAML
        _STEMS,
        rf"\A(?=\s*[\w-]+(?:\.[\w-]+)+=\S+\s*\Z){_SETTING}",
        _is_setting,
        only=frozenset({Syntax.CONFIG}),
    ),
    # --password hunter2; ENV DB_PASSWORD hunter2; set -x DB_PASSWORD hunter2
    _form(
        _STEMS,
        rf"{_OPTION}{_NAME}[ ]{{1,5}}(?![-=:]){VALUE}",
        _is_argument,
        only=_WITHOUT_QUOTES,
    ),
    _form(  # .netrc
        ("passw",),
        rf"(?:^\s{{0,20}}|\blogin[ ]{{1,5}}\S{{1,80}}[ ]{{1,5}})password[ ]{{1,5}}{VALUE}\s*\Z",
        only=_WITHOUT_QUOTES,
    ),
    _form(
        ("pass",), rf"(?:^|[{{;])\s{{0,20}}pass(?:word|phrase)[ \t]{{1,5}}{_QUOTED}\s*(?:\Z|[;}}])"
    ),  # Gradle
    _form(
        ("curl",),
        rf"(?<![\w.-])curl(?:\.exe)?\s{_ARGUMENTS}(?<![\w-]){_LOGIN}",
    ),
    _form(("-u",), rf"\A\s{{0,20}}{_LOGIN}", _is_random),  # the command is on the line above
    _form(
        ("basic ",),
        r"authorization\W{1,8}basic[ ]{1,5}(?P<value>[a-z0-9+/_-]{8,400}=*)",
        _is_base64,
    ),
    _form(  # postgres://anna:hunter2!@db
        ("://",),
        r"""://[^\s/?#@:"'`<>()\[\]\\|]{1,200}:"""
        r"""(?P<value>(?!\d{2,5}[,;])[^\s/?#@"'`{}<>()\[\]\\]{1,400})@""",
        _is_in_url,
    ),
    _form(("://:",), r"""://:(?P<value>[^\s/?#@"'`{}$<>]{1,200})@"""),
    _form(("_auth",), r"(?<!\w)_auth[ ]?=[ ]?(?P<value>[a-z0-9+/_=-]{8,400})", _is_base64),
    _form(
        ("client-key-data",),
        r"""client-key-data["']?[ ]?:[ ]{0,5}["']?(?P<value>[a-z0-9+/]{16,9999}=*)""",
    ),
    _form(  # <password>hunter2</password>
        _STEMS,
        rf"<[\w.:-]{{0,60}}?(?:(?P<name>{NAMES})|{_LIKELY})(?:\s[^<>]{{0,200}})?>"
        r"\s{0,20}(?P<value>[^\s<>{}$][^<>{}$]{3,400}?)\s{0,20}</",
        _is_no_label,
    ),
    _form(  # <add key="ApiKey" value="..."/>; {"name": "DB_PASSWORD", "value": "..."}
        ("value",),
        rf"(?:key|name)[\"']?\s{{0,5}}[:=]\s{{0,5}}[\"'][\w.:-]{{0,60}}?"
        rf"(?:(?P<name>{NAMES}){LIKELY_REST}|{_LIKELY})[\"']"
        rf"\s{{0,5}},?\s{{0,5}}[\"']?value[\"']?\s{{0,5}}[:=]\s{{0,5}}{_QUOTED}",
        _is_no_word,
    ),
    _form(  # auth=("anna", "hunter2")
        ("auth",),
        rf"auth(?:enticate)?\s{{0,3}}=?\s{{0,3}}\(\s{{0,3}}[\"'][^\"']{{1,60}}[\"'],\s{{0,3}}{_QUOTED}",
        _is_random,
    ),
)
