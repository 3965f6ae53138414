"""The rules for secrets in a line: detect-secrets' own, and a few for what it does not know yet.

Those are `named_values`, for the many ways to write a name's value, `secret_forms` and
`secret_tokens`. Every plugin is used but those for private keys (`secret_keys`), passwords in URLs
(`secret_forms`) and addresses of hosts. Importing them takes half a second. Called by
`secret_lines`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

from midfill_lsp.context.secret_forms import Span, Syntax, form_spans
from midfill_lsp.context.secret_looks import looks_chosen, looks_plain, looks_random, names_another
from midfill_lsp.context.secret_tokens import TOKENS
from midfill_lsp.named_values import KEYWORD_STEMS, LIKELY_STEMS, likely_values, named_values

# The worst lines that were found for the rules, such as `passwordpassword...`, then take 0.2 ms a
# character.
_KEYWORD_PIECE_CHARS = 400
_TOKEN_PIECE_CHARS = 2_000

_Rule = Callable[[str], Iterable[str]]

# No rule but those for keywords matches without such a run of characters.
_LONG_RUN = re.compile(r"[A-Za-z0-9+/_=.\-]{11}")
_RUN_END = re.compile(r"[A-Za-z0-9+/_=.-]*")
_MIN_GROUP_CHARS = 8
_MIN_CHARS = 4  # fewer stand anywhere
_NONE = re.compile(r"pwd`*|\$[0-9@*]|\$\(\w+\)")  # pwd=`pwd`; what a script was called with
# API_KEY = "api_key"
_OWN_NAME = re.compile(r"""(?<!\w)([A-Z]{1,30}_[A-Z_]{1,30}) = ["']((?i:\1))["']""")
_NEAR_CHARS = 80  # what tells of a value that it is none stands so near before it
_KINDS_IN_JS = frozenset(("string", "number", "boolean", "object", "function", "undefined"))
_JOINED = re.compile(r"\w\w")  # around a place where no word ends or begins


@dataclass(frozen=True, slots=True)
class Rules:
    """detect-secrets' plugins, by what a line must hold for them to match."""

    named: Callable[[str], Iterable[Span]]
    likely: Callable[[str], Iterable[Span]]
    keyword: _Rule
    config_keyword: _Rule
    quoted: tuple[_Rule, ...]
    tokens: tuple[re.Pattern[str], ...]


def load() -> Rules:
    """Import detect-secrets' plugins, and sort them."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    from detect_secrets.filters.heuristic import is_sequential_string, is_templated_secret
    from detect_secrets.plugins.base import RegexBasedDetector
    from detect_secrets.plugins.basic_auth import BasicAuthDetector
    from detect_secrets.plugins.high_entropy_strings import (
        Base64HighEntropyString,
        HexHighEntropyString,
        HighEntropyStringsPlugin,
    )
    from detect_secrets.plugins.ip_public import IPPublicDetector
    from detect_secrets.plugins.keyword import (
        CONFIG_DENYLIST_REGEX_TO_GROUP,
        GOLANG_DENYLIST_REGEX_TO_GROUP,
        REGEX_BY_FILETYPE,
        KeywordDetector,
    )
    from detect_secrets.plugins.private_key import PrivateKeyDetector

    keyword = cast("Any", KeywordDetector())
    analyze: Callable[..., Iterable[str]] = keyword.analyze_string
    # Go's need no quotes, as those of configuration; `named_values` knows how it writes them.
    unquoted = (CONFIG_DENYLIST_REGEX_TO_GROUP, GOLANG_DENYLIST_REGEX_TO_GROUP)
    quoted: list[object] = []  # whatever the language: a piece of a text is of several
    for rules_of_type in REGEX_BY_FILETYPE.values():
        if rules_of_type not in (*unquoted, *quoted):
            quoted.append(rules_of_type)

    def is_none(value: str, line: str) -> bool:
        if _NONE.fullmatch(value) or is_templated_secret(value):
            return True
        own = _OWN_NAME.search(line)
        return (own is not None and own[2] == value) or (
            value in _KINDS_IN_JS and "typeof " in line
        )

    def named(line: str) -> Iterable[Span]:
        for value in named_values(line):
            near = line[max(0, value.start - _NEAR_CHARS) : value.end + 1]
            if not is_none(line[value.start : value.end], near):
                yield value.start, value.end

    def likely(line: str) -> Iterable[Span]:
        for value in likely_values(line):
            if looks_random(line[value.start : value.end]):
                yield value.start, value.end

    def keyword_quoted(line: str) -> Iterable[str]:
        found = (each for rules in quoted for each in analyze(line, rules))
        return (each for each in found if not is_none(each, line))

    def named_in_config(line: str) -> Iterable[str]:
        found = analyze(line, CONFIG_DENYLIST_REGEX_TO_GROUP)
        return (
            each
            for each in found
            if not (is_none(each, line) or looks_plain(each))
            and (looks_chosen(each, "/" in each) or not names_another(line, line.find(each)))
        )

    def random(plugin: HighEntropyStringsPlugin) -> _Rule:
        def find(line: str) -> Iterable[str]:
            return (
                found
                for found in plugin.analyze_string(line)
                if plugin.calculate_shannon_entropy(found) > plugin.entropy_limit
                and not is_sequential_string(found)
            )

        return find

    # Private keys and passwords in URLs are `secret_keys`' and `secret_forms`' business, and an
    # address of a host is no secret.
    apart = (BasicAuthDetector, IPPublicDetector, PrivateKeyDetector)
    kinds: Iterable[type] = get_mapping_from_secret_type_to_class().values()
    tokens: list[re.Pattern[str]] = []
    for kind in kinds:
        if issubclass(kind, RegexBasedDetector) and kind not in apart:
            tokens += cast("Any", kind()).denylist
    return Rules(
        named=named,
        likely=likely,
        keyword=keyword_quoted,
        config_keyword=named_in_config,
        # The limits that detect-secrets itself uses.
        quoted=(random(Base64HighEntropyString(4.5)), random(HexHighEntropyString(3.0))),
        tokens=(*tokens, *TOKENS),
    )


def find_spans(rules: Rules, line: str, syntax: Syntax) -> tuple[Span, ...]:
    """Return where a line's secrets stand, some 50 us of work.

    Args:
        rules: what `load` returned.
        line: without its end.
        syntax: how it writes values.
    """
    secrets: set[str] = set()
    spans: set[Span] = set()
    lowered = line.lower()
    if any(stem in lowered for stem in KEYWORD_STEMS):
        spans.update(rules.named(line))
        for start, end in _pieces(line, _KEYWORD_PIECE_CHARS):
            secrets.update(rules.keyword(line[start:end]))
            if syntax in (Syntax.CONFIG, Syntax.SETTINGS):
                secrets.update(rules.config_keyword(line[start:end]))
    if any(stem in lowered for stem in LIKELY_STEMS):
        spans.update(rules.likely(line))
    spans.update(form_spans(line, lowered, syntax))
    if _LONG_RUN.search(line):
        for start, end in _pieces(line, _TOKEN_PIECE_CHARS):
            for pattern in rules.tokens:
                for match in pattern.finditer(line, start, end):
                    spans.update(_token_spans(line, match))
        if '"' in line or "'" in line:
            for rule in rules.quoted:
                secrets.update(rule(line))
    spans.update(span for secret in secrets if secret.strip() for span in _places(line, secret))
    return tuple(sorted(spans))


def _pieces(line: str, size: int) -> Iterable[Span]:
    """Yield parts of a line that overlap by half: some rules take the square of the length."""
    yield 0, min(size, len(line))
    for start in range(size // 2, len(line) - size // 2, size // 2):
        yield start, min(start + size, len(line))


def _token_spans(line: str, match: re.Match[str]) -> Iterable[Span]:
    """Yield the groups of a match that are long enough to be the token, else the whole match."""
    groups = [
        idx for idx, text in enumerate(match.groups(), 1) if len(text or "") >= _MIN_GROUP_CHARS
    ]
    for idx in groups or [0]:
        start, end = match.span(idx)
        run_end = _RUN_END.match(line, end)
        yield start, run_end.end() if run_end else end


def _places(line: str, secret: str) -> list[Span]:
    """Return where a secret stands; a short word not within others, if it stands by itself."""
    found = [match.span() for match in re.finditer(re.escape(secret), line)]
    if len(secret) >= _MIN_GROUP_CHARS or not (secret.isalpha() or len(secret) < _MIN_CHARS):
        return found
    apart = [span for span in found if not any(at and _JOINED.match(line, at - 1) for at in span)]
    return apart or found
