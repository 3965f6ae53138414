"""A range of an open document that an answer may replace: cut out, and found again later."""

from __future__ import annotations

from dataclasses import dataclass

from lsprotocol import types

from midfill_lsp.chat.edit import moved
from midfill_lsp.chat.replacement import Shape, shape_of
from midfill_lsp.document import Position, Snapshot


@dataclass(frozen=True, slots=True)
class Target:
    """What may be replaced.

    Attributes:
        snapshot: the document as it was when this was asked.
        start: code points before it.
        end: code points before its end.
        selected: the text, its lines ended by LF.
        shape: how it is laid out.
        first_line: number of the line that it begins in, from 1.
    """

    snapshot: Snapshot
    start: int
    end: int
    selected: str
    shape: Shape
    first_line: int

    def range_in(self, latest: Snapshot | None) -> types.Range | None:
        """Return the range in a later version, None if that is gone or changed in it."""
        if latest is None:
            return None
        start, end = self.start, self.end
        if latest is not self.snapshot:
            place = moved(self.snapshot.text, latest.text, start, end)
            if place is None:
                return None
            start, end = place
        return types.Range(_position(latest, start), _position(latest, end))


def target_of(snapshot: Snapshot, wanted: types.Range | None) -> Target:
    """Return a range as a target, the whole document for None.

    A range that begins in the indentation of a line with text in it begins at the line's start.
    """
    text = snapshot.text
    start, end, line_idx = 0, len(text), 0
    if wanted is not None:
        first = Position(wanted.start.line, wanted.start.character)
        last = Position(wanted.end.line, wanted.end.character)
        start, end = sorted((snapshot.offset_at(first), snapshot.offset_at(last)))
        line_idx = min(wanted.start.line, wanted.end.line, len(snapshot.lines) - 1)
    line_start = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
    head = text[line_start:start]
    if text[start:end].strip() and not head.strip():
        start, head = line_start, ""
    selected = with_lf(text[start:end])
    shape = shape_of(head, selected, snapshot.line_end(line_idx))
    return Target(snapshot, start, end, selected, shape, line_idx + 1)


def with_lf(text: str) -> str:
    """Return a text with its lines ended by LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _position(snapshot: Snapshot, offset: int) -> types.Position:
    place = snapshot.position_at(offset)
    return types.Position(place.line, place.character)
