r"""Quoted values of names such as `password` or `token`, in one line of any language. Pure.

    const password: string = "..."    db_password: &str = "..."    char password[] = "..."
    {"password": "..."}               #define DB_PASSWORD "..."    password = b'...'

A value goes on to its own quote, escapes and all, whatever its length; one that is not closed, to
the end of the line. Takes time in the line's length: what stands between a name and its quote is
bounded. Called by `context.secret_rules`; and where a line is cut, by `prompt` and `server.talks`,
since half of a secret looks like none.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# Those of detect-secrets' KeywordDetector, which a test compares, and `passphrase`.
NAMES: Final = (
    "(?:api|auth|service|account|db|database|priv|private|client)[_-]?key"
    "|(?:db|database|key)_?pass|passphrase|password|passwd|pwd|secret|contraseña|contrasena"
)
KEYWORD_STEMS: Final = ("key", "pass", "pwd", "secret", "contrase")
"""Each of detect-secrets' keywords holds one of these; a test says so."""
# What names a secret key: most of what ends in `key` is one of data, as `cache_key` and `i18nKey`.
_OF_KEYS: Final = (
    "secret|access|master|shared|signing|signature|security|encrypt|encryption|decrypt|decryption"
    "|crypto|cipher|aes|hmac|jwt|admin|server|session|cookie|storage|webhook|license|licence|deploy"
    "|app|application|consumer|subscription|write|integration|registration|activation|recovery"
    "|unseal|vault"
    "|aws|azure|google|maps|github|gitlab|openai|anthropic|stripe|sendgrid|mailgun|twilio|algolia"
)
LIKELY_NAMES: Final = (
    r"(?<!publickey)(?<!public_key_)token|(?<!by)(?<!com)(?<!sur)(?<!tres)pass|_auth"
    f"|(?:{_OF_KEYS})[_-]?key"
)
"""Much else is called so too: what they name is a secret only if it `looks_random`."""
LIKELY_REST: Final = r"(?:_?(?:value|string)|s|_?\d{1,3})?"
"""What may stand behind one of these: it is no `tokenizer` and no `pass_rate`."""
LIKELY_STEMS: Final = ("token", "pass", "_auth", "key")
_OPENING_FORM: Final = r"""
    (?: (?:{NAMES}) {REST} (?!\w) (?:\\?["'`])? [\]?!]{0,2} (?:\[\d{0,9}\])? [ \t]{0,20}
        (?: (?: := | [=!]==? | =>? | [?|&+]{1,2}= | : )
          | : [\w.&*?<>\[\]|'\ \t]{1,60} = (?!=)               # a type; `'` is of lifetimes
          | (?<=[ \t]) [\w.*\[\]]{0,20} (?:string|byte)\w{0,20} [ \t]{0,20} = (?!=)  # in Go
        )
      | \#[ \t]{0,20}define[ \t]{1,20} \w{0,60}? (?:{NAMES}) \w{0,60} (?!\w)
    )
    [ \t]{0,20} \(? [a-z8@$\#]{0,3}
    (?P<quote> \"{3} | '{3} | \\?" | ['`] )
    """


def _opening(names: str, rest: str) -> re.Pattern[str]:
    form = _OPENING_FORM.replace("{NAMES}", names).replace("{REST}", rest)
    return re.compile(form, re.VERBOSE | re.IGNORECASE)


_OPENING: Final = _opening(NAMES, r"\w{0,60}")
_LIKELY_OPENING: Final = _opening(LIKELY_NAMES, LIKELY_REST)
_VALUES: Final = {
    '"': re.compile(r'[^"\\]*(?:\\.[^"\\]*)*'),
    "'": re.compile(r"[^'\\]*(?:\\.[^'\\]*)*"),
    "`": re.compile(r"[^`\\]*(?:\\.[^`\\]*)*"),
    '\\"': re.compile(r'[^"\\]*(?:\\[^"][^"\\]*)*'),  # in a string itself
    '"""': re.compile(r'[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*'),
    "'''": re.compile(r"[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*"),
}
_MOST_OPENING_CHARS: Final = 300
_LOOK_BACK_CHARS: Final = 4_000
_LIMIT: Final = re.compile(r"[\s\"'`]")
_MOST_PROMPT_CHARS: Final = 60
_PROMPT_CHARS: Final = f"{string.ascii_letters}{string.digits}_- "
_FOLLOW_STRINGS: Final = frozenset("),;:]}+*% ")
_ENDS_WITH_THE_LINE: Final = ('"', "'")  # text between the others often has several lines


@dataclass(frozen=True, slots=True)
class NamedValue:
    """A value, quotes left out: `[start, end)` of the line; its name begins at `name_start`."""

    name_start: int
    start: int
    end: int


def named_values(line: str, start: int = 0, stop: int | None = None) -> Iterator[NamedValue]:
    """Yield the values of a line that open within `[start, stop)`, in order."""
    stop = len(line) if stop is None else stop
    lowered = line[start:stop].lower()
    if any(stem in lowered for stem in KEYWORD_STEMS):
        yield from _found(_OPENING, line, start, stop)


def likely_values(line: str) -> Iterator[NamedValue]:
    """Yield the values of a line whose name is one of `LIKELY_NAMES`, in order."""
    return _found(_LIKELY_OPENING, line, 0, len(line))


def _found(pattern: re.Pattern[str], line: str, start: int, stop: int) -> Iterator[NamedValue]:
    opening = pattern.search(line, start, stop)
    while opening is not None:
        quote, start = opening["quote"], opening.end()
        value = _VALUES[quote].match(line, start)
        end = value.end() if value else start
        if _is_behind(line, opening):
            pass
        elif line.startswith(quote, end):
            yield NamedValue(opening.start(), start, end)
            start = end + len(quote)
        elif quote in _ENDS_WITH_THE_LINE:
            yield NamedValue(opening.start(), start, len(line.rstrip("\r\n")))
            return
        opening = pattern.search(line, start, stop)


def _is_behind(line: str, opening: re.Match[str]) -> bool:
    """Whether the quote looks like the end of a prompt: `getpass('Your password: ')`."""
    start, end = opening.span()
    lead = line[max(0, start - _MOST_PROMPT_CHARS) : start].rpartition(opening["quote"])
    is_prompt = bool(lead[1]) and not lead[2].strip(_PROMPT_CHARS)
    is_one = opening["quote"] not in line[start : opening.start("quote")]
    return is_prompt and is_one and line[end : end + 1] in _FOLLOW_STRINGS


def clear_start(line: str, start: int, most_chars: int) -> int:
    """Return where text may begin that would begin at `start`, within a line.

    That is at the nearest quote or blank, where no word is cut, if there is one within
    `most_chars`; and behind a value that this, or its name, would be in.
    """
    limit = _LIMIT.search(line, start, start + most_chars)
    at = limit.start() if limit else start
    for value in named_values(line, max(0, start - _LOOK_BACK_CHARS), at + _MOST_OPENING_CHARS):
        if value.name_start < at < value.end:
            at = value.end
    return at


def clear_end(line: str, end: int, most_chars: int) -> int:
    """Return where text may end that would end at `end`, within a line; as `clear_start`."""
    limits = [limit.end() for limit in _LIMIT.finditer(line, max(0, end - most_chars), end)]
    at = limits[-1] if limits else end
    for value in named_values(line, max(0, end - _LOOK_BACK_CHARS), end):
        if value.start < at <= value.end:
            at = value.start
    return at
