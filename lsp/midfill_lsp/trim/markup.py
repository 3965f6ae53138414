"""Tags that a suggestion closes though the rest of the line does. Pure; called by `closing`."""

from __future__ import annotations

import re

_TAG = re.compile(r"<(/?)([\w.:-]+)(?:\"[^\"]*\"|'[^']*'|[^<>\"'])*(>?)")
# What is open at the end is still being written.
_VALUE = r"\"[^\"]*(?:\"|\Z)|'[^']*(?:'|\Z)|\{(?:[^{}]|\{[^{}]*(?:\}|\Z))*(?:\}|\Z)"
_TAG_END = re.compile(rf"{_VALUE}|([<>])")
_REST_END = re.compile(r"\"[^\"]*\"|'[^']*'|([<>])")
_TAG_START = re.compile(r"(?<![\w$)\]])<[A-Za-z]")
_IN_TAG = re.compile(
    r"<[\w.:-]+(?:\s(?:\"[^\"]*\"|'[^']*'|\{(?:[^{}]|\{[^{}]*\})*\}|[^<>\"'{}])*)?\Z"
)


def surplus(head: str, text: str, rest: str, is_whole: bool, is_script: bool) -> int | None:
    """Return where `text` ends a tag or an element that `rest` ends, None if nowhere.

    Nor does it where it begins another for `rest` to end, once it is whole.

    Args:
        head: the cursor's line before the text.
        text: the suggestion; its last tag may lack its end.
        rest: the cursor's line behind the text.
        is_whole: no more of the text comes.
        is_script: the cursor stands in a script, where `<` begins no tag.
    """
    opened: list[str] = []
    closed: dict[str, int] = {}
    for match in _TAG.finditer(text):
        is_closing, name = match[1], match[2]
        if not is_closing:
            opened.append(name)
        elif name in opened:
            del opened[len(opened) - 1 - opened[::-1].index(name) :]
        elif re.search(rf"</{re.escape(name)}" + (r"\s*>" if match[3] else ""), rest):
            closed.setdefault(name, match.start())
    places = (place for name, place in closed.items() if not (is_whole and name in opened))
    place = min(places, default=None)
    text, is_whole = text[:place], is_whole or place is not None
    begins_another = is_whole and text.rfind("<") > text.rfind(">")
    if is_script or begins_another or not _ends_tag(rest) or not _is_in_tag(head):
        return place
    found = next((match for match in _TAG_END.finditer(text) if match[1]), None)
    return found.start() if found and found[1] == ">" else place


def is_script(prefix: str) -> bool:
    """Whether the prefix ends in the text of a `script` element."""
    start = prefix.rfind("<script")
    return prefix.rfind("</script") < start and prefix.find(">", start) >= 0


def _is_in_tag(head: str) -> bool:
    """Whether the head ends in a tag, in none of its quotes or braces."""
    start = max((match.start() for match in _TAG_START.finditer(head)), default=None)
    return start is not None and _IN_TAG.match(head, start) is not None


def _ends_tag(rest: str) -> bool:
    found = next((match for match in _REST_END.finditer(rest) if match[1]), None)
    return found is not None and found[1] == ">"
