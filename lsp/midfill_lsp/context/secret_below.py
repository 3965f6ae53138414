"""What of the line below an empty name may be its value, in files without quotes. Pure.

    password:               DB_PASSWORD=            passwords:
      hunter2               DB_HOST=localhost         anna: hunter2

Mostly that line is a setting of its own, or a rule of make. Called by `secret_lines`.
"""

from __future__ import annotations

import re

from midfill_lsp.context.secret_looks import looks_chosen

_SETTING = re.compile(r"""(?:-\s+)?["']?(?P<key>[\w.-]+)["']?[ \t]*:(?:\s+|\Z)(?P<value>.*)""")
_ASSIGNMENT = re.compile(
    r"(?:export\s+)?(?P<key>[\w.-]+)[ \t]*[:?+]?=[ \t]*(?P<value>[^=\s].*)"
    r"|[A-Z][A-Z0-9]*_[A-Z0-9_]*=\s*\Z"
)
_VALUES = re.compile(r"_?(?:value|default|secure|plain|content|text|string|literal)", re.IGNORECASE)
# What a secret is said to be, or where it is kept: the last word of a key.
_OF_ANOTHER = re.compile(
    r"(?:.*[_.-]|(?-i:.*[a-z0-9](?=[A-Z])))?"
    r"(?:name|type|path|file|dir|url|uri|host|port|user|ref|from|format|version|env|id|key|min|max|"
    r"length|size|count|title|description|example|pattern|kind|mode|engine|namespace"
    r"|provider|algorithm|required|image|tag|label|role|region|zone|group|policy|expires?|ttl)s?",
    re.IGNORECASE,
)
_DIGIT_AND_LETTER = re.compile(r"(?=\S*[0-9])(?=\S*[A-Za-z])\S+\s*\Z")


def value_below(opening: str, line: str) -> str:
    """Return the end of a line that may be the value of the empty name above it, or "".

    Args:
        opening: the line above, which ends with a colon or an equals sign.
        line: not blank.
    """
    value = line.lstrip()
    if re.match(r"#\s", value):
        return ""
    entry = _SETTING.match(value)
    if entry is None and opening.endswith("="):
        entry = _ASSIGNMENT.match(value)
    if entry is None:
        return value
    is_deeper = len(line) - len(value) > len(opening) - len(opening.lstrip())
    is_value = _VALUES.fullmatch(entry["key"] or "") or (is_deeper and _is_of_mapping(entry))
    return entry["value"] or "" if is_value else ""


def _is_of_mapping(entry: re.Match[str]) -> bool:
    """Whether an entry below a secret's name is a secret by another name: `anna: hunter2`.

    What says more about the secret has other keys, and mostly no value of letters and digits.
    """
    value = entry["value"] or ""
    if looks_chosen(value, "/" in value):
        return True
    is_other = _OF_ANOTHER.fullmatch(entry["key"] or "")
    return not is_other and _DIGIT_AND_LETTER.match(value) is not None
