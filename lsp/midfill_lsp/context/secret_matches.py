"""Which of the values that have a secret's form are one. Pure. Called by `secret_forms`.

A match's group `value` is the value, and its group `name`, where it has one, a name that says so.
"""

from __future__ import annotations

import re
from typing import Final

from midfill_lsp.context.secret_looks import (
    PLACEHOLDER,
    holds_template,
    looks_chosen,
    looks_plain,
    looks_plain_setting,
    looks_random,
    looks_templated,
    names_another,
)

Match = re.Match[str]
_MIN_BARE_CHARS = 16  # in code, what has no quotes mostly is a name
_CODE_GOES_ON: Final = frozenset("([{$>")  # a call, an entry, a template
_KINDS = re.compile(  # what a name may tell about a secret
    r"strength|level|status|type|polic|format|label|hint|placeholder|field|input|enabled|required"
    r"|expir|age|min|max|len|name|file|dir|path|count|mode|method|algorithm|provider|reset|changed",
    re.IGNORECASE,
)
_LABEL_WORD = re.compile(
    r"\b(?:enter|your|the|please|new|confirm|change|reset|forgot|forgotten|show|hide|some|text|must"
    r"|password|secret|key|token|code|is|are|required|invalid|wrong|here|hint|type|to|of|for)\b",
    re.IGNORECASE,
)
_LABEL = re.compile(r"[A-Z][a-z]{1,11}(?P<more>(?: [a-z]{1,12}){0,5})")
_WORD = re.compile(r"[A-Z]?[a-z]{1,11}|[A-Z]{1,12}")
_VARIABLE = re.compile(r"""["'][^\W_]+[._:-][\w.:-]*["']""")  # of the environment, of settings
_PARAMETER = re.compile(r"[:$]\w+\Z|<.*>\Z|%[s(]")  # of SQL, and of what makes its text
_WORD_OF_TEXT = re.compile(r"[A-Z]?[a-z'-]+[.!?:]?")
_WORD_OF_PROSE = re.compile(r"[a-z_ -]+")
_AT_THE_END = re.compile(r"""["'`}]|,?\s{0,20}(?:\Z|>|\|(?!\|))""")
_PART = re.compile(r"[a-z]{2,8}=", re.IGNORECASE)
# Put in by something else, or left out.
_NOT_IN_URL = re.compile(
    r"\$\w|%\w\Z|[*.x]+\Z|(?:[$%]?\{+[^{}]*\}+)+\Z|\\{1,2}[a-z.]", re.IGNORECASE
)


def is_whole(match: Match, in_shell: bool = False) -> bool:
    """Whether the code does not go on at the value's end, as with a call of what it names.

    A shell's may: there a `>` ends the value, and what looks chosen is no name of anything.
    """
    end = match.end("value")
    follows = match.string[end : end + 1]
    if in_shell and (follows == ">" or looks_chosen(match["value"])):
        return True
    return follows not in _CODE_GOES_ON


def is_not_plain(match: Match) -> bool:
    """Whether it is neither a template nor a word such as `true`."""
    return not (looks_plain(match["value"]) or looks_templated(match["value"]))


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
    if looks_plain(value) or looks_templated(value) or value.lower() == match["name"].lower():
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


def is_assigned(match: Match) -> bool:
    """Whether it is one that a shell hands on, whatever its characters, and nothing of its own."""
    value, name = match["value"], match["name"]
    if not value.strip():
        return False
    is_usage = value.split(maxsplit=1)[0].lower() == name.lower()  # "password=PASSWORD [options]"
    is_own = value[0] in "([" or looks_plain(value) or holds_template(value)
    return not (is_usage or is_own) and is_setting(match)


def is_chosen(match: Match) -> bool:
    """Whether it is such a one whose characters say so, whatever the shell would make of them."""
    return looks_chosen(match["value"]) and is_assigned(match)


def is_in_url(match: Match) -> bool:
    """Whether it stands in a URL itself."""
    return not _NOT_IN_URL.match(match["value"])


def is_no_label(match: Match) -> bool:
    """Whether it is none of an element's that the user reads.

    In a file of settings, whose elements have small letters, several words are a passphrase.
    """
    label = _LABEL.fullmatch(match["value"])
    is_label = label is not None and (
        not label["more"]
        or (match[0][1].isupper() and _LABEL_WORD.search(match["value"]) is not None)
    )
    is_markup = "{" in match["value"] and " " in match["value"]  # <Password>Show {count}
    return not (is_label or is_markup) and is_named_or_random(match)


def is_no_word(match: Match) -> bool:
    """Whether it is none of a form's words, where it may be a form's.

    It is none where the group `setting` says so, or its name is of several parts. What stands
    behind a name's keyword may say that it names something else.
    """
    value = match["value"]
    if _KINDS.search(match["rest"] or "") and not looks_chosen(value):
        return False
    is_form = not match["setting"] and not _VARIABLE.search(match[0])
    is_word = is_form and _WORD.fullmatch(value)
    return not is_word and is_named_or_random(match)


def is_of_sql(match: Match) -> bool:
    """Whether it is no parameter of a statement, and nothing that is put into its text.

    Where no statement is seen it may be prose, `identified by 'name'`.
    """
    value = match["value"]
    is_put_in = bool(_PARAMETER.match(value)) or looks_templated(value)
    is_statement = match["statement"] or match["other"]
    line, start, end = match.string, match.start(), match.end()
    is_phrase = match[0][:1].islower() and line[:start].rstrip()[-1:].isalpha()
    is_prose = is_phrase and line[end : end + 1] != ";" and _WORD_OF_PROSE.fullmatch(value)
    return not (is_put_in or (is_prose and not is_statement) or PLACEHOLDER.fullmatch(value))


def is_base64(match: Match) -> bool:
    """Whether it may be Base64, and is no word."""
    return not match["value"].islower()


def _is_of_another(match: Match) -> bool:
    value = match["value"]
    is_other = names_another(match.string, match.start("value"))
    return is_other and not looks_chosen(value, is_path="/" in value)
