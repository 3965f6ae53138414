r"""The place where a suggestion belongs, and what was typed there since. Pure.

    at the anchor      foo(|)        head "foo(", rest ")\n"
    later              foo(a, |)     typed "a, "
    later, closed      foo([|])      typed "[", and "]" was added by the editor

`streams` asks this on every change and every request, so it looks only at the lines that the
backend was sent, which the snapshots share.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from midfill_lsp.complete.request import CompletionRequest
from midfill_lsp.document import Snapshot
from midfill_lsp.lines import Lines
from midfill_lsp.prompt import Prompt, plain

_CLOSERS = frozenset(")]}\"'`")
_MAX_CLOSED = 3


@dataclass(frozen=True, slots=True)
class Typed:
    """What stands between an anchor and a cursor.

    Attributes:
        text: with LF line ends; may be empty.
        closed: closers between the cursor and what stood behind the anchor.
    """

    text: str
    closed: str = ""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A place in a document.

    Attributes:
        first_line: index of the first line of `above`.
        above: the lines that must stay as they are, down to the anchor's own.
        line_idx: the anchor's line.
        head: that line before the anchor.
        rest: that line behind it, with its end.
        below: the lines below that must stay as they are.
        lines_below: how many lines of the document are below the anchor's.
    """

    first_line: int
    above: tuple[str, ...]
    line_idx: int
    head: str
    rest: str
    below: tuple[str, ...]
    lines_below: int

    @classmethod
    def of(cls, request: CompletionRequest, prompt: Prompt) -> Anchor:
        """Return the place of a request: its cursor, or the start of the selected item."""
        lines, selected = request.document.lines, request.selected
        start = selected.start if selected else (request.line_idx, request.column)
        end = selected.end if selected else start
        below_idx = end[0] + 1
        return cls(
            first_line=prompt.first_line,
            above=lines[prompt.first_line : start[0]],
            line_idx=start[0],
            head=lines[start[0]][: start[1]],
            rest=lines[end[0]][end[1] :],
            below=lines[below_idx : below_idx + prompt.suffix.count("\n")],
            lines_below=len(lines) - below_idx,
        )

    def typed_at(self, snapshot: Snapshot, line_idx: int, column: int) -> Typed | None:
        """Return what was typed up to a cursor, None if anything else has changed."""
        lines = snapshot.lines
        if line_idx < self.line_idx or len(lines) - line_idx - 1 != self.lines_below:
            return None
        behind = lines[line_idx][column:]
        if not behind.endswith(self.rest):
            return None
        closed = behind[: len(behind) - len(self.rest)]
        if len(closed) > _MAX_CLOSED or not _CLOSERS.issuperset(closed):
            return None
        text = "".join(lines[self.line_idx : line_idx]) + lines[line_idx][:column]
        if not text.startswith(self.head) or not self._stands(lines, line_idx):
            return None
        return Typed(plain(text[len(self.head) :]), closed)

    def inserted(self, snapshot: Snapshot) -> str | None:
        """Return all that stands at the anchor now, None if anything else has changed."""
        lines = snapshot.lines
        last_idx = len(lines) - 1 - self.lines_below
        if last_idx < self.line_idx or not self._stands(lines, last_idx):
            return None
        text = "".join(lines[self.line_idx : last_idx + 1])
        if len(text) < len(self.head) + len(self.rest):
            return None
        if not text.startswith(self.head) or not text.endswith(self.rest):
            return None
        return plain(text[len(self.head) : len(text) - len(self.rest)])

    def _stands(self, lines: Lines, last_idx: int) -> bool:
        """Whether the lines around are as they were; `last_idx` is the cursor's line now."""
        below_idx = last_idx + 1
        return (
            lines[self.first_line : self.line_idx] == self.above
            and lines[below_idx : below_idx + len(self.below)] == self.below
        )


def without_closers(inserted: str) -> Iterator[str]:
    """Yield the text as typed, were none, one, ... of its last characters added by the editor."""
    yield inserted
    for num_closed in range(1, min(_MAX_CLOSED, len(inserted)) + 1):
        if inserted[-num_closed] not in _CLOSERS:
            return
        yield inserted[:-num_closed]


def goes_along(typed: str, text: str) -> bool:
    """Whether `typed` is the start of a text of which `text` is known so far."""
    return text.startswith(typed) or typed.startswith(text)
