"""What the text around the cursor asks of a suggestion; computed once per request."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from midfill_lsp.trim import brackets, indent

Mode = Literal["line", "block"]

_OPENS_BLOCK = re.compile(r"(?:[{(\[]|=>|\bdo|\bthen)\s*\Z")
_COLON_LANGUAGES = frozenset({"python", "yaml", "nim", "gdscript", "starlark"})
_NO_BRACKETS = brackets.PROSE | {"yaml", "html", "xml"}


@dataclass(frozen=True, slots=True)
class TrimContext:
    """The cursor's surroundings.

    Attributes:
        mode: one line, or a block.
        language_id: as the editor names it.
        head: text of the cursor's line before the cursor.
        rest: text of the cursor's line behind the cursor; "" if only blanks.
        line_below: the next line of the suffix that is not blank, None if there is none.
        level: width of the cursor line's indentation; a block may not go left of it.
        opens: the line before the cursor opened the block, so its own level ends it.
        allowed: what a suggestion may close, innermost first (`brackets.allowed_closers`);
            None where brackets mean nothing.
        allowed_without_rest: the same, were the rest of the cursor's line replaced.
        indent_style: tabs or spaces, as the document has them.
    """

    mode: Mode
    language_id: str
    head: str
    rest: str
    line_below: str | None
    level: int
    opens: bool
    allowed: tuple[str | None, ...] | None
    allowed_without_rest: tuple[str | None, ...] | None
    indent_style: indent.Style


def describe(
    prefix: str, suffix: str, language_id: str, mode: Literal["auto", "line", "block"] = "auto"
) -> TrimContext:
    """Return the context of a cursor between `prefix` and `suffix` (with LF line ends)."""
    head = prefix[prefix.rfind("\n") + 1 :]
    rest, _, below = suffix.partition("\n")
    rest = rest if rest.strip() else ""
    opens = _opens_block(head, language_id)
    counts = language_id not in _NO_BRACKETS
    allowed = brackets.allowed_closers
    return TrimContext(
        mode=_mode(head, rest, opens) if mode == "auto" or rest else mode,
        language_id=language_id,
        head=head,
        rest=rest,
        line_below=next((line for line in below.split("\n") if line.strip()), None),
        level=indent.width(head),
        opens=opens,
        allowed=allowed(prefix, suffix, language_id) if counts else None,
        allowed_without_rest=allowed(prefix, "\n" + below, language_id) if counts else None,
        indent_style=indent.detect(prefix),
    )


def _mode(head: str, rest: str, opens: bool) -> Mode:
    if rest:
        return "line"
    if opens:
        return "block"
    return "block" if head and not head.strip() else "line"


def _opens_block(head: str, language_id: str) -> bool:
    if language_id in brackets.PROSE:
        return False
    if _OPENS_BLOCK.search(head):
        return True
    return language_id in _COLON_LANGUAGES and head.rstrip().endswith(":")
