r"""A model's answer as the text that takes a selection's place: checked, and laid out as it was.

Pure. What is no code is refused: it had better be asked again than be written into a file. The
selection's indentation and line ends are kept, whatever the answer's are:

    selection   \tif x:\r\n\t\treturn\r\n        answer   if not x:\n    return\n
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from midfill_lsp.chat.blocks import find_blocks
from midfill_lsp.errors import MidfillError
from midfill_lsp.hole import is_prose

_THOUGHT: Final = re.compile(r"(?<!\s)\s*<think>.*?(?:</think>\s*|\Z)", re.DOTALL)
_INDENT: Final = re.compile(r"[ \t]*")


class NoCode(MidfillError):
    """The answer holds nothing that could take the selection's place; the text says why."""


@dataclass(frozen=True, slots=True)
class Shape:
    r"""How a selection is laid out.

    Attributes:
        indent: what all of its lines have in front; of the line it begins in, where it begins
            behind that.
        starts_inside: it begins behind the indentation of its line.
        has_end: its last line has a line end.
        line_end: `\n`, `\r\n` or `\r`.
    """

    indent: str
    starts_inside: bool
    has_end: bool
    line_end: str


def shape_of(head: str, selected: str, line_end: str) -> Shape:
    """Return the layout of a selection.

    Args:
        head: what stands before it on its first line.
        selected: the selection, its lines ended by LF.
        line_end: the document's.
    """
    indent = _indent(head) if head else _common_indent(selected)
    return Shape(indent, bool(head), selected.endswith("\n"), line_end)


def code_of(answer: str, finished: bool = True) -> str | None:
    r"""Return the code of an answer, lines ended by LF; None while it cannot be told.

    >>> code_of("Here it is:\n```py\nx = 1\n```\n")
    'x = 1\n'

    Raises:
        NoCode: the answer has ended, and holds no code or more than one piece of it.
    """
    text = _THOUGHT.sub("", answer.replace("\r\n", "\n"), count=1)
    blocks = find_blocks(text)
    if len(blocks) > 1 and finished:
        raise NoCode(f"the model answered with {len(blocks)} code blocks, and one was asked for")
    if blocks:
        if finished and not blocks[0].is_closed:
            raise NoCode("the model's code block broke off")
        return blocks[0].text if blocks[0].is_closed else _whole_lines(blocks[0].text)
    if not finished:
        return None  # a fence may still come
    if not text.strip():
        raise NoCode("the model answered with nothing")
    if is_prose(text):
        raise NoCode("the model answered with words instead of code")
    return text.strip("\n") + "\n"


def lay_out(code: str, shape: Shape) -> str:
    """Return the code as it is written into the document.

    Args:
        code: lines ended by LF.
        shape: of what it replaces.
    """
    lines = code.split("\n")
    if lines[-1] == "":
        lines.pop()
    common = len(_common_indent(code))
    laid = [
        (shape.indent if idx or not shape.starts_inside else "") + line[common:]
        if line.strip()
        else ""
        for idx, line in enumerate(lines)
    ]
    text = shape.line_end.join(laid)
    return text + shape.line_end if shape.has_end and laid else text


def _whole_lines(text: str) -> str:
    """Return a growing text without its last line, which may be the fence to come."""
    return text[: text.rstrip("\n").rfind("\n") + 1]


def _common_indent(text: str) -> str:
    """Return the blanks and tabs that all lines with text begin with."""
    indents = [_indent(line) for line in text.split("\n") if line.strip()]
    if not indents:
        return ""
    shortest = min(indents, key=len)
    while not all(indent.startswith(shortest) for indent in indents):
        shortest = shortest[:-1]
    return shortest


def _indent(line: str) -> str:
    found = _INDENT.match(line)
    return found.group() if found else ""
