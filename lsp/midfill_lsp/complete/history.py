"""Whether a change brought an earlier text back: an undo or a redo. Called by `completer`.

The protocol does not say what an edit was. A snapshot's signature is equal for equal texts and
costs a hash of the edited lines, so a text that comes back is seen without reading the document.
"""

from __future__ import annotations

from collections import deque

from midfill_lsp.document import Snapshot
from midfill_lsp.lines import Lines

_NUM_KEPT = 64
_MAX_CORRECTION_CHARS = 2  # a character, or a pair that the editor closed, taken back by hand


class History:
    """Remembers the latest texts of each document."""

    def __init__(self) -> None:
        """Begin with none."""
        self._signatures: dict[str, deque[int]] = {}
        self._undone: dict[str, Snapshot] = {}

    def note(self, before: Snapshot, after: Snapshot) -> None:
        """Take note of a change."""
        known = self._signatures.setdefault(after.uri, deque(maxlen=_NUM_KEPT))
        known.append(before.signature)
        self._undone.pop(after.uri, None)
        is_back = after.signature in known and after.signature != before.signature
        if is_back and not _is_correction(before.lines, after.lines):
            self._undone[after.uri] = after

    def is_undone(self, snapshot: Snapshot) -> bool:
        """Whether the change that made this snapshot brought an earlier text back."""
        return self._undone.get(snapshot.uri) is snapshot

    def forget(self, uri: str) -> None:
        """Forget a document."""
        self._signatures.pop(uri, None)
        self._undone.pop(uri, None)


def _is_correction(before: Lines, after: Lines) -> bool:
    """Whether somebody may have taken back a character or two of one line by hand."""
    if len(before) != len(after):
        return False
    changed = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    return len(changed) == 1 and abs(len(changed[0][0]) - len(changed[0][1])) <= (
        _MAX_CORRECTION_CHARS
    )
