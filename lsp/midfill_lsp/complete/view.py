"""What a running stream says at one cursor. Called by `completer`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from midfill_lsp.cache import Hit
from midfill_lsp.complete.streams import Found, Streams


async def wait_for(
    found: Found,
    streams: Streams,
    is_current: Callable[[], bool],
    on_growth: Callable[[Hit], bool],
    patience: Callable[[], Awaitable[None]] | None,
) -> Hit | None:
    """Return what the stream has for the cursor when it has ended, or early.

    None if it has nothing, or as soon as its text turns out to be another than what was typed.
    A wait that is cancelled leaves the stream to its grace period.

    Args:
        found: the stream, and what was typed since it began.
        streams: whose it is.
        is_current: whether the document is as the request has it; the wait ends where it is not.
        on_growth: called with all that may be shown each time it has grown; returns whether it
            is shown.
        patience: waits as long as more is waited for once the first line is whole; None waits
            for the end.
    """
    view = _View(found, is_current, on_growth, patience)
    found.live.watch(view.look)
    streams.settle(found.live)
    try:
        view.look()
        await view.done
    finally:
        view.close()
        found.live.unwatch(view.look)
        streams.settle(found.live)
    return found.live.has(found.typed)


class _View:
    def __init__(
        self,
        found: Found,
        is_current: Callable[[], bool],
        on_growth: Callable[[Hit], bool],
        patience: Callable[[], Awaitable[None]] | None,
    ) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._found = found
        self._is_current = is_current
        self._on_growth = on_growth
        self._patience = patience
        self._waiting: asyncio.Task[None] | None = None
        self._shown_len = 0

    def look(self) -> None:
        """Look at what there is now."""
        if not self._is_current():
            self._decide()
            return
        live = self._found.live
        hit = live.has(self._found.typed)
        if hit and self._may_grow() and len(hit.text) > self._shown_len:
            self._shown_len = len(hit.text)
            if self._on_growth(hit):
                live.keep_shown()
        if live.ending is not None or not live.agrees(self._found.typed.text):
            self._decide()
        elif hit and self._patience and live.has_line and self._waiting is None:
            self._waiting = asyncio.create_task(self._give_up(self._patience))

    def close(self) -> None:
        """Wait no longer."""
        if self._waiting is not None:
            self._waiting.cancel()

    def _may_grow(self) -> bool:
        """Whether what is shown can only be extended: not where it ends with the line's rest."""
        live, closed = self._found.live, self._found.typed.closed
        return live.ending is not None or not (closed and live.anchor.rest.strip())

    async def _give_up(self, patience: Callable[[], Awaitable[None]]) -> None:
        await patience()
        self._waiting = None
        live = self._found.live
        if live.ending is None and live.has(self._found.typed) and self._is_current():
            live.keep_shown()
            live.is_kept = True
            self._decide()

    def _decide(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
