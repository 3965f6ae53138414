"""One line or a block, decided from what stands around the cursor. Pure; called by `context`.

text behind the cursor              line: a block would tear it off
in a comment or a string            line
behind an opening bracket, a colon  block, unless the body is there already
a blank line                        block, unless the expression above goes on
anything else                       line
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from midfill_lsp.trim import indent, lexer, opener

Mode = Literal["line", "block"]

_OPENS_BLOCK = re.compile(r"(?:[{(\[]|=>|\bdo|\bthen)\s*\Z")
_LABEL = re.compile(r"[ \t]*(?:case\b.*|default[ \t]*):\s*\Z")
_LABEL_LANGUAGES = frozenset(
    {"c", "cpp", "cuda-cpp", "java", "go", "javascript", "javascriptreact"}
    | {"typescript", "typescriptreact", "csharp", "php", "swift", "dart"}
)
_GOES_ON = re.compile(
    r"(?:(?<![=!<>])=|(?<!\+)\+|(?<!-)-|(?<!/)/|[*%&|^?\\]|\b(?:and|or|not|return|in|is))\s*\Z"
)
_MAY_GO_ON = frozenset(
    {"python", "javascript", "javascriptreact", "typescript", "typescriptreact", "go", "rust"}
    | {"c", "cpp", "cuda-cpp", "java"}
)


@dataclass(frozen=True, slots=True)
class Around:
    """What decides.

    Attributes:
        head: text of the cursor's line before the cursor.
        rest: text of the cursor's line behind it; "" if only blanks.
        line_above: the next line of the prefix that is not blank, None if there is none.
        line_below: the next line of the suffix that is not blank, None if there is none.
        in_text: the cursor stands in a comment or a string.
    """

    head: str
    rest: str
    line_above: str | None
    line_below: str | None
    in_text: bool


def opens_block(head: str, language_id: str) -> bool:
    """Whether a line that ends here opens a block."""
    if language_id in lexer.PROSE:
        return False
    if _OPENS_BLOCK.search(head):
        return True
    if language_id in opener.PYTHONS:
        return bool(opener.HEADER.match(head))
    if language_id in _LABEL_LANGUAGES:
        return bool(_LABEL.match(head))
    return language_id in opener.COLON_LANGUAGES and head.rstrip().endswith(":")


def decide(around: Around, language_id: str) -> Mode:
    """Return the mode."""
    head, below = around.head, around.line_below
    if around.rest or around.in_text:
        return "line"
    if opens_block(head, language_id):
        has_body = below is not None and indent.width(below) > indent.width(head)
        return "line" if has_body else "block"
    if not head or head.strip():
        return "line"
    if language_id in _MAY_GO_ON and _GOES_ON.search(around.line_above or ""):
        return "line"
    return "block"
