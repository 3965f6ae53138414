"""What was suggested last in each document, and whether it was accepted. Called by `completer`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from midfill_lsp.complete.anchor import Anchor
from midfill_lsp.document import Snapshot


@dataclass(frozen=True, slots=True)
class _Offer:
    anchor: Anchor
    text: str


class Offers:
    """Remembers one offer per document."""

    def __init__(self) -> None:
        """Begin with none."""
        self._offers: dict[str, list[_Offer]] = {}

    def note(self, uri: str, anchor: Anchor, texts: list[tuple[str, bool]]) -> None:
        """Take note of suggestions, with LF line ends; the flag is `replaces_rest`."""
        line_end = anchor.rest[len(anchor.rest.rstrip("\r\n")) :]
        at_end = replace(anchor, rest=line_end)
        self._offers[uri] = [
            _Offer(at_end if replaces_rest else anchor, text) for text, replaces_rest in texts
        ]

    def accepted_at(self, snapshot: Snapshot) -> tuple[int, int] | None:
        """Return line and column behind a suggestion that the document now holds, once."""
        for offer in self._offers.get(snapshot.uri, ()):
            anchor = offer.anchor
            inserted = anchor.inserted(snapshot)
            if inserted == offer.text:
                del self._offers[snapshot.uri]
                line_idx = len(snapshot.lines) - 1 - anchor.lines_below
                return line_idx, len(snapshot.lines[line_idx]) - len(anchor.rest)
        return None

    def forget(self, uri: str) -> None:
        """Forget a document."""
        self._offers.pop(uri, None)
