"""Secrets in lines of text: where they stand, and the text without them.

The rules are detect-secrets' own, every plugin but the one for IP addresses, and a few for tokens
that it does not know yet. A secret's characters are replaced one for one, so that the rest of the
line stands where it stood. Loading the rules takes half a second: `load` them in a thread. A
verdict is kept by the line's hash, and of whole texts only the few latest. Called by `gate`.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, cast

from midfill_lsp.context.secret_keys import key_spans

MASK: Final = "x"
_MAX_VERDICTS = 50_000
_MAX_BLOCKS = 16
# The worst lines that were found for the rules, such as `passwordpassword...`, then take 50 ms.
_KEYWORD_PIECE_CHARS = 400
_TOKEN_PIECE_CHARS = 2_000
# Some 20 lines at 50 us each, docs/log.md, 2026-11-26.
_SHORT_CHARS = 800
_MIN_LINE_CHARS = 6

Span = tuple[int, int]
_Rule = Callable[[str], Iterable[str]]

_OWN: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+",  # JSON web tokens, well-formed or not
        r"AIza[0-9A-Za-z_-]{35}",  # Google
        r"\bhf_[A-Za-z0-9]{30,}",  # Hugging Face
        r"\bgithub_pat_[0-9A-Za-z_]{22,}",
        r"\bsk-(?:ant|proj|or|svcacct)-[0-9A-Za-z_-]{20,}",  # Anthropic, OpenAI, OpenRouter
        r"(?i)\bbearer\s+([0-9a-z._~+/-]{16,}=*)",
    )
)
# No rule but those for keywords and addresses matches without such a run of characters.
_LONG_RUN = re.compile(r"[A-Za-z0-9+/_=.\-]{11}")
_RUN_END = re.compile(r"[A-Za-z0-9+/_=.-]*")
_MIN_GROUP_CHARS = 8
KEYWORD_STEMS: Final = ("key", "pass", "pwd", "secret", "contrase")
"""Each of detect-secrets' keywords holds one of these; a test says so."""


@dataclass(frozen=True, slots=True)
class Masked:
    """Text without its secrets, as long as before, and how many lines had any."""

    text: str
    num_secrets: int


@dataclass(frozen=True, slots=True)
class _Rules:
    """detect-secrets' plugins, by what a line must hold for them to match."""

    keyword: _Rule
    config_keyword: _Rule
    quoted: tuple[_Rule, ...]
    tokens: tuple[re.Pattern[str], ...]
    address: _Rule


class SecretLines:
    """Finds secrets. May be called from several threads: they only lose each other's memory."""

    def __init__(self) -> None:
        """Load nothing yet."""
        self._rules: _Rules | None = None
        self._loading = threading.Lock()
        self._verdicts: dict[bytes, tuple[Span, ...]] = {}
        # While one types, all that stands above and below the cursor's line is the same text.
        self._blocks: dict[tuple[str, bool, bool], tuple[Masked, bool]] = {}

    def load(self) -> None:
        """Import the rules.

        Raises:
            ImportError: detect-secrets is not installed as it should be.
        """
        with self._loading:  # two at once see half of the plugins
            if self._rules is None:
                self._rules = _load()

    def spans(self, line: str, is_config: bool = False) -> tuple[Span, ...]:
        """Return where a line's secrets stand, those of keys over several lines left out.

        Args:
            line: without its end.
            is_config: values need no quotes there, as in YAML.
        """
        if len(line) < _MIN_LINE_CHARS:
            return ()
        data = line.encode("utf-8", "surrogatepass")
        key = hashlib.blake2b(data, digest_size=12, person=b"config" if is_config else b"").digest()
        found = self._verdicts.get(key)
        if found is None:
            self.load()
            assert self._rules is not None
            found = _find(self._rules, line, is_config)
            if len(self._verdicts) >= _MAX_VERDICTS:
                self._verdicts.clear()
            self._verdicts[key] = found
        return found

    def mask(self, text: str, is_config: bool = False) -> Masked:
        """Return a text of lines, ended by LF, without its secrets."""
        return self._block(text, is_config, False)[0]

    def mask_around(
        self, prefix: str, suffix: str, is_config: bool = False
    ) -> tuple[str, str, int]:
        """Return the text around a cursor without its secrets, and how many lines had any.

        The cursor's line is judged whole, and also as if a quote that is open before the cursor
        were closed there: a secret is one while it is typed.
        """
        head_start = prefix.rfind("\n") + 1
        head, tail = prefix[head_start:], suffix.partition("\n")[0]
        spans = [
            span
            for quote in "\"'`"
            if head.count(quote) % 2
            for span in self.spans(head + quote, is_config)
        ]
        # Blocks end with the line end before the next, which makes an empty line of their last.
        above, in_key = self._block(prefix[:head_start], is_config, False)
        line, in_key = self._scan(_masked(head + tail, spans), is_config, in_key)
        below, _ = self._block(suffix[len(tail) :], is_config, in_key)
        num = above.num_secrets + max(line.num_secrets, bool(spans)) + below.num_secrets
        return above.text + line.text[: len(head)], line.text[len(head) :] + below.text, num

    def knows_around(self, prefix: str, suffix: str, is_config: bool = False) -> bool:
        """Whether `mask_around` has little to look at: the cursor's line, or a short text."""
        if self._rules is None:
            return False
        if len(prefix) + len(suffix) <= _SHORT_CHARS:
            return True
        above, below = prefix[: prefix.rfind("\n") + 1], suffix[len(suffix.partition("\n")[0]) :]
        known = self._blocks.get((above, is_config, False))
        return known is not None and any(
            (below, is_config, in_key) in self._blocks for in_key in (False, True)
        )

    def _block(self, text: str, is_config: bool, in_key: bool) -> tuple[Masked, bool]:
        """Return what `_scan` does, from memory if the text was scanned lately."""
        key = (text, is_config, in_key)
        found = self._blocks.pop(key, None) or self._scan(text, is_config, in_key)
        self._blocks[key] = found  # the latest is the last
        while len(self._blocks) > _MAX_BLOCKS:
            self._blocks.pop(next(iter(self._blocks)), None)
        return found

    def _scan(self, text: str, is_config: bool, in_key: bool) -> tuple[Masked, bool]:
        """Return a text without its secrets, and whether a key goes on behind it."""
        lines = text.split("\n")
        keys, ends_in_key = key_spans(lines, in_key)
        num = 0
        for idx, line in enumerate(lines):
            spans = (*self.spans(line, is_config), *keys.get(idx, ()))
            if spans:
                lines[idx] = _masked(line, spans)
                num += 1
        return Masked("\n".join(lines) if num else text, num), ends_in_key


def _masked(line: str, spans: Iterable[Span]) -> str:
    for start, end in spans:
        line = line[:start] + MASK * (min(end, len(line)) - start) + line[end:]
    return line


def _find(rules: _Rules, line: str, is_config: bool) -> tuple[Span, ...]:
    secrets: set[str] = set()
    spans: set[Span] = set()
    lowered = line.lower()
    if any(stem in lowered for stem in KEYWORD_STEMS):
        for start, end in _pieces(line, _KEYWORD_PIECE_CHARS):
            secrets.update(rules.keyword(line[start:end]))
            if is_config:
                secrets.update(rules.config_keyword(line[start:end]))
    if "://" in line:
        secrets.update(rules.address(line))
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


def _places(line: str, secret: str) -> Iterable[Span]:
    start = line.find(secret)
    while start >= 0:
        yield start, start + len(secret)
        start = line.find(secret, start + len(secret))


def _load() -> _Rules:
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
    from detect_secrets.plugins.keyword import CONFIG_DENYLIST_REGEX_TO_GROUP, KeywordDetector
    from detect_secrets.plugins.private_key import PrivateKeyDetector

    keyword = cast("Any", KeywordDetector())
    analyze: Callable[..., Iterable[str]] = keyword.analyze_string

    def named(line: str) -> Iterable[str]:
        return (found for found in analyze(line) if not is_templated_secret(found))

    def named_in_config(line: str) -> Iterable[str]:
        found = analyze(line, CONFIG_DENYLIST_REGEX_TO_GROUP)
        return (each for each in found if not is_templated_secret(each))

    def random(plugin: HighEntropyStringsPlugin) -> _Rule:
        def find(line: str) -> Iterable[str]:
            return (
                found
                for found in plugin.analyze_string(line)
                if plugin.calculate_shannon_entropy(found) > plugin.entropy_limit
                and not is_sequential_string(found)
            )

        return find

    # The private key's markers are `secret_keys`' business, and an address of a host is no secret.
    apart = (BasicAuthDetector, IPPublicDetector, PrivateKeyDetector)
    kinds: Iterable[type] = get_mapping_from_secret_type_to_class().values()
    tokens: list[re.Pattern[str]] = []
    for kind in kinds:
        if issubclass(kind, RegexBasedDetector) and kind not in apart:
            tokens += cast("Any", kind()).denylist
    return _Rules(
        keyword=named,
        config_keyword=named_in_config,
        # The limits that detect-secrets itself uses.
        quoted=(random(Base64HighEntropyString(4.5)), random(HexHighEntropyString(3.0))),
        tokens=(*tokens, *_OWN),
        address=BasicAuthDetector().analyze_string,
    )
