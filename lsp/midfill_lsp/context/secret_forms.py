"""Ways to write a secret that detect-secrets does not know, in one line. Pure.

Options and headers, connection strings, XML, and values without quotes. Each form takes time in
the line's length: what stands before a value is bounded. Called by `secret_rules`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from midfill_lsp.context.secret_looks import looks_plain, looks_random
from midfill_lsp.named_values import (
    KEYWORD_STEMS,
    LIKELY_NAMES,
    LIKELY_REST,
    LIKELY_STEMS,
    NAMES,
)

TOKENS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+",  # JSON web tokens, well-formed or not
        r"AIza[0-9A-Za-z_-]{35}",  # Google
        r"\bhf_[A-Za-z0-9]{30,}",  # Hugging Face
        r"\bgithub_pat_[0-9A-Za-z_]{22,}",
        r"\bsk-(?:ant|proj|or|svcacct)-[0-9A-Za-z_-]{20,}",  # Anthropic, OpenAI, OpenRouter
        r"(?i)\bbearer\s+([0-9a-z._~+/-]{16,}=*)",
        # npm, Groq, Replicate, Linear, xAI, Databricks, DigitalOcean, Shopify, Supabase, Stripe's
        # webhooks, Google's OAuth, Vault, Slack's apps, age
        r"(?<![A-Za-z0-9])(?:npm_[A-Za-z0-9]{36}|gsk_[A-Za-z0-9]{40}|r8_[A-Za-z0-9]{30}"
        r"|lin_api_[A-Za-z0-9]{32}|xai-[A-Za-z0-9]{40}|dapi[0-9a-f]{32}|do[opr]_v1_[0-9a-f]{40}"
        r"|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|sbp_[0-9a-f]{32}|whsec_[A-Za-z0-9+/]{24}"
        r"|GOCSPX-[\w-]{20}|ya29\.[\w-]{20}|hv[sb]\.[\w-]{20}|xapp-\d-[A-Za-z0-9-]{20}"
        r"|AGE-SECRET-KEY-1[0-9A-Z]{40})",
        r"discord(?:app)?\.com/api/webhooks/\d{1,30}/([\w-]{20,200})",
        r"[?&;]sig=([A-Za-z0-9%+/=_-]{20,200})",  # Azure
    )
)

Span = tuple[int, int]
_Match = re.Match[str]
_MIN_BARE_CHARS = 16  # in code, what has no quotes mostly is a name
_STEMS: Final = tuple(dict.fromkeys((*KEYWORD_STEMS, *LIKELY_STEMS)))
_QUICK_STEMS: Final = (*_STEMS, "auth", "://:", "-u")
"""A line that holds none of these has no secret of any form but `TOKENS`."""
_LIKELY: Final = rf"(?:{LIKELY_NAMES})(?:{LIKELY_REST})"
_NAME: Final = rf"(?:(?P<name>{NAMES})\w{{0,30}}|{_LIKELY})(?!\w)"
# Whatever its length, and whatever follows: each character is looked at once.
_VALUE: Final = r"""(?P<value>[^\s"'`,;(){}<>\[\]$|&\\]{4,})"""
_CODE_GOES_ON: Final = frozenset("([{$>")  # a call, an entry, a template
_NO_RESULT: Final = "(?-i:(?!(?<=[\"']PASS): ))"  # echo "PASS: test_name"
_BARE: Final = rf"{_NAME}{_NO_RESULT}[\"'`]?\]?[ \t]{{0,5}}(?:=>|:=|[=:])[ \t]{{0,20}}{_VALUE}"
_OPTION: Final = (
    r"(?:(?<![\w-])--?[\w-]{0,40}?"
    r"|^\s{0,20}(?:ENV|setx|set(?:[ ]-{1,2}\w{1,10}){0,3})[ ]{1,5}\w{0,40}?)"
)
_QUOTED: Final = r"""(?P<quote>["'])(?P<value>[^"'\s${}]{4,400})(?P=quote)"""
_TEXT = re.compile(r"\"[^\"]*\"|'[^']*'")
_LOGIN: Final = rf"(?:-u|--user)[ =]?[\"']?[\w.@+-]{{1,60}}:{_VALUE}"
_PLACEHOLDER = re.compile(r"[A-Z_]+|\*+|\.+")
_LABEL = re.compile(r"[A-Z][a-z]{1,11}")
# Server=x;Password=hunter2; within a text
_PAIR = re.compile(
    rf"(?<![\w-])(?:password|passwd|pwd|accountkey|sharedaccesskey)[ ]?=[ ]?{_VALUE}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to write a secret.

    Attributes:
        stems: a line in lower case that holds none of them has no such secret.
        pattern: its group `value` is the secret.
        is_secret: tells others of the same form apart.
        only_config: it means something else in code.
    """

    stems: tuple[str, ...]
    pattern: re.Pattern[str]
    is_secret: Callable[[_Match], bool]
    only_config: bool


def form_spans(line: str, lowered: str, is_config: bool) -> Iterator[Span]:
    """Yield where secrets of these forms stand in a line, in no order.

    Args:
        line: without its end.
        lowered: the same in lower case.
        is_config: values need no quotes there, as in YAML.
    """
    if not any(stem in lowered for stem in _QUICK_STEMS):
        return
    for form in _FORMS:
        if form.only_config and not is_config:
            continue
        if any(stem in lowered for stem in form.stems):
            for match in form.pattern.finditer(line):
                if form.is_secret(match) and _ends(match):
                    yield match.span("value")
    if "=" in line and ("pass" in lowered or "pwd" in lowered or "key" in lowered):
        for text in _TEXT.finditer(line):
            for match in _PAIR.finditer(line, *text.span()):
                if _is_pair(match) and _ends(match):
                    yield match.span("value")


def _form(
    stems: tuple[str, ...],
    pattern: str,
    is_secret: Callable[[_Match], bool] | None = None,
    *,
    only_config: bool = False,
) -> _Form:
    compiled = re.compile(pattern, re.IGNORECASE)
    return _Form(stems, compiled, is_secret or _is_not_plain, only_config)


def _ends(match: _Match) -> bool:
    end = match.end("value")
    return match.string[end : end + 1] not in _CODE_GOES_ON


def _is_pair(match: _Match) -> bool:
    is_argument = match.string.startswith((")", "]"), match.end("value"))
    return _is_not_plain(match) and not (is_argument or _PLACEHOLDER.fullmatch(match["value"]))


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
    is_usage = match[0].startswith("-") and _PLACEHOLDER.fullmatch(match["value"])
    return not is_usage and _is_named_or_random(match)


def _is_no_label(match: _Match) -> bool:
    return not _LABEL.fullmatch(match["value"]) and _is_named_or_random(match)


def _is_base64(match: _Match) -> bool:
    return not match["value"].islower()  # a word


_FORMS: Final = (
    _form(_STEMS, _BARE, _is_long_and_random),  # a header, a query, a setting in a text
    _form(_STEMS, _BARE, _is_named_or_random, only_config=True),
    # --password hunter2; ENV DB_PASSWORD hunter2; set -x DB_PASSWORD hunter2
    _form(
        _STEMS,
        rf"{_OPTION}{_NAME}[ ]{{1,5}}(?![-=:]){_VALUE}",
        _is_argument,
        only_config=True,
    ),
    _form(  # .netrc
        ("passw",),
        rf"(?:^\s{{0,20}}|\blogin[ ]{{1,5}}\S{{1,80}}[ ]{{1,5}})password[ ]{{1,5}}{_VALUE}\s*\Z",
        only_config=True,
    ),
    _form(("pass",), rf"(?:^|\s)pass(?:word|phrase)[ \t]{{1,5}}{_QUOTED}\s*(?:\Z|[;}}])"),  # Gradle
    _form(("curl",), rf"(?<![\w-]){_LOGIN}"),
    _form(("-u",), rf"\A\s{{0,20}}{_LOGIN}", _is_random),  # the command is on the line above
    _form(
        ("basic ",),
        r"authorization\W{1,8}basic[ ]{1,5}(?P<value>[a-z0-9+/_-]{8,400}=*)",
        _is_base64,
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
        rf"(?:(?P<name>{NAMES})[\w.:-]{{0,30}}|{_LIKELY})[\"']"
        rf"\s{{0,5}},?\s{{0,5}}[\"']?value[\"']?\s{{0,5}}[:=]\s{{0,5}}{_QUOTED}",
        _is_named_or_random,
    ),
    _form(  # auth=("anna", "hunter2")
        ("auth",),
        rf"auth(?:enticate)?\s{{0,3}}=?\s{{0,3}}\(\s{{0,3}}[\"'][^\"']{{1,60}}[\"'],\s{{0,3}}{_QUOTED}",
        _is_random,
    ),
)
