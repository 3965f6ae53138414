"""What the text around the cursor asks of a suggestion; computed once per request."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from midfill_lsp.trim import brackets, indent

Mode = Literal["line", "block"]

_OPENS_BLOCK = re.compile(r"(?:[{(\[]|=>|\bdo|\bthen)\s*\Z")
_MAY_INDENT = re.compile(r"(?:[:)]|\belse)\s*\Z")
_TAKES_DOCSTRING = re.compile(r"[ \t]*(?:async[ \t]+)?(?:def|class)\b.*:[ \t]*\Z")
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
        line_above: the next line of the prefix that is not blank, None if there is none.
        line_below: the next line of the suffix that is not blank, None if there is none.
        level: width of the cursor line's indentation; a block may not go left of it.
        opens: the line before the cursor opened the block, so its own level ends it.
        allowed: what a suggestion may close, innermost first (`brackets.allowed_closers`);
            None where brackets mean nothing.
        allowed_without_rest: the same, were the rest of the cursor's line replaced.
        indent_style: tabs or spaces, as the document has them.
        max_blanks: columns of blanks that a suggestion may begin with, None for any number: none
            behind a blank, on a blank line what is missing to the line's level.
        docstring_indent: where a docstring would begin on the next line; None if it may not.
    """

    mode: Mode
    language_id: str
    head: str
    rest: str
    line_above: str | None
    line_below: str | None
    level: int
    opens: bool
    allowed: tuple[str | None, ...] | None
    allowed_without_rest: tuple[str | None, ...] | None
    indent_style: indent.Style
    max_blanks: int | None
    docstring_indent: str | None


def describe(
    prefix: str, suffix: str, language_id: str, mode: Literal["auto", "line", "block"] = "auto"
) -> TrimContext:
    """Return the context of a cursor between `prefix` and `suffix` (with LF line ends)."""
    head = prefix[prefix.rfind("\n") + 1 :]
    above = prefix[: len(prefix) - len(head)].rstrip()
    line_above = above[above.rfind("\n") + 1 :] or None
    rest, _, below = suffix.partition("\n")
    rest = rest if rest.strip() else ""
    opens = _opens_block(head, language_id)
    counts = language_id not in _NO_BRACKETS and not brackets.ends_in_text(prefix, language_id)
    style = indent.detect(prefix)
    allowed = brackets.allowed_closers
    return TrimContext(
        mode=_mode(head, rest, opens) if mode == "auto" or rest else mode,
        language_id=language_id,
        head=head,
        rest=rest,
        line_above=line_above,
        line_below=next((line for line in below.split("\n") if line.strip()), None),
        level=indent.width(head),
        opens=opens,
        allowed=allowed(prefix, suffix, language_id) if counts else None,
        allowed_without_rest=allowed(prefix, "\n" + below, language_id) if counts else None,
        indent_style=style,
        max_blanks=_max_blanks(line_above or "", head, language_id, style),
        docstring_indent=_docstring_indent(head, language_id, style),
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


def _max_blanks(line_above: str, head: str, language_id: str, style: indent.Style) -> int | None:
    if not head[-1:].isspace():
        return None
    if head.strip():
        return 0
    step = style.unit if _may_indent(line_above, language_id) else 0
    level = indent.width(line_above) + step
    return max(0, level - indent.width(head))


def _may_indent(line_above: str, language_id: str) -> bool:
    """Whether the line below may be indented more; `case 1:` and `if (x)` open no block here."""
    if language_id in _COLON_LANGUAGES:
        return _opens_block(line_above, language_id)
    return _opens_block(line_above, language_id) or bool(_MAY_INDENT.search(line_above))


def _docstring_indent(head: str, language_id: str, style: indent.Style) -> str | None:
    if language_id != "python" or not _TAKES_DOCSTRING.match(head):
        return None
    return indent.adapt(" " * (indent.width(head) + style.unit), style)
