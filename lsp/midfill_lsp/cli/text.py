"""Carets and lines in plain text, as LSP counts them. Pure. Called by `cli`'s other modules."""

from __future__ import annotations

import re
from dataclasses import dataclass

from midfill_lsp.errors import MidfillError

ENCODINGS = ("utf-8", "utf-16", "utf-32")
_LINE_END = re.compile(r"\r\n|\n|\r")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")


class NoSuchPlace(MidfillError):
    """The line or the column lies outside the text."""


@dataclass(frozen=True, slots=True)
class Caret:
    """A place between characters: zero-based line, and code points before it in that line."""

    line_idx: int
    column: int


def split_lines(text: str) -> list[str]:
    r"""Return the lines without their ends; LSP knows `\n`, `\r\n` and `\r`, and no others."""
    return _LINE_END.split(text)


def whole_lines(text: str) -> list[str]:
    """Return the lines of `split_lines` with their ends; an empty one at the end is none."""
    return _LINE.findall(text)


def offset_of(text: str, caret: Caret) -> int:
    """Return the code points before the caret in the whole text."""
    starts = [0, *(match.end() for match in _LINE_END.finditer(text))]
    return starts[caret.line_idx] + caret.column


def caret_at(text: str, offset: int) -> Caret:
    """Return the caret after `offset` code points."""
    lines = split_lines(text[:offset])
    return Caret(len(lines) - 1, len(lines[-1]))


def find_caret(text: str, line_idx: int, character: int, encoding: str) -> Caret:
    """Return the caret at an LSP position.

    Args:
        text: the whole document.
        line_idx: zero-based line.
        character: zero-based column in units of `encoding`: bytes, UTF-16 units or code points.
        encoding: `utf-8`, `utf-16` or `utf-32`.

    Raises:
        NoSuchPlace: there is no such line or column, or it lies inside a character.
    """
    lines = split_lines(text)
    if not 0 <= line_idx < len(lines):
        raise NoSuchPlace(
            f"line {line_idx} does not exist: the file has the lines 0 to {len(lines) - 1} "
            "(counted from 0)"
        )
    line = lines[line_idx]
    columns = [0]
    for char in line:
        columns.append(columns[-1] + num_units(char, encoding))
    if not 0 <= character <= columns[-1]:
        raise NoSuchPlace(
            f"character {character} does not exist: line {line_idx} has the characters "
            f"0 to {columns[-1]} (counted from 0, in {encoding})"
        )
    if character not in columns:
        raise NoSuchPlace(
            f"character {character} of line {line_idx} lies inside a character (in {encoding})"
        )
    return Caret(line_idx, columns.index(character))


def num_units(text: str, encoding: str) -> int:
    """Return how long `text` is in units of `encoding`."""
    if encoding == "utf-8":
        return len(text.encode("utf-8", "surrogatepass"))
    if encoding == "utf-16":
        return len(text.encode("utf-16-le", "surrogatepass")) // 2
    return len(text)
