"""Which of the values that have a secret's form are one. Pure. Called by `secret_forms`.

A match's group `value` is the value, and its group `name`, where it has one, a name that says so.
"""

from __future__ import annotations

import re
from typing import Final

from midfill_lsp.context.secret_looks import (
    PLACEHOLDER,
    looks_chosen,
    looks_plain,
    looks_plain_setting,
    looks_random,
    names_another,
)

Match = re.Match[str]
_MIN_BARE_CHARS = 16  # in code, what has no quotes mostly is a name
_CODE_GOES_ON: Final = frozenset("([{$>")  # a call, an entry, a template
_LABEL = re.compile(r"[A-Z][a-z]{1,11}(?P<more>(?: [a-z]{1,12}){0,5})")
_WORD = re.compile(r"[A-Z]?[a-z]{1,11}|[A-Z]{1,12}")
_VARIABLE = re.compile(r"""["'][A-Z][A-Z0-9]*_[A-Z0-9_]+["']""")  # of the environment
_WORD_OF_TEXT = re.compile(r"[A-Z]?[a-z'-]+[.!?:]?")
_AT_THE_END = re.compile(r"""["'`}]|,?\s{0,20}(?:\Z|>|\|(?!\|))""")
_PART = re.compile(r"[a-z]{2,8}=", re.IGNORECASE)
# Put in by something else, or left out.
_NOT_IN_URL = re.compile(
    r"\$\w|%\w\Z|[*.x]+\Z|(?:[$%]?\{+[^{}]*\}+)+\Z|\\{1,2}[a-z.]", re.IGNORECASE
)


def is_whole(match: Match) -> bool:
    """Whether the code does not go on at the value's end, as with a call of what it names."""
    end = match.end("value")
    return match.string[end : end + 1] not in _CODE_GOES_ON


def is_not_plain(match: Match) -> bool:
    """Whether it is neither a template nor a word such as `true`."""
    return not looks_plain(match["value"])


def is_random(match: Match) -> bool:
    """Whether it looks random, which no name needs to say."""
    return looks_random(match["value"])


def is_long_and_random(match: Match) -> bool:
    """Whether it looks random for longer than a name in code does."""
    return looks_random(match["value"], _MIN_BARE_CHARS)


def is_named_or_random(match: Match) -> bool:
    """Whether its name says so, or it looks random behind a name that leaves it open."""
    value = match["value"]
    if match["name"] is None:
        return looks_random(value)
    if looks_plain(value) or value.lower() == match["name"].lower():
        return False
    return not _is_of_another(match)


def is_argument(match: Match) -> bool:
    """Whether it is one of a command's, and no word of its usage."""
    is_usage = match[0].startswith("-") and PLACEHOLDER.fullmatch(match["value"])
    is_other = is_usage or _PART.match(match["value"])  # --secret id=npm
    return not is_other and is_named_or_random(match)


def is_written(match: Match) -> bool:
    """Whether it is one that a script writes, and no word with more behind it: `[ $x = none ]`."""
    is_word = _WORD_OF_TEXT.fullmatch(match["value"])
    is_in_a_sentence = is_word and not _AT_THE_END.match(match.string, match.end("value"))
    return not is_in_a_sentence and is_named_or_random(match)


def is_setting(match: Match) -> bool:
    """Whether it is one where no character but a template's has a meaning."""
    value = match["value"]
    is_none = looks_plain_setting(value) or value == match["name"]
    return not is_none and not _is_of_another(match)


def is_line_of_settings(match: Match) -> bool:
    """Whether it is a setting among lines of other kinds, which have calls, tags and aliases."""
    return not looks_plain(match["value"]) and is_setting(match)


def is_in_url(match: Match) -> bool:
    """Whether it stands in a URL itself."""
    return not _NOT_IN_URL.match(match["value"])


def is_no_label(match: Match) -> bool:
    """Whether it is none of an element's that the user reads.

    In a file of settings, whose elements have small letters, several words are a passphrase.
    """
    label = _LABEL.fullmatch(match["value"])
    is_label = label is not None and (not label["more"] or match[0][1].isupper())
    return not is_label and is_named_or_random(match)


def is_no_word(match: Match) -> bool:
    """Whether it is none of a form's words, where it may be a form's.

    It is none where the group `setting` says so, or its name is that of a variable.
    """
    is_form = not match["setting"] and not _VARIABLE.search(match[0])
    is_word = is_form and _WORD.fullmatch(match["value"])
    return not is_word and is_named_or_random(match)


def is_base64(match: Match) -> bool:
    """Whether it may be Base64, and is no word."""
    return not match["value"].islower()


def _is_of_another(match: Match) -> bool:
    value = match["value"]
    is_other = names_another(match.string, match.start("value"))
    return is_other and not looks_chosen(value, is_path="/" in value)
