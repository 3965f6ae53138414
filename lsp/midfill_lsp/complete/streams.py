"""In-flight steering: one live stream per document, and when it ends. Called by `completer`.

Editors cancel at every key, so a cancelled request leaves its stream running:

    the next request or change agrees with it     it goes on, and answers
    the next request or change disagrees          aborted; its text goes along as the draft
    nobody comes within the grace period          aborted
    the document is closed                        aborted

A stream that ends by itself is stored, whoever waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from midfill_lsp.complete.anchor import Typed
from midfill_lsp.complete.live import Asking, Live
from midfill_lsp.complete.request import CompletionRequest
from midfill_lsp.document import Snapshot
from midfill_lsp.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Found:
    """A stream that has something for a cursor, or will have."""

    live: Live
    typed: Typed


class Streams:
    """Owns the live streams of one window."""

    def __init__(
        self,
        asking: Asking,
        grace_s: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        metrics: Metrics,
        on_end: Callable[[Live], None],
    ) -> None:
        """Begin with none.

        Args:
            asking: gives the backend for one request.
            grace_s: how long a stream runs that nobody waits for.
            sleep: waits that long.
            metrics: where streams are counted.
            on_end: called once when one has ended, aborted or not.
        """
        self._asking = asking
        self._grace_s = grace_s
        self._sleep = sleep
        self._metrics = metrics
        self._on_end = on_end
        self._live: dict[str, Live] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # until the backend's stream is closed
        self._graces: dict[Live, asyncio.Task[None]] = {}
        self._drafts: dict[str, str] = {}

    def find(self, request: CompletionRequest) -> Found | None:
        """Return the document's stream if it agrees with the cursor.

        One that has ended answers only the place where it had nothing to say, and only automatic
        requests: what it had to say is in the cache.
        """
        live = self._live.get(request.snapshot.uri)
        if live is None or live.is_retired or live.ending not in (None, "finished"):
            return None
        typed = live.anchor.typed_at(request.snapshot, request.line_idx, request.column)
        if typed is None or not live.agrees(typed.text) or _is_before(live, typed):
            return None
        if live.ending == "finished" and (
            request.explicit or live.text or typed != Typed(live.lead)
        ):
            return None
        return Found(live, typed)

    def leave(self, request: CompletionRequest) -> None:
        """Take note that a request was not answered; its stream ends unless it is for later."""
        uri = request.document.uri
        live = self._live.get(uri)
        if live is not None and live.is_ahead:
            typed = live.anchor.typed_at(request.snapshot, request.line_idx, request.column)
            if typed is not None and live.agrees(typed.text) and _is_before(live, typed):
                return
        self.drop(uri, "disagreed")

    def begin(self, live: Live) -> Live:
        """Ask the backend; the document's stream before ends, and is closed first.

        Somebody has to watch it at once, or `settle` it.
        """
        self._drafts.pop(live.uri, None)  # it went along
        self.drop(live.uri, "disagreed")
        before = {task for task in self._tasks if task.get_name() == live.uri}
        self._live[live.uri] = live
        self._metrics.streams["begun"] += 1
        task = live.start(self._asking, self._ended, before)
        task.set_name(live.uri)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return live

    def settle(self, live: Live) -> None:
        """Give a stream that nobody watches its grace period; take it from one that is watched."""
        grace = self._graces.pop(live, None)
        if grace is not None:
            grace.cancel()
        if live.ending is None and not live.is_watched:
            self._graces[live] = asyncio.create_task(self._grace(live))

    def is_running(self, uri: str) -> bool:
        """Whether the document has a stream that has not ended."""
        live = self._live.get(uri)
        return live is not None and live.ending is None

    def draft(self, uri: str) -> str:
        """Return the text of the stream that was aborted last, until the next begins."""
        return self._drafts.get(uri, "")

    def changed(self, snapshot: Snapshot) -> None:
        """Abort the stream that the new text disagrees with, or begin its grace period anew."""
        live = self._live.get(snapshot.uri)
        if live is None:
            return
        inserted = live.anchor.inserted(snapshot)
        if inserted is None or not live.agrees_inserted(inserted):
            self.drop(snapshot.uri, "disagreed")
        else:
            live.notify()  # those who waited for it in the old text do so no longer
            self.settle(live)

    def drop(self, uri: str, why: str) -> None:
        """Forget the document's stream, and abort it if it still runs."""
        live = self._live.pop(uri, None)
        if live is None:
            return
        if live.ending is None:
            self._metrics.streams[f"aborted_{why}"] += 1
            if live.raw.strip():
                self._drafts[uri] = live.lead + live.raw
            live.abort()
            self._on_end(live)
        self.settle(live)

    def close(self, uri: str) -> None:
        """Take note that a document is closed."""
        self.drop(uri, "closed")
        self._drafts.pop(uri, None)

    def retire(self) -> None:
        """Let only those go on that somebody waits for, and nobody join: the settings changed."""
        for uri, live in list(self._live.items()):
            live.is_retired = True
            if not live.is_watched:
                self.drop(uri, "settings")

    async def aclose(self) -> None:
        """Abort all, and return when the backend's streams are closed."""
        for uri in list(self._live):
            self.drop(uri, "closed")
        graces = list(self._graces.values())
        for grace in graces:
            grace.cancel()
        await asyncio.gather(*graces, *self._tasks, return_exceptions=True)

    def check_integrity(self) -> None:
        """Assert what must hold between calls; for tests."""
        running = [live for live in self._live.values() if live.ending is None]
        for live in running:
            assert live.is_watched != (live in self._graces), "watched, or in its grace period"
        assert set(self._graces) <= set(running), "a grace period of nothing"
        assert all(uri == live.uri for uri, live in self._live.items())

    def _ended(self, live: Live) -> None:
        assert live.ending is not None
        self._metrics.streams[live.ending] += 1
        self._on_end(live)
        self.settle(live)

    async def _grace(self, live: Live) -> None:
        await self._sleep(self._grace_s())
        del self._graces[live]
        if self._live.get(live.uri) is live:
            self.drop(live.uri, "unwanted")


def _is_before(live: Live, typed: Typed) -> bool:
    """Whether a cursor stands before the place that a stream was begun for, ahead of it."""
    return live.is_ahead and len(typed.text) < len(live.lead)
