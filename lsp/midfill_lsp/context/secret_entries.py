"""Which entries below a secret's name are secrets: by their keys and by their looks. Pure.

    passwords:              db_password:            api_keys:
      anna: hunter2           type: string            - a1b2c3d4
      bob: s3cr3tpw           default: hunter2        - e5f6a7b8

Called by `secret_below`.
"""

from __future__ import annotations

import re

from midfill_lsp.context.secret_looks import looks_chosen, looks_plain, looks_random

_VALUES = re.compile(r"_?(?:value|default|secure|plain|content|text|string|literal)", re.IGNORECASE)
# What a secret is said to be, or where it is kept: the last word of a key.
_BEGINNING = r"(?:.*[_.-]|(?-i:.*[a-z0-9](?=[A-Z])))?"
_OF_ANOTHER = re.compile(
    _BEGINNING + r"(?:name|type|path|file|dir|url|uri|host|port|user|ref|from|format|version|env|id"
    r"|key|min|max|length|size|count|title|description|example|pattern|kind|mode|engine|namespace"
    r"|provider|algorithm|required|image|tag|label|role|region|zone|group|policy|expires?|ttl)s?",
    re.IGNORECASE,
)
# The same, where others stand before it.
_OF_ANOTHER_TOO = re.compile(
    _BEGINNING + r"(?:(?:user|host|file)name|server|e?mail|address|source|target|environment|hash"
    r"|hasher|encryption|field|class|component|style|icon|unicode|colou?r|at|date|time|hint|message"
    r"|reason|issuer|depends_?on)s?",
    re.IGNORECASE,
)
_DIGIT_AND_LETTER = re.compile(r"(?=\S*[0-9])(?=\S*[A-Za-z])\S+\s*\Z")
# A date, a while, a version.
_MEASURE = re.compile(
    r"[\"']?(?:\d{4}-\d\d-\d\d|(?:\d+(?:[smhdwy]|ms|days|hours)|v[\d.]+)[\"']?\s*\Z)"
)
_NO_VALUES = ("true", "false", "null")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^@]*\Z", re.IGNORECASE)
_MIN_CHARS = 4  # as where a value stands behind its own name
_HOLDS_NAMES = re.compile(r"secrets?[\"'\s:=]*\Z", re.IGNORECASE)  # as those of a workflow do


def is_value(key: str, value: str) -> bool:
    """Whether the entry right below a name is the secret itself: `default: hunter2`.

    Args:
        key: without quotes.
        value: to the line's end.
    """
    return _VALUES.fullmatch(key) is not None and _is_given(value)


def is_of_mapping(key: str, value: str, is_first: bool) -> bool:
    """Whether an entry below a secret's name is a secret by another name: `anna: hunter2`.

    What says more about the secret has other keys, and mostly no value of letters and digits.

    Args:
        key: without quotes.
        value: to the line's end.
        is_first: whether it is the first one; others have to be one word.
    """
    if "@" in key:  # whose it is
        return _is_given(value)
    value = value.partition(" #")[0].rstrip()
    if not value or value[0] in "[{":
        return False
    is_other = _OF_ANOTHER.fullmatch(key)
    if is_first:
        return looks_chosen(value, "/" in value) or (not is_other and looks_secret(value))
    word = value.strip("\"'")
    if any(map(str.isspace, word)) or _URL.match(word):
        return False
    return looks_random(word) if is_other or _OF_ANOTHER_TOO.fullmatch(key) else looks_secret(value)


def is_item(name: str, value: str) -> bool:
    """Whether an item of a list below such a name is a secret: `- hunter2`."""
    if _HOLDS_NAMES.search(name):
        return looks_chosen(value, "/" in value)
    return looks_secret(value)


def _is_given(value: str) -> bool:
    if value[:1] in ("'", '"'):
        plain = value[1:].partition(value[0])[0]
        return len(plain) >= _MIN_CHARS and plain.lower() not in _NO_VALUES
    plain = value.partition(" #")[0].strip()
    return len(plain) >= _MIN_CHARS and not looks_plain(plain)


def looks_secret(value: str) -> bool:
    """Whether a word has letters and digits, and is no date and no version."""
    if looks_chosen(value, "/" in value):
        return True
    return bool(_DIGIT_AND_LETTER.match(value)) and not _MEASURE.match(value)
