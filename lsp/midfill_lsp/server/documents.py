"""The open documents, as far as they are known to be what the editor has.

LSP has no way to ask for a document anew. One whose change could not be read is out of step: its
text is wrong from then on, and so would be what is suggested in it. So it counts as not there until
the editor sends the whole of it again, by opening it or by a change without a range.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager

from lsprotocol import types

from midfill_lsp.document import Edit, Encoding, Position, Snapshot, open_snapshot

Follower = Callable[[Snapshot, Edit, Snapshot], None]
"""Gets each edit, with the document before and after it."""


class Documents(Mapping[str, Snapshot]):
    """The latest snapshot of each document that is open and in step, by its URI."""

    def __init__(self) -> None:
        """Begin with none."""
        self._snapshots: dict[str, Snapshot] = {}
        self._lost: dict[str, Snapshot] = {}  # as they were last known
        self._followers: list[Follower] = []
        self.encoding: Encoding = "utf-16"

    def __getitem__(self, uri: str) -> Snapshot:
        """Return the latest snapshot of a document."""
        return self._snapshots[uri]

    def __iter__(self) -> Iterator[str]:
        """Give the URIs of the documents."""
        return iter(self._snapshots)

    def __len__(self) -> int:
        """Return how many are open and in step."""
        return len(self._snapshots)

    def is_lost(self, uri: str) -> bool:
        """Whether a document is open but out of step."""
        return uri in self._lost

    def open(self, document: types.TextDocumentItem) -> None:
        """Take a document that was opened."""
        self._lost.pop(document.uri, None)
        self._snapshots[document.uri] = open_snapshot(
            document.uri, document.language_id, document.version, document.text, self.encoding
        )

    def change(
        self,
        uri: str,
        version: int,
        changes: tuple[types.TextDocumentContentChangeEvent, ...],
    ) -> bool:
        """Apply the edits of one notification; False if no such document is open."""
        edits = tuple(map(_edit, changes))
        lost = self._lost.get(uri)
        if lost is not None:
            edits = _from_whole_text(edits)
            if edits:
                del self._lost[uri]
                self._snapshots[uri] = self._applied(lost, edits, version)
            return True
        snapshot = self._snapshots.get(uri)
        if snapshot is None:
            return False
        self._snapshots[uri] = self._applied(snapshot, edits, version)
        return True

    @contextmanager
    def following(self, *followers: Follower) -> Generator[None]:
        """Tell them every edit, until this ends."""
        self._followers += followers
        try:
            yield
        finally:
            for follower in followers:
                self._followers.remove(follower)

    def close(self, uri: str) -> None:
        """Let go of a document."""
        self._snapshots.pop(uri, None)
        self._lost.pop(uri, None)

    def lose(self, uri: str | None) -> list[str]:
        """Take a document for out of step, None for every one; return those that newly are."""
        lost = [uri] if uri in self._snapshots else [] if uri is not None else list(self)
        for name in lost:
            self._lost[name] = self._snapshots.pop(name)
        return lost

    def _applied(self, snapshot: Snapshot, edits: tuple[Edit, ...], version: int) -> Snapshot:
        if not edits or not self._followers:
            return snapshot.apply(edits, version)
        for edit in edits:
            before, snapshot = snapshot, snapshot.apply((edit,), version)
            for follow in self._followers:
                follow(before, edit, snapshot)
        return snapshot


def _from_whole_text(edits: tuple[Edit, ...]) -> tuple[Edit, ...]:
    """Return the edits from the last that brings the whole text, none if none does."""
    for idx in reversed(range(len(edits))):
        if edits[idx].start is None:
            return edits[idx:]
    return ()


def _edit(change: types.TextDocumentContentChangeEvent) -> Edit:
    if isinstance(change, types.TextDocumentContentChangePartial):
        start, end = change.range.start, change.range.end
        return Edit(
            change.text,
            Position(start.line, start.character),
            Position(end.line, end.character),
        )
    return Edit(change.text)


def replaced_lines(change: types.TextDocumentContentChangeEvent) -> tuple[int, int, int] | None:
    """Return the first and last line of what an edit replaces and its line breaks; None for all."""
    if not isinstance(change, types.TextDocumentContentChangePartial):
        return None
    return change.range.start.line, change.range.end.line, change.text.count("\n")
