"""Where a completion is asked for, and what is suggested there. Made and read by `server`."""

from __future__ import annotations

from dataclasses import dataclass

from midfill_lsp.document import Snapshot


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A cursor in a document at one version.

    Attributes:
        request_id: as the editor numbers it; for the log.
        snapshot: the document.
        line_idx: the cursor's line.
        column: code points before the cursor in that line.
        explicit: the user asked for it; then nothing is skipped and nothing waits.
    """

    request_id: str
    snapshot: Snapshot
    line_idx: int
    column: int
    explicit: bool = False

    def with_line_ends(self, text: str) -> str:
        """Return `text` with the document's line ends instead of LF."""
        return text.replace("\n", self.snapshot.line_end(self.line_idx))


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Text for the cursor, with the document's line ends.

    Attributes:
        text: not empty.
        replaces_rest: it takes the place of the rest of the cursor's line.
    """

    text: str
    replaces_rest: bool
