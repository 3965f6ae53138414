"""What of the lines below an empty name, or of brackets behind it, may be its values. Pure.

    password:               DB_PASSWORD=            passwords:              [passwords]
      hunter2               DB_HOST=localhost         anna: hunter2         anna = "hunter2"

Mostly such a line is a setting of its own, or says more about the secret. In code only the next
line may be a value; in configuration all that stand deeper than the name, or in its table, may.
Called by `secret_lines`, line by line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from midfill_lsp.context.secret_entries import is_item, is_of_mapping, is_value, looks_secret
from midfill_lsp.context.secret_forms import Syntax
from midfill_lsp.context.secret_looks import looks_random
from midfill_lsp.named_values import KEYWORD_STEMS, NAMES

# A line whose value stands below it. In code a colon alone opens a block, not a value.
_OPENS = re.compile(r"""(?P<head>.*(?:=>?|["']\s*:))\s*[(\[]?\Z""")
_BLOCK: Final = r"[|>](?:[1-9][+-]?|[+-][1-9]?)?"
_OPENS_IN_CONFIG = re.compile(rf"(?P<head>.*[=:])\s*(?P<behind>{_BLOCK}|[(\[])?\Z")
_MAX_OPENING_CHARS = 400
_DASH: Final = r"\s*(?:-\s+)?"
_INDENT = re.compile(_DASH)
_NAME: Final = rf"(?P<head>{_DASH}[\"']?(?P<name>[\w.@/-]{{1,100}})[\"']?[ \t]*[=:])"
# The same with no doubt: a name by itself, and what YAML lets stand behind it.
_OPENS_MAPPING = re.compile(
    rf"{_NAME}(?:(?<=:)[ \t]*(?:[&!][^\s,\[\]{{}}]+[ \t]*){{0,2}}"
    rf"(?P<behind>{_BLOCK})?(?:[ \t]+\#.*)?)?[ \t]*\Z"
)
_OPENS_TABLE = re.compile(r"""\s*\[{1,2}(?P<name>[\w.@/'"\s-]{1,100})\]{1,2}\s*(?:#.*)?\Z""")
_IN_BRACKETS = re.compile(rf"{_NAME}[ \t]*(?P<bracket>[\[{{])(?P<items>.*)[\]}}]\s*(?:\#.*)?\Z")
# What holds several, or one with what else is said of it; no `password_policy`.
_HOLDS_SOME = re.compile(rf"(?:{NAMES})s?\d{{0,3}}[\"'\s]*\Z", re.IGNORECASE)

_KEY: Final = r"""(?P<key>"[^"]{1,100}"|'[^']{1,100}'|[$\w.@+-]+)"""
_SETTING = re.compile(rf"{_DASH}{_KEY}[ \t]*:(?:\s+|\Z)(?P<value>.*)")
_ASSIGNMENT = re.compile(
    rf"\s*(?:export\s+)?{_KEY}[ \t]*[:?+]?=[ \t]*(?P<value>[^=\s].*)"
    r"|\s*[A-Z][A-Z0-9]*_[A-Z0-9_]*=\s*\Z"
)
_IS_SETTING = re.compile(rf"{_KEY}[ \t]*[:=]")
_ITEM = re.compile(
    rf"(?:{_KEY}\s*(?::\s|=)\s*)?"
    r"""(?P<value>"[^"]*"|'[^']*'|[^\s,"'\[\]{}][^,\[\]{}]*)"""
)
_LIST_ITEM = re.compile(r"""\s*-\s+(?P<value>"[^"]*"|'[^']*'|[^\s"']\S*)\s*(?:(?<=\s)#.*)?\Z""")
# Comments, and what a template says to itself.
_IS_COMMENT = re.compile(r"\s*#(?:\s|\Z)|#|\s*(?:\{%|<%)")
_IS_FENCE = re.compile(r"\s*(?:```|~~~)")
_GOES_ON = frozenset(" \t]})\"'")  # at a line's beginning, with what stands above


class Place(Enum):
    """Where a line stands below an opening."""

    NEXT = auto()
    APART = auto()  # behind blank lines and comments
    FURTHER = auto()


@dataclass(frozen=True, slots=True)
class Opening:
    """A name that waits for its value.

    Attributes:
        head: what a value is judged behind.
        column: what stands deeper belongs to it; None for a table, to which all does.
        holds_some: whether what belongs to it may be its values, not only the next line.
        is_text: whether that is a text, where lines have no names.
        is_list: whether its first line is an item of a list.
        place: where the line below stands.
    """

    head: str
    column: int | None
    holds_some: bool
    is_text: bool = False
    is_list: bool = False
    place: Place = Place.NEXT


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may be a value: `[start, end)` of its line, to be judged behind `head`."""

    head: str
    start: int
    end: int


def opening_of(line: str, syntax: Syntax) -> Opening | None:
    """Return what a line opens, if anything."""
    line = line.rstrip()[-_MAX_OPENING_CHARS:]
    if not _may_name(line):
        return None
    if syntax is Syntax.CODE:
        code = _OPENS.match(line)
        return Opening(f"{code['head']} ", 0, holds_some=False) if code else None
    is_script = syntax is Syntax.SHELL
    table = None if is_script else _OPENS_TABLE.match(line)
    if table and _HOLDS_SOME.search(table["name"]):
        return Opening("password: ", None, holds_some=True, place=Place.FURTHER)
    alone = None if is_script else _OPENS_MAPPING.match(line)
    opened = alone or _OPENS_IN_CONFIG.match(line)
    if opened is None:
        return None
    holds_some = bool(alone and _HOLDS_SOME.search(alone["name"]))
    return Opening(
        f"{opened['head']} ", _column_of(line), holds_some, is_text=bool(opened["behind"])
    )


def follow(
    opening: Opening | None, line: str, syntax: Syntax
) -> tuple[list[Candidate], Opening | None]:
    """Return what of a line may be values of the opening above, and what is open below it."""
    own = opening_of(line, syntax)
    if opening is None:
        return [], own
    if syntax is Syntax.CODE:
        return list(_whole(opening, line)), own
    if _IS_FENCE.match(line):
        return [], own
    is_first = opening.place is not Place.FURTHER
    if not line.strip() or _IS_COMMENT.match(line):
        later = replace(opening, place=Place.APART) if is_first else opening
        return [], later if opening.holds_some else None
    is_in = _belongs(opening, line)
    found = list(_values(opening, line, is_in)) if is_in or opening.place is Place.NEXT else []
    if not (is_in and opening.holds_some):
        return found, own
    is_list = opening.is_list or (is_first and line.lstrip().startswith("- "))
    if own is None:
        return found, replace(opening, is_list=is_list, place=Place.FURTHER)
    return found, replace(own, column=opening.column, holds_some=True, is_list=is_list)


def beside(line: str, syntax: Syntax) -> Iterator[Candidate]:
    """Yield what may be values in brackets behind a name: `passwords: {anna: hunter2}`."""
    if syntax not in (Syntax.CONFIG, Syntax.SETTINGS) or not _may_name(line):
        return
    opened = _IN_BRACKETS.match(line)
    if opened is None or not _HOLDS_SOME.search(opened["name"]):
        return
    is_list = opened["bracket"] == "["
    for item in _ITEM.finditer(line, *opened.span("items")):
        value = item["value"].strip()
        key = (item["key"] or "").strip("\"'")
        is_name = opened["head"].endswith("=") and value[0] not in "\"'"  # in code
        is_one = is_item(opened["name"], value) if is_list else is_of_mapping(key, value, True)
        if is_list is not bool(key) and is_one and (not is_name or looks_random(value)):
            start = item.start("value")
            yield Candidate(f"{opened['head']} ", start, start + len(value))


def _may_name(line: str) -> bool:
    lowered = line.lower()
    return any(stem in lowered for stem in KEYWORD_STEMS)


def _column_of(line: str) -> int:
    indent = _INDENT.match(line)
    return indent.end() if indent else 0


def _belongs(opening: Opening, line: str) -> bool:
    """Whether a line stands in the mapping, the list, the text or the table of an opening."""
    text = line.lstrip()
    if opening.column is None:  # which ends with another, and before what is no setting
        is_one = line[0] in _GOES_ON or _IS_SETTING.match(line)
        return bool(is_one) and not text.startswith("[")
    least = opening.column if text.startswith("- ") else opening.column + 1
    return len(line) - len(text) >= least


def _whole(opening: Opening, line: str) -> Iterator[Candidate]:
    text = line.lstrip()
    if text and not text.startswith(('"""', "'''")):
        yield Candidate(opening.head, len(line) - len(text), len(line))


def _values(opening: Opening, line: str, is_in: bool) -> Iterator[Candidate]:
    """Yield what of a line of configuration may be a value of the opening above it."""
    is_first = opening.place is not Place.FURTHER
    if is_first and opening.is_text:
        yield from _whole(opening, line)
        return
    entry = _SETTING.match(line)
    if entry is None and (opening.column is None or opening.head.endswith("= ")):
        entry = _ASSIGNMENT.match(line)
    if entry is not None:
        key, value = (entry["key"] or "").strip("\"'"), entry["value"] or ""
        is_one = is_in and is_of_mapping(key, value, is_first)
        if is_one or (is_first and is_value(key, value)):
            yield Candidate(opening.head, entry.start("value"), len(line))
        return
    may_be_item = opening.is_list or (is_first and opening.holds_some)
    item = _LIST_ITEM.match(line) if may_be_item else None
    if item is not None and is_item(opening.head, item["value"]):
        yield Candidate(opening.head, *item.span("value"))
    elif is_first or (opening.is_text and looks_secret(line.strip())):
        yield from _whole(opening, line)
