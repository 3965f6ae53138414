"""Documents as the editor has them: immutable snapshots, edits, and positions.

The sole place that knows UTF-16 and UTF-8 columns; everybody else counts code points. Knows no
editor and no protocol library. `server` keeps the latest snapshot of each open document.

A document is `Lines` and not one string, so that a key pressed in a file of megabytes touches one
line. Lines end with LF, CRLF or CR and with nothing else (LSP 3.18, section "Text Documents"); the
last line has no end and may be empty. pygls' own documents split at form feeds and U+2028 too, and
so put later edits on the wrong line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from midfill_lsp.lines import Lines, split_lines, width_of

Encoding = Literal["utf-8", "utf-16", "utf-32"]

_CHUNK_CHARS = 4096


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two characters as the editor counts: `character` is in its encoding."""

    line: int
    character: int


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of `textDocument/didChange`; without a range `text` is the whole document."""

    text: str
    start: Position | None = None
    end: Position | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A document at one version.

    Attributes:
        uri: as the editor sent it.
        language_id: as the editor sent it, such as `python`.
        version: counts up with every change.
        lines: with their ends; at least one; only the last has no end.
        encoding: what a column counts.
        signature: equal for equal texts, of this document and since it was opened; 0 at first.
    """

    uri: str
    language_id: str
    version: int
    lines: Lines
    encoding: Encoding
    signature: int = field(default=0, compare=False)

    @property
    def text(self) -> str:
        """The whole document; built on each call, so not for the path of a key press."""
        return "".join(self.lines)

    def locate(self, position: Position) -> tuple[int, int]:
        """Return line and column in code points.

        A line past the end means the end of the document, a column past the end of its line the
        end of that line before the line end, and a column inside a character its start.
        """
        last_idx = len(self.lines) - 1
        if position.line > last_idx:
            return last_idx, len(self.lines[last_idx])
        line = self.lines[position.line]
        width = width_of(line)
        return position.line, column_of(line[:width], position.character, self.encoding)

    def position(self, line_idx: int, column: int) -> Position:
        """Return the editor's position of a line and column in code points."""
        head = self.lines[line_idx][:column]
        return Position(line_idx, num_units(head, self.encoding))

    def offset_at(self, position: Position) -> int:
        """Return the code points before a position."""
        line_idx, column = self.locate(position)
        return sum(map(len, self.lines[:line_idx])) + column

    def position_at(self, offset: int) -> Position:
        """Return the position with `offset` code points before it; the end if there are fewer.

        An offset inside a line end gives the place before that line end.
        """
        last_idx = len(self.lines) - 1
        for line_idx, line in enumerate(self.lines):
            if offset < len(line) or line_idx == last_idx:
                return self.position(line_idx, min(offset, width_of(line)))
            offset -= len(line)
        raise AssertionError("a snapshot has at least one line")

    def apply(self, edits: tuple[Edit, ...], version: int) -> Snapshot:
        """Return the next snapshot. Each edit sees the text that the ones before it left."""
        lines, signature = self.lines, self.signature
        for edit in edits:
            before, first_idx, num_behind = lines, 0, 0
            if edit.start is None or edit.end is None:
                lines = Lines.of(edit.text)
            else:
                step = Snapshot(self.uri, self.language_id, version, lines, self.encoding)
                start, end = sorted((step.locate(edit.start), step.locate(edit.end)))
                lines = _spliced(lines, start, end, edit.text)
                first_idx, num_behind = max(0, start[0] - 1), len(before) - end[0] - 1
            signature += _hash(lines, first_idx, num_behind) - _hash(before, first_idx, num_behind)
        return Snapshot(self.uri, self.language_id, version, lines, self.encoding, signature)

    def line_end(self, line_idx: int) -> str:
        """Return the line end to write at a line: its own, else its neighbour's, else LF."""
        for idx in (line_idx, line_idx - 1, 0):
            if idx >= 0:
                line = self.lines[idx]
                width = width_of(line)
                if width < len(line):
                    return line[width:]
        return "\n"


def open_snapshot(
    uri: str, language_id: str, version: int, text: str, encoding: Encoding
) -> Snapshot:
    """Return the snapshot of a document that was just opened."""
    return Snapshot(uri, language_id, version, Lines.of(text), encoding)


def num_units(text: str, encoding: Encoding) -> int:
    """Return how many columns `text` takes. A lone surrogate counts as one unit of UTF-16."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    if encoding == "utf-16":
        return len(text.encode("utf-16-le", "surrogatepass")) // 2
    return len(text.encode("utf-8", "surrogatepass"))


def column_of(line: str, character: int, encoding: Encoding) -> int:
    """Return the code points of `line` before the column `character`, rounded down."""
    if encoding == "utf-32" or line.isascii():
        return max(0, min(character, len(line)))
    column = 0
    while column < len(line):  # whole chunks first: a minified file has lines of megabytes
        chunk = line[column : column + _CHUNK_CHARS]
        units = num_units(chunk, encoding)
        if units > character:
            break
        character -= units
        column += len(chunk)
    for char in line[column : column + _CHUNK_CHARS]:
        character -= num_units(char, encoding)
        if character < 0:
            break
        column += 1
    return column


def _spliced(lines: Lines, start: tuple[int, int], end: tuple[int, int], text: str) -> Lines:
    """Replace what lies between two places (line and column in code points)."""
    first_idx, head = start[0], lines[start[0]][: start[1]]
    tail = lines[end[0]][end[1] :]
    # Only `text` is looked through for line ends: head has none, and tail no other than its own.
    fresh = list(split_lines(text))
    fresh[0] = _joined(head, fresh[0])
    fresh[-1] = _joined(fresh[-1], tail)
    if len(fresh) > 1 and fresh[-1].startswith("\n") and fresh[-2].endswith("\r"):
        fresh[-2:] = [fresh[-2] + "\n"]  # a \r and the \n now behind it are one line end
    if first_idx > 0 and fresh[0].startswith("\n") and lines[first_idx - 1].endswith("\r"):
        first_idx -= 1
        fresh[0] = lines[first_idx] + fresh[0]
    return lines.replaced(first_idx, end[0] + 1, tuple(fresh))


def _hash(lines: Lines, first_idx: int, num_behind: int) -> int:
    """Return what a range of lines adds to the signature: it reaches to `num_behind` from the end.

    Each line counts with the one before it, so that their order counts.
    """
    end = min(len(lines), len(lines) - num_behind + 1)
    befores = ("", *lines[:end]) if first_idx == 0 else lines[first_idx - 1 : end]
    return sum(map(hash, zip(befores, lines[first_idx:end], strict=False)))


def _joined(one: str, other: str) -> str:
    """Return both texts as one; halves of a UTF-16 pair that meet are one character."""
    if "\ud800" <= one[-1:] <= "\udbff" and "\udc00" <= other[:1] <= "\udfff":
        pair = (one[-1] + other[0]).encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        return one[:-1] + pair + other[1:]
    return one + other
