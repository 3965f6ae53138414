"""Pieces of the editor's open documents. Pure. Called by `finder`, in its thread.

A piece is some 20 lines; it ends where the text has a break, so that functions stay whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from midfill_lsp.context.score import Pool
from midfill_lsp.context.snippet import Snippet
from midfill_lsp.context.terms import words
from midfill_lsp.document import Snapshot

_MIN_LINES, _MAX_LINES = 8, 24
_MAX_PIECE_CHARS = 2_000
MAX_DOCUMENT_LINES = 5_000
"""Of a longer document only the first are looked at."""


def pool_of(snapshot: Snapshot) -> Pool:
    """Return the pieces of a document."""
    lines = [line.rstrip("\r\n") for line in snapshot.lines[:MAX_DOCUMENT_LINES]]
    snippets: list[Snippet] = []
    for start, end in _pieces(lines):
        text = "\n".join(lines[start:end]) + "\n"
        terms = frozenset(words(text))
        if terms and len(text) <= _MAX_PIECE_CHARS:
            snippets.append(Snippet("buffer", snapshot.uri, start, text, terms))
    return Pool.of(snippets)


def _pieces(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield [start, end) of each piece, blank lines at its ends left out."""
    start = 0
    while start < len(lines):
        if not lines[start].strip():
            start += 1
            continue
        end = _end(lines, start)
        last = end
        while not lines[last - 1].strip():
            last -= 1
        yield start, last
        start = end


def _end(lines: Sequence[str], start: int) -> int:
    """Return the best break: before a line that is not indented, after a blank one, else any."""
    limit = min(len(lines), start + _MAX_LINES)
    if limit == len(lines):
        return limit
    blank = None
    for idx in range(limit, start + _MIN_LINES, -1):
        if lines[idx - 1].strip():
            continue
        if lines[idx][:1].strip():
            return idx
        blank = blank or idx
    return blank or limit
