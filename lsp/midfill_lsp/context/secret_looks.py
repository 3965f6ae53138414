"""Whether a value looks like a secret, by its characters alone. Pure.

For names that mostly name something else, as `token` and `sort_key` do, and for values without
quotes. Called by `secret_rules` and `secret_forms`.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

VALUE: Final = r"""(?P<value>[^\s"'`,;(){}<>\[\]$|&\\]{4,})"""
"""A value without quotes, whatever its length and what follows: each character is looked at once.
"""
PLACEHOLDER: Final = re.compile(r"[A-Z_]+|\*+|\.+")
MIN_RANDOM_CHARS: Final = 8
_MOST_CHARS = 400
_MOST_BEFORE_CHARS = 60  # a name's last word, the sign and the blanks
_TEMPLATE = re.compile(r"[{}<>$\s]|%[(sd]")
_RUN = re.compile(r"[A-Za-z0-9]+")
_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
# Words with a number in their middle.
_WORDS = re.compile(
    r"oauth\d|sha\d{1,3}|md\d|base\d\d|utf\d{1,2}|ipv\d|x509|i18n|l10n|k8s|ed25519|v\d{1,3}",
    re.IGNORECASE,
)
_MIN_NUMBER_CHARS = 5  # so long no number stands behind a word, unless it is a date
_MIN_NUMBERS = 3
# Words have more letters between two changes of case: docs/log.md, 2026-11-28.
_MIN_CASED_CHARS, _MOST_PART_CHARS = 16, 2.4
# A colour, and the name of a file in a folder.
_READABLE = re.compile(r"#[0-9a-f]{3,8}\Z|[\w ./\\-]*[/\\][\w -]*\.[a-z]\w{0,4}\Z", re.IGNORECASE)
_ALWAYS: Final = r"""
      (?: true | false | yes | no | on | off | none | null | nil | undefined | pwd | string ) \Z
    | % (?: [({] | [sd]\Z | \w+%\Z )         # put in by something else
    | arn:aws
    | (?: [\w-]+ [.] (?: pem|key|crt|cer|p12|pfx|jks|pub|txt|json|ya?ml|toml|conf|cfg|env )
      | id_(?: rsa | dsa | ecdsa | ed25519 ) ) \Z
    """
_PLAIN = re.compile(rf"{_ALWAYS} | [$<{{]", re.VERBOSE | re.IGNORECASE)
_PLAIN_SETTING = re.compile(
    rf"""{_ALWAYS}
    | [$] (?: [({{] | (?: [a-z_]+ | (?-i: [A-Z][A-Z0-9_]* ) ) (?: \Z | / ) )
    | {{{{ | {{.*}}\Z | \[.*\]\Z | <[^<>]*>\Z | @[\w.-]+@\Z | \*+\Z
    """,
    re.VERBOSE | re.IGNORECASE,
)
# A call, or an entry of something.
_CALL = re.compile(r"([\w.]+)[(\[](?:.*[)\]][,;:]?)?\Z")
_PATH = re.compile(r"[~.]{0,2}/")
# A path, a file, a parameter, an alias or a tag of YAML, unless it looks like a password.
_MARKED = re.compile(r"[~.]{0,2}/|[@%*:?!]")
_KINDS = tuple(re.compile(kind) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
# In base64, whose runs a `/` cuts short, but in few names of files.
_UNLIKE_WORDS = re.compile(r"[a-z][A-Z]{2,}[a-z]|[A-Za-z][0-9][A-Za-z]")

# Put in by something else; a `$` within a password may look like a variable.
_LITERAL = re.compile(r"\\.|\$\$")
_INSERTED = re.compile(r"\A(?:\$\w|`[^`]*`)|\$\{[^}]*\}|\$\([^)]*\)|\{\{[^}]*\}\}|<%[^%]*%>")
_VARIABLE = re.compile(r"\$[A-Za-z_]|\{[^{}]*\}")

_ANOTHER = re.compile(
    r"(?:[_.-](?:file|dir|path|names?|length|len|type|min|max)"
    r"|(?-i:File|Dir|Path|Names?|Length|Len|Type))"
    r"[\"'`]?\]?\s*(?:[!:=]{1,3}>?|:?[-+])\s*[\"']?\Z",
    re.IGNORECASE,
)


def looks_random(value: str, least_chars: int = MIN_RANDOM_CHARS) -> bool:
    """Whether letters and digits are mixed as in no word: `a1b2c3d4`, but not `user_id2`.

    Args:
        value: without its quotes.
        least_chars: so many in a row have to be.
    """
    if len(value) < least_chars or _TEMPLATE.search(value, 0, _MOST_CHARS) or _is_readable(value):
        return False
    runs = _RUN.findall(value, 0, _MOST_CHARS)
    return any(len(run) >= least_chars and _is_mixed(run) for run in runs)


def _is_readable(value: str) -> bool:
    return len(value) <= _MOST_CHARS and _READABLE.match(value) is not None


def _is_mixed(run: str) -> bool:
    parts: list[str] = _PART.findall(run)
    if len(run) >= _MIN_CASED_CHARS and len(run) < _MOST_PART_CHARS * len(parts):
        return True
    parts = _PART.findall(_WORDS.sub("Word", run))
    numbers = [part for part in parts if part.isdigit()]
    if not numbers or len(numbers) == len(parts):
        return False
    goes_on = any(before.isdigit() and after.islower() for before, after in pairwise(parts))
    return (
        goes_on
        or len(numbers) >= _MIN_NUMBERS
        or any(len(number) >= _MIN_NUMBER_CHARS for number in numbers)
    )


def looks_plain(value: str) -> bool:
    """Whether a value without quotes is a path, a call, a template, or a word such as `true`."""
    if _PLAIN.match(value):
        return True
    call = _CALL.match(value)
    if call is not None:
        return not looks_chosen(call[1])
    return _is_marked(value, _MARKED)


def looks_plain_setting(value: str) -> bool:
    """Whether it is so where nothing is called, and no character but a template's has a meaning."""
    return bool(_PLAIN_SETTING.match(value)) or _is_marked(value, _PATH)


def _is_marked(value: str, marks: re.Pattern[str]) -> bool:
    marked = marks.match(value)
    return marked is not None and not looks_chosen(value, is_path=marked[0].endswith("/"))


def looks_chosen(value: str, is_path: bool = False) -> bool:
    """Whether a value is random, or capitals, small letters and digits are mixed in it."""
    if looks_random(value):
        return True
    words = _WORDS.sub("", value[:_MOST_CHARS])
    if not all(kind.search(words) for kind in _KINDS):
        return False
    return not is_path or (bool(_UNLIKE_WORDS.search(words)) and not _is_readable(value))


def holds_template(value: str) -> bool:
    """Whether something else is put into a value, as `${name}` in `a${name}`."""
    return bool(_INSERTED.search(_LITERAL.sub("", value)))


def looks_templated(value: str) -> bool:
    """Whether it is so, or a `$` or a brace in it looks like a variable."""
    is_variable = bool(_VARIABLE.search(_LITERAL.sub("", value))) and not looks_chosen(value)
    return is_variable or holds_template(value)


def names_another(line: str, end: int) -> bool:
    """Whether what stands before a value names something of a secret's, as `password_file` does.

    Args:
        line: at least with the end of the name.
        end: where the value begins.
    """
    return bool(_ANOTHER.search(line, max(0, end - _MOST_BEFORE_CHARS), end))
