"""A range of an open document that an answer may replace: cut out, and moved along with edits."""

from __future__ import annotations

from dataclasses import dataclass, field

from lsprotocol import types

from midfill_lsp.chat.edit import Change, difference, moved
from midfill_lsp.chat.replacement import Shape, shape_of
from midfill_lsp.document import Edit, Position, Snapshot


@dataclass(slots=True, eq=False)
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
    _seen: Snapshot = field(init=False)
    _place: tuple[int, int] | None = field(init=False)  # in what was seen last

    def __post_init__(self) -> None:
        """Begin where it was asked for."""
        self._seen, self._place = self.snapshot, (self.start, self.end)

    def follow(self, before: Snapshot, edit: Edit, after: Snapshot) -> None:
        """Move along with an edit of some document."""
        if before.uri != self.snapshot.uri:
            return
        self._catch_up(before)
        if edit.start is None or edit.end is None:
            self._catch_up(after)
            return
        start, end = sorted((before.offset_at(edit.start), before.offset_at(edit.end)))
        self._take(Change(start, end, len(edit.text)), after)

    def range_in(self, latest: Snapshot | None) -> types.Range | None:
        """Return the range in the latest version, None if that is gone or changed in it."""
        if latest is None:
            return None
        self._catch_up(latest)
        place = self._place
        if place is None:  # what was done in it may be undone
            place = moved(self.start, self.end, difference(self.snapshot.text, latest.text))
        if place is None:
            return None
        return types.Range(_position(latest, place[0]), _position(latest, place[1]))

    def _catch_up(self, latest: Snapshot) -> None:
        """Take what was not followed for one change."""
        if latest is not self._seen:
            self._take(difference(self._seen.text, latest.text), latest)

    def _take(self, change: Change, after: Snapshot) -> None:
        self._seen = after
        if self._place is not None:
            self._place = moved(*self._place, change)


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
