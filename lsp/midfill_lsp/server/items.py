"""The items of one answer: made for the editor, and told to the statistics. Called by `window`.

Text that grows is the first item from its first piece on, so it can be counted as that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lsprotocol import types

from midfill_lsp.complete import CompletionRequest, Suggestion
from midfill_lsp.server.completion import item_of
from midfill_lsp.statistics.item import HEAD_CHARS, Item
from midfill_lsp.statistics.tracker import Tracker


class Items:
    """Numbers the suggestions of one request."""

    def __init__(
        self, request: CompletionRequest, ids: Iterator[str], wants_lf: bool, statistics: Tracker
    ) -> None:
        """Begin with none.

        Args:
            request: where they go.
            ids: of the window.
            wants_lf: the editor wants LF as line ends.
            statistics: whom to tell.
        """
        self._request = request
        self._ids = ids
        self._wants_lf = wants_lf
        self._statistics = statistics
        self._first_id: str | None = None

    def growing(
        self, send: Callable[[types.InlineCompletionItem], None]
    ) -> Callable[[Suggestion], None]:
        """Return what sends the first item each time it has grown."""

        def grow(suggestion: Suggestion) -> None:
            self._first_id = self._first_id or next(self._ids)
            item = self._item(suggestion, self._first_id)
            self._statistics.growing(self._told(item, self._first_id))
            send(item)

        return grow

    def finish(
        self, suggestions: Sequence[Suggestion], latency_ms: float
    ) -> list[types.InlineCompletionItem]:
        """Return all items."""
        ids = [next(self._ids) for _ in suggestions]
        if ids and self._first_id is not None:
            ids[0] = self._first_id
        items = [self._item(*pair) for pair in zip(suggestions, ids, strict=True)]
        told = [self._told(*pair) for pair in zip(items, ids, strict=True)]
        self._statistics.answered(told, latency_ms)
        return items

    def _item(self, suggestion: Suggestion, item_id: str) -> types.InlineCompletionItem:
        return item_of(self._request, suggestion, item_id, self._wants_lf)

    def _told(self, item: types.InlineCompletionItem, item_id: str) -> Item:
        request, snapshot = self._request, self._request.snapshot
        selected = request.selected
        line_idx, column = selected.start if selected else (request.line_idx, request.column)
        head = request.document.lines[line_idx][max(0, column - HEAD_CHARS) : column]
        assert isinstance(item.insert_text, str)
        uri, language_id = snapshot.uri, snapshot.language_id
        return Item(item_id, uri, language_id, line_idx, item.insert_text, head)
