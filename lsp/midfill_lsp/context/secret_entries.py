"""Which entries below a secret's name are secrets: by their keys and by their looks. Pure.

    passwords:              db_password:            api_keys:
      anna: hunter2           type: string            - a1b2c3d4
      bob: s3cr3tpw           default: hunter2        - e5f6a7b8

Called by `secret_below`.
"""

from __future__ import annotations

import re

from midfill_lsp.context.secret_looks import looks_chosen, looks_plain

_VALUES = re.compile(r"_?(?:value|default|secure|plain|content|text|string|literal)", re.IGNORECASE)
# What a secret is said to be, or where it is kept: the last word of a key.
_OF_ANOTHER = re.compile(
    r"(?:.*[_.-]|(?-i:.*[a-z0-9](?=[A-Z])))?"
    r"(?:(?:user|host|file)?name|type|path|file|dir|url|uri|host|server|port|user|e?mail|address|ref"
    r"|from|source|target|format|version|env|environment|id|key|min|max|length|size|count|title"
    r"|description|example|pattern|kind|mode|engine|namespace|provider|algorithm|hash|hasher"
    r"|encryption|required|image|tag|label|field|class|style|icon|unicode|colou?r|role|region|zone"
    r"|group|policy|expires?|ttl|at|date|time)s?\d{0,3}",
    re.IGNORECASE,
)
_DIGIT_AND_LETTER = re.compile(r"(?=\S*[0-9])(?=\S*[A-Za-z])\S+\s*\Z")
# A date, a while, a version.
_MEASURE = re.compile(
    r"[\"']?(?:\d{4}-\d\d-\d\d|(?:\d+(?:[smhdwy]|ms|days|hours)|v[\d.]+)[\"']?\s*\Z)"
)
_SENTENCE = re.compile(r"[\"']?[A-Z][a-z']+ [A-Za-z]")
_MIN_CHARS = 4  # as where a value stands behind its own name
_HOLDS_NAMES = re.compile(r"secrets?[\"'\s:=]*\Z", re.IGNORECASE)  # as those of a workflow do


def is_value(key: str, value: str, is_first: bool) -> bool:
    """Whether an entry is the secret itself: `default: hunter2`.

    Args:
        key: without quotes.
        value: to the line's end.
        is_first: behind others it may be what the user reads.
    """
    if not _VALUES.fullmatch(key):
        return False
    plain = value.partition(" #")[0].strip().strip("\"'")
    is_read = not is_first and _SENTENCE.match(value)
    return len(plain) >= _MIN_CHARS and not looks_plain(plain) and not is_read


def is_of_mapping(key: str, value: str) -> bool:
    """Whether an entry below a secret's name is a secret by another name: `anna: hunter2`.

    What says more about the secret has other keys, and mostly no value of letters and digits.
    """
    value = value.partition(" #")[0]
    if not value or value[0] in "[{":
        return False
    is_other = _OF_ANOTHER.fullmatch(key.strip("\"'$"))
    return looks_chosen(value, "/" in value) or (not is_other and looks_secret(value))


def is_item(name: str, value: str) -> bool:
    """Whether an item of a list below such a name is a secret: `- hunter2`."""
    if _HOLDS_NAMES.search(name):
        return looks_chosen(value, "/" in value)
    return looks_secret(value)


def looks_secret(value: str) -> bool:
    """Whether a word has letters and digits, and is no date and no version."""
    if looks_chosen(value, "/" in value):
        return True
    return bool(_DIGIT_AND_LETTER.match(value)) and not _MEASURE.match(value)
