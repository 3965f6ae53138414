"""From an editor's events to tallies. Called by `server`, on the event loop's thread.

An answer counts as shown when the editor says so (`textDocument/didShowCompletion`), or, for one
that never says so, when it was not cancelled. A suggestion that is typed through is one suggestion,
however often its rest is answered.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from midfill_lsp.statistics.item import Item
from midfill_lsp.statistics.store import Store
from midfill_lsp.statistics.survival import Place, judge, others
from midfill_lsp.statistics.tally import Event, Key, Tally

LOOK_AFTER_S = 30.0
FLUSH_S = 60.0
"""What a killed server loses at most."""
_MAX_ITEMS = 128
_MAX_WAITING = 64


@dataclass(slots=True)
class _Suggestion:
    """One suggestion, in as many items as it was answered in."""

    language_id: str
    is_shown: bool = False
    is_partly_accepted: bool = False
    is_accepted: bool = False
    taken: tuple[str, int] = ("", 0)  # the item that a part was taken of last, and how much


@dataclass(slots=True)
class _Accepted:
    """Accepted text that is looked at later."""

    item: Item
    place: Place
    num_others: int


class Tracker:
    """Knows the latest suggestions, and what happened to them. Their text stays in memory."""

    def __init__(
        self,
        store: Callable[[], Store | None],
        is_enabled: Callable[[], bool],
        lines_of: Callable[[str], Sequence[str] | None],
        later: Callable[[float, Callable[[], None]], asyncio.TimerHandle] | None = None,
        today: Callable[[], date] = date.today,
        events: Counter[str] | None = None,
    ) -> None:
        """Begin with nothing.

        Args:
            store: gives the file, called in a thread; None if there is no place for one.
            is_enabled: the setting of the moment.
            lines_of: a document's lines, None if it is not open.
            later: calls a function so many seconds later; the loop's own if None.
            today: the day.
            events: where this process' own counts go, of suggestions shown and taken.
        """
        self._store = store
        self._is_enabled = is_enabled
        self._lines_of = lines_of
        self._later = later
        self._today = today
        self._items: dict[str, tuple[Item, _Suggestion]] = {}
        self._newest: dict[str, tuple[Item, _Suggestion]] = {}  # by document
        self._waiting: dict[int, _Accepted] = {}
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._judging: set[asyncio.Task[None]] = set()
        self._num_accepted = 0
        self._editor_tells = False
        self._tallies: dict[Key, Tally] = {}
        self._since_s = 0.0  # when the first of them was counted, Unix time
        self._events = events if events is not None else Counter[str]()

    def answered(self, items: Iterable[Item], latency_ms: float) -> None:
        """Take the items of one answer, the one that is shown first at the front."""
        if not self._is_enabled():
            return
        for idx, item in enumerate(items):
            suggestion = self._keep(item, is_first=idx == 0)
            if idx == 0:
                self._tally(item.language_id).time(latency_ms)
                if not self._editor_tells:
                    self._show(item, suggestion)

    def growing(self, item: Item) -> None:
        """Take an item that is to be the first of an answer, as far as it has come."""
        if self._is_enabled():
            self._keep(item, is_first=True)

    def shown(self, item_id: str) -> None:
        """The editor shows an item."""
        self._editor_tells = True
        if (found := self._find(item_id)) is not None:
            self._show(*found)

    def partly_accepted(self, item_id: str, num_units: int) -> None:
        """The user took the first part of an item, in UTF-16 units."""
        if (found := self._find(item_id)) is None:
            return
        item, suggestion = found
        self._show(item, suggestion)
        if not suggestion.is_partly_accepted:
            suggestion.is_partly_accepted = True
            self._count(item, "partly_accepted")
        part = item.text.encode("utf-16-le", "surrogatepass")[: 2 * num_units]
        self._take(item, suggestion, len(part.decode("utf-16-le", "ignore")))

    def accepted(self, item_id: str) -> None:
        """The user took an item as it is."""
        if (found := self._find(item_id)) is None:
            return
        item, suggestion = found
        self._show(item, suggestion)
        if suggestion.is_accepted:
            return
        suggestion.is_accepted = True
        self._count(item, "accepted")
        self._take(item, suggestion, len(item.text))
        self._newest.pop(item.uri, None)
        if len(self._waiting) < _MAX_WAITING:
            self._wait(item)

    def edited(self, uri: str, start_line: int, end_line: int, num_breaks: int) -> None:
        """A document's lines were replaced (see `Place.after`)."""
        for waiting in self._waiting.values():
            if waiting.place.uri == uri:
                waiting.place = waiting.place.after(start_line, end_line, num_breaks)

    def closing(self, uri: str) -> None:
        """A document is about to be closed: what was accepted in it stands as it is now."""
        self._newest.pop(uri, None)
        for number in [key for key, one in self._waiting.items() if one.place.uri == uri]:
            self._look(number)

    async def flush(self) -> None:
        """Write what was counted; what cannot be written is kept for the next time.

        What was counted before the setting was turned off is forgotten.
        """
        tallies, self._tallies = self._tallies, {}
        since_s = self._since_s
        if not tallies or not self._is_enabled():
            return
        if not await asyncio.to_thread(self._write, tallies, since_s):
            for key, tally in tallies.items():
                self._tallies.setdefault(key, Tally()).add(tally)
            self._since_s = since_s

    async def keep(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Write from time to time, until cancelled."""
        while True:
            await sleep(FLUSH_S)
            await self.flush()

    def _write(self, tallies: Mapping[Key, Tally], since_s: float) -> bool:
        store = self._store()
        return store is not None and store.add(tallies, since_s)

    async def aclose(self) -> None:
        """Write the last. What was accepted just now is not judged: its time is not over."""
        for timer in self._timers.values():
            timer.cancel()
        if self._judging:
            await asyncio.wait(self._judging)
        await self.flush()

    def _find(self, item_id: str) -> tuple[Item, _Suggestion] | None:
        return self._items.get(item_id) if self._is_enabled() else None

    def _keep(self, item: Item, is_first: bool) -> _Suggestion:
        """Return the suggestion that an item, new or grown, is of."""
        known, newest = self._items.get(item.item_id), self._newest.get(item.uri)
        if known is not None:
            suggestion = known[1]
            if suggestion.is_shown:
                num_more = max(0, len(item.text) - len(known[0].text))
                self._tally(item.language_id).count("shown_chars", num_more)
        elif newest is not None and is_first and item.is_rest_of(newest[0]):
            suggestion = newest[1]
        else:
            suggestion = _Suggestion(item.language_id)
        self._items[item.item_id] = item, suggestion
        if is_first:
            self._newest[item.uri] = item, suggestion
        while len(self._items) > _MAX_ITEMS:
            del self._items[next(iter(self._items))]
        return suggestion

    def _show(self, item: Item, suggestion: _Suggestion) -> None:
        if not suggestion.is_shown:
            suggestion.is_shown = True
            self._count(item, "shown")
            self._tally(item.language_id).count("shown_chars", len(item.text))

    def _take(self, item: Item, suggestion: _Suggestion, num_chars: int) -> None:
        """Count what was taken of an item beyond what was before."""
        before = suggestion.taken[1] if suggestion.taken[0] == item.item_id else 0
        suggestion.taken = item.item_id, max(before, num_chars)
        self._tally(item.language_id).count("accepted_chars", max(0, num_chars - before))

    def _wait(self, item: Item) -> None:
        self._num_accepted += 1
        number = self._num_accepted
        lines = self._lines_of(item.uri) or ()
        num_others = others(item.text, lines, item.line_idx, item.head)
        self._waiting[number] = _Accepted(item, Place(item.uri, item.line_idx), num_others)
        later = self._later or asyncio.get_running_loop().call_later
        self._timers[number] = later(LOOK_AFTER_S, lambda: self._look(number))

    def _look(self, number: int) -> None:
        self._timers.pop(number).cancel()
        waiting = self._waiting.pop(number)
        lines = self._lines_of(waiting.place.uri)
        if lines is not None:
            task = asyncio.ensure_future(self._judge(waiting, lines))
            self._judging.add(task)
            task.add_done_callback(self._judging.discard)

    async def _judge(self, waiting: _Accepted, lines: Sequence[str]) -> None:
        item, line_idx = waiting.item, waiting.place.line_idx
        fate = await asyncio.to_thread(
            judge, item.text, lines, line_idx, item.head, waiting.num_others
        )
        if self._is_enabled():
            self._tally(item.language_id).count(fate)

    def _count(self, item: Item, event: Event) -> None:
        self._events[event] += 1
        self._tally(item.language_id).count(event)

    def _tally(self, language_id: str) -> Tally:
        if not self._tallies:
            self._since_s = time.time()
        return self._tallies.setdefault(Key.of(self._today(), language_id), Tally())
