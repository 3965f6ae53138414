"""Where a completion is asked for, and what is suggested there. Made and read by `server`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from midfill_lsp.document import Edit, Position, Snapshot
from midfill_lsp.lines import split_lines
from midfill_lsp.prompt import plain


@dataclass(frozen=True, slots=True)
class Selected:
    """The item that is selected in the editor's pop-up menu (LSP's `selectedCompletionInfo`).

    Attributes:
        document: the document without it.
        start: where its text goes, line and column in code points; `end` is behind what it takes
            the place of.
        text: as the editor sent it.
    """

    document: Snapshot
    start: tuple[int, int]
    end: tuple[int, int]
    text: str


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A cursor in a document at one version.

    Attributes:
        request_id: as the editor numbers it; for the log.
        snapshot: the document, with the selected item in it if there is one.
        line_idx: the cursor's line.
        column: code points before the cursor in that line.
        explicit: the user asked for it; then nothing is skipped and nothing waits.
        has_selection: text is selected in the editor.
        selected: the pop-up menu's item that the suggestion has to begin with.
    """

    request_id: str
    snapshot: Snapshot
    line_idx: int
    column: int
    explicit: bool = False
    has_selection: bool = False
    selected: Selected | None = None

    @property
    def document(self) -> Snapshot:
        """The document as the editor has it."""
        return self.selected.document if self.selected else self.snapshot

    @property
    def lead(self) -> str:
        """What the suggestion has to begin with, with LF line ends; empty for nothing."""
        return plain(self.selected.text) if self.selected else ""

    def with_selected(self, start: Position, end: Position, text: str) -> CompletionRequest | None:
        """Return the request as if an item of the pop-up menu were in the text already.

        None if its range, from `start` to `end`, does not hold the cursor.
        """
        before = self.snapshot
        first, last = before.locate(start), before.locate(end)
        if not first <= (self.line_idx, self.column) <= last:
            return None
        lines = split_lines(text)
        head_len = first[1] if len(lines) == 1 else 0
        return replace(
            self,
            snapshot=before.apply((Edit(text, start, end),), before.version),
            line_idx=first[0] + len(lines) - 1,
            column=head_len + len(lines[-1]),
            selected=Selected(before, first, last, text),
        )

    def shown(self, text: str) -> str:
        """Return a suggestion as the editor gets it: the selected item first, its line ends."""
        lead = self.selected.text if self.selected else ""
        return lead + text.replace("\n", self.snapshot.line_end(self.line_idx))


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Text for the cursor, with the document's line ends.

    Attributes:
        text: not empty; begins with the selected item's text if there is one.
        replaces_rest: it takes the place of the rest of the cursor's line.
    """

    text: str
    replaces_rest: bool
