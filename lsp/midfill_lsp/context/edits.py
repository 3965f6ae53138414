"""The regions that were edited last, over all documents. Pure. Called by `finder` and `ranking`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from midfill_lsp.context.score import Pool
from midfill_lsp.context.snippet import Snippet
from midfill_lsp.context.terms import words
from midfill_lsp.document import Snapshot

_MAX_REGIONS = 32
_NEAR_LINES = 12
_AROUND_LINES = 4
_MAX_REGION_LINES = 40
_BOOST = 1.5
"""Of the region that was edited last; it falls to 1 over the ring."""


@dataclass(frozen=True, slots=True)
class Region:
    """Lines [first, last] of a document, as they were counted at the edit."""

    uri: str
    first: int
    last: int


class RecentEdits:
    """A ring of regions, the latest last."""

    def __init__(self) -> None:
        """Begin with none."""
        self._regions: list[Region] = []

    def add(self, uri: str, first: int, last: int) -> None:
        """Take note of an edit of lines [first, last]; one near the latest makes that longer."""
        last = max(first, min(last, first + _MAX_REGION_LINES))
        near = next(
            (
                region
                for region in self._regions
                if region.uri == uri
                and region.first - _NEAR_LINES <= last
                and first <= region.last + _NEAR_LINES
                and max(last, region.last) - min(first, region.first) <= _MAX_REGION_LINES
            ),
            None,
        )
        if near is not None:
            self._regions.remove(near)
            first, last = min(first, near.first), max(last, near.last)
        self._regions.append(Region(uri, first, last))
        del self._regions[:-_MAX_REGIONS]

    def forget(self, uri: str) -> None:
        """Drop a document's regions."""
        self._regions = [region for region in self._regions if region.uri != uri]

    def regions(self) -> tuple[Region, ...]:
        """Return the regions of the moment, the latest first."""
        return tuple(reversed(self._regions))


def pools_of(
    regions: Sequence[Region], documents: Mapping[str, Snapshot], current: str
) -> Iterator[Pool]:
    """Yield the regions of other documents than `current`, as their text is now.

    Args:
        regions: the latest first.
        documents: what may be read, by URI.
        current: the document that is edited.
    """
    for age, region in enumerate(regions):
        snapshot = documents.get(region.uri) if region.uri != current else None
        if snapshot is None:
            continue
        first = max(0, region.first - _AROUND_LINES)
        rows = snapshot.lines[first : region.last + 1 + _AROUND_LINES]
        text = "".join(row.rstrip("\r\n") + "\n" for row in rows)
        boost = _BOOST - (_BOOST - 1) * age / _MAX_REGIONS
        terms = frozenset(words(text))
        if terms:
            yield Pool.of([Snippet("edit", region.uri, first, text, terms, boost)])
