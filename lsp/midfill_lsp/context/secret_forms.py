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

from midfill_lsp.context.secret_grammars import grammar_spans
from midfill_lsp.context.secret_looks import VALUE
from midfill_lsp.context.secret_matches import (
    Match,
    is_argument,
    is_assigned,
    is_base64,
    is_chosen,
    is_in_url,
    is_line_of_settings,
    is_long_and_random,
    is_named_or_random,
    is_no_label,
    is_no_word,
    is_not_plain,
    is_of_sql,
    is_random,
    is_setting,
    is_whole,
    is_written,
)
from midfill_lsp.context.secret_pairs import pair_spans
from midfill_lsp.context.secret_shells import (
    ALONE,
    ASSIGNED,
    BEHIND_QUOTE,
    CURL,
    DEFAULT,
    IN_QUOTES,
    LOGIN,
    LOOSE,
    OPENSSL,
    WITHIN_QUOTES,
    WRITTEN,
)
from midfill_lsp.named_values import (
    KEYWORD_STEMS,
    LIKELY_NAMES,
    LIKELY_REST,
    LIKELY_STEMS,
    NAMES,
)

Span = tuple[int, int]
_STEMS: Final = tuple(dict.fromkeys((*KEYWORD_STEMS, *LIKELY_STEMS)))
_QUICK_STEMS: Final = (*_STEMS, "auth", "://", "-u", "identified", "securestring")
"""A line that holds none of these has no secret of any form."""
_LIKELY: Final = rf"(?:{LIKELY_NAMES})(?:{LIKELY_REST})"
_NAME: Final = rf"(?:(?P<name>{NAMES})\w{{0,30}}|{_LIKELY})(?!\w)"
_NO_RESULT: Final = "(?-i:(?!(?<=[\"']PASS): ))"  # echo "PASS: test_name"
_IS: Final = r"[\"'`]?\]?[ \t]{0,5}(?:=>|:=|[=:])[ \t]{0,20}"
_SETTING: Final = (
    rf"\s{{0,20}}[\w.-]{{0,80}}?(?P<name>{NAMES})\w{{0,30}}[ \t]{{0,20}}[=:]"
    r"[ \t]{0,20}(?P<value>(?![#;](?:\s|\Z))[^\s\"'].{2,400}\S)\s{0,20}\Z"
)
_OPTION: Final = (
    r"(?:(?<![\w-])--?[\w-]{0,40}?"
    r"|^\s{0,20}(?:ENV|setx|set(?:[ ]-{1,2}\w{1,10}){0,3})[ ]{1,5}\w{0,40}?)"
)
_SETTING_TAGS: Final = "add|property|parameter|param|setting|constructor-arg|entry"
_QUOTED: Final = r"""(?P<quote>["'])(?P<value>[^"'\s]{4,400})(?P=quote)"""


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
_SHELL: Final = frozenset({Syntax.SHELL})


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
    is_secret: Callable[[Match], bool]
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
                if form.is_secret(match) and is_whole(match, syntax is Syntax.SHELL):
                    yield match.span("value")
    yield from pair_spans(line, lowered)
    yield from grammar_spans(line, lowered, syntax is Syntax.CODE)


def _form(
    stems: tuple[str, ...],
    pattern: str,
    is_secret: Callable[[Match], bool] | None = None,
    *,
    only: frozenset[Syntax] = frozenset(Syntax),
) -> _Form:
    compiled = re.compile(pattern, re.IGNORECASE)
    return _Form(stems, compiled, is_secret or is_not_plain, only)


_FORMS: Final = (
    _form(_STEMS, _NAME + _NO_RESULT + _IS + VALUE, is_long_and_random),  # a header, a query
    _form(
        _STEMS,
        _NAME + _NO_RESULT + _IS + VALUE,
        is_named_or_random,
        only=_UP_TO_THE_END,
    ),
    _form(
        _STEMS,
        _NAME + ASSIGNED,
        is_named_or_random,
        only=_SHELL,
    ),
    *(
        _form(_STEMS, way, is_assigned, only=_SHELL)
        for way in (IN_QUOTES, BEHIND_QUOTE, WITHIN_QUOTES, ALONE)
    ),
    _form(_STEMS, LOOSE, is_chosen, only=_SHELL),
    _form(_STEMS, rf"\$\{{\w{{0,40}}?{_NAME}{DEFAULT}", is_named_or_random, only=_SHELL),
    _form(_STEMS, _NAME + _NO_RESULT + WRITTEN, is_written, only=_SHELL),
    _form(  # a line of a here-document, where no assignment of the shell's stands
        _STEMS,
        rf"\A(?=\s*[\w.-]+(?:[ \t]*:|[ \t]+=)[ \t]){_SETTING}",
        is_line_of_settings,
        only=_SHELL,
    ),
    _form(("pass:",), OPENSSL, only=_WITHOUT_QUOTES),
    _form(_STEMS, rf"\A{_SETTING}", is_setting, only=frozenset({Syntax.SETTINGS})),
    _form(  # app.db.password=!hunter2! among YAML
        _STEMS,
        rf"\A(?=\s*[\w-]+(?:\.[\w-]+)+=\S+\s*\Z){_SETTING}",
        is_setting,
        only=frozenset({Syntax.CONFIG}),
    ),
    # --password hunter2; ENV DB_PASSWORD hunter2; set -x DB_PASSWORD hunter2
    _form(
        _STEMS,
        rf"{_OPTION}{_NAME}[ ]{{1,5}}(?![-=:]){VALUE}",
        is_argument,
        only=_WITHOUT_QUOTES,
    ),
    _form(  # redis-server --requirepass hunter2
        ("requirepass", "masterauth"),
        rf"(?:^\s{{0,20}}|--)(?:requirepass|masterauth)[ =]{{1,5}}[\"']?{VALUE}",
        only=_WITHOUT_QUOTES,
    ),
    _form(("securestring",), rf"convertto-securestring[ ]{{1,5}}(?:-string[ ]{{1,5}})?{_QUOTED}"),
    _form(  # .netrc
        ("passw",),
        rf"(?:^\s{{0,20}}|\blogin[ ]{{1,5}}\S{{1,80}}[ ]{{1,5}})password[ ]{{1,5}}{VALUE}\s*\Z",
        only=_WITHOUT_QUOTES,
    ),
    _form(  # Gradle
        ("pass",),
        r"(?:^|[{;,(])\s{0,20}(?:(?:store|key|db|user|admin)_?)?pass(?:word|phrase)[ \t]{1,5}"
        rf"{_QUOTED}\s*(?:\Z|[;}}])",
    ),
    _form(  # CREATE USER a WITH PASSWORD 'hunter2'; ... IDENTIFIED BY 'hunter2'
        ("password", "identified"),
        r"(?:(?P<statement>\b(?:create|alter|grant|set)[ ][^;]{0,200}?)"
        r"?(?<!\w)(?:(?:with|login|encrypted)[ ]{1,5}password"
        r"|identified[ ](?:with[ ][\w'\"]{1,40}[ ])?(?:by|as))"
        r"|(?P<other>\b(?:create|alter)[ ](?:user|role|login)\b[^'\"]{0,100}\bpassword))"
        r"(?:[ ]password)?"
        r"[ ]{0,5}=?[ ]{0,5}'(?P<value>[^'\"]{3,400})'",
        is_of_sql,
    ),
    _form(("curl",), CURL),
    _form(("-u",), rf"\A\s{{0,20}}{LOGIN}", is_random),  # the command is on the line above
    _form(
        ("basic ",),
        r"authorization\W{1,8}basic[ ]{1,5}(?P<value>[a-z0-9+/_-]{8,400}=*)",
        is_base64,
    ),
    _form(  # postgres://anna:hunter2!@db
        ("://",),
        r"""://[^\s/?#@:"'`<>()\[\]\\|]{1,200}:"""
        r"""(?P<value>(?!\d{2,5}[,;\\{])[^\s/?#"'`<>()\[\]]{1,400})@""",
        is_in_url,
    ),
    _form(("://:",), r"""://:(?P<value>[^\s/?#@"'`{}$<>]{1,200})@"""),
    _form(("_auth",), r"(?<!\w)_auth[ ]?=[ ]?(?P<value>[a-z0-9+/_=-]{8,400})", is_base64),
    _form(
        ("client-key-data",),
        r"""client-key-data["']?[ ]?:[ ]{0,5}["']?(?P<value>[a-z0-9+/]{16,9999}=*)""",
    ),
    _form(  # <password>hunter2</password>
        _STEMS,
        rf"<[\w.:-]{{0,60}}?(?:(?P<name>{NAMES})|{_LIKELY})(?:\s[^<>]{{0,200}})?>"
        r"\s{0,20}(?P<value>[^\s<>$][^<>]{3,400}?)\s{0,20}</",
        is_no_label,
    ),
    _form(  # <add key="ApiKey" value="..."/>; {"name": "DB_PASSWORD", "value": "..."}
        ("value",),
        rf"(?P<setting><(?:{_SETTING_TAGS})\s{{1,5}})?"
        rf"(?:key|name)[\"']?\s{{0,5}}[:=]\s{{0,5}}[\"'][\w.:-]{{0,60}}?"
        rf"(?:(?P<name>{NAMES})(?P<rest>{LIKELY_REST}|(?-i:[A-Z_.:-])[\w.:-]{{0,30}})|{_LIKELY})[\"']"
        rf"\s{{0,5}},?\s{{0,5}}[\"']?value[\"']?\s{{0,5}}[:=]\s{{0,5}}{_QUOTED}",
        is_no_word,
    ),
    _form(  # auth=("anna", "hunter2")
        ("auth",),
        rf"auth(?:enticate)?\s{{0,3}}=?\s{{0,3}}\(\s{{0,3}}[\"'][^\"']{{1,60}}[\"'],\s{{0,3}}{_QUOTED}",
        is_random,
    ),
)
