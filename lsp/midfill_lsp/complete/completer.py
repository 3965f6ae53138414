"""A completion from start to end: skip, prompt, cache, debounce, gather, stream, trim, store.

`server` makes the request from a snapshot that it took before its first await, and cancels the
call when the editor does; closing the backend's stream is the abort, and it happens on every way
out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager

from midfill_lsp.backend.base import Backend
from midfill_lsp.cache import Entry, SuggestionCache
from midfill_lsp.complete import when
from midfill_lsp.complete.gather import Gatherer, Question
from midfill_lsp.complete.request import CompletionRequest, Suggestion
from midfill_lsp.complete.stream import feed
from midfill_lsp.config import CompletionConfig
from midfill_lsp.document import Snapshot
from midfill_lsp.errors import BackendError, RequestSkipped
from midfill_lsp.metrics import Explanation, Metrics, Trace
from midfill_lsp.trim import Trimmer

logger = logging.getLogger(__name__)


class Completer:
    """Answers completion requests of one window, several at a time."""

    def __init__(
        self,
        asking: Callable[[bool], AbstractContextManager[Backend]],
        config: Callable[[], CompletionConfig],
        is_current: Callable[[Snapshot], bool],
        metrics: Metrics,
        window: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Wire the use case.

        Args:
            asking: gives the backend of the moment for one request, explicit or not, and watches
                how it goes; raises `BackendError` on entry where it had better be left alone.
            config: the settings of the moment.
            is_current: whether a document still is as this snapshot has it.
            metrics: where outcomes are counted.
            window: names this window in the engine's sessions.
            sleep: waits the debounce, in seconds.
        """
        self._asking = asking
        self._config = config
        self._is_current = is_current
        self._metrics = metrics
        self._sleep = sleep
        self._gatherer = Gatherer(config, window)
        self._newest: dict[str, CompletionRequest] = {}  # by document, while they run
        self.cache = SuggestionCache(config().cache_entries)
        self.last: Explanation | None = None

    def clear_cache(self) -> None:
        """Begin an empty cache of the size that the settings ask for now."""
        self.cache = SuggestionCache(self._config().cache_entries)

    async def complete(
        self, request: CompletionRequest, on_partial: Callable[[str], None] | None = None
    ) -> tuple[Suggestion, ...]:
        """Return what to suggest at the cursor, the best first; empty for nothing.

        Args:
            request: where.
            on_partial: called with the whole text so far each time it has grown.

        Raises:
            BackendError: no text could be had.
        """
        snapshot = request.snapshot
        trace = Trace(
            Explanation(
                request_id=request.request_id,
                uri=snapshot.uri,
                version=snapshot.version,
                line=request.line_idx,
                column=request.column,
            )
        )
        self._newest[snapshot.uri] = request
        try:
            return await self._answer(request, trace, on_partial)
        except BackendError as error:
            trace.note(outcome="error", detail=str(error))
            raise
        finally:
            if self._newest.get(snapshot.uri) is request:
                del self._newest[snapshot.uri]
            trace.clock("total")
            self.note(trace.explanation)

    async def _answer(
        self, request: CompletionRequest, trace: Trace, on_partial: Callable[[str], None] | None
    ) -> tuple[Suggestion, ...]:
        config = self._config()
        snapshot = request.snapshot
        reason = when.switched_off(request, config)
        if reason:
            trace.note(outcome="disabled", detail=reason)
            return ()
        prompt = self._gatherer.prompt(request)
        trace.note(prefix_chars=len(prompt.prefix), suffix_chars=len(prompt.suffix))
        hit = self.cache.match(snapshot.uri, prompt.prefix, prompt.suffix)
        if hit:
            trace.note(outcome="cached", cache_hit=True, shown_chars=len(hit.text))
            return (Suggestion(request.with_line_ends(hit.text), hit.replaces_rest),)
        if not request.explicit and config.debounce_ms:
            await self._sleep(config.debounce_ms / 1000)
            trace.clock("debounce")
            # One that came meanwhile is ahead: asking now would end it in the engine.
            if self._newest.get(snapshot.uri, request) is not request:
                trace.note(outcome="superseded", detail="by a later request, in the debounce")
                return ()
            if not self._is_current(snapshot):
                trace.note(outcome="stale")
                return ()
        draft = self.cache.latest(snapshot.uri)
        question = await self._gatherer.question(request, prompt, draft)
        return await self._generate(request, question, trace, on_partial)

    async def _generate(
        self,
        request: CompletionRequest,
        question: Question,
        trace: Trace,
        on_partial: Callable[[str], None] | None,
    ) -> tuple[Suggestion, ...]:
        snapshot, prompt = request.snapshot, question.prompt
        trace.note(mode=question.context.mode)
        trimmer = Trimmer(question.context, is_shown=on_partial is not None)
        emit = self._emitter(request, on_partial)
        try:
            with self._asking(request.explicit) as backend:
                end = await feed(backend, question.ask, trimmer, trace, emit)
        except RequestSkipped as error:
            trace.note(outcome="skipped", detail=str(error))
            return ()
        result = trimmer.finish(cut_short=end is not None and end.reason == "limit")
        trace.note(
            shown_chars=len(result.text),
            cut_chars=result.num_cut,
            cut_by=result.reason,
            stream_end=end.reason if end else "trimmed",
        )
        if end and end.reason == "superseded":
            trace.note(outcome="superseded")
            return ()
        if not result.text:
            trace.note(outcome="empty", detail=result.reason)
            return ()
        self.cache.store(
            Entry(snapshot.uri, prompt.prefix, prompt.suffix, result.text, result.replaces_rest)
        )
        if not self._is_current(snapshot):
            trace.note(outcome="stale")
            return ()
        trace.note(outcome="shown")
        return (Suggestion(request.with_line_ends(result.text), result.replaces_rest),)

    def _emitter(
        self, request: CompletionRequest, on_partial: Callable[[str], None] | None
    ) -> Callable[[str], None]:
        def emit(text: str) -> None:
            if on_partial and self._is_current(request.snapshot):
                on_partial(request.with_line_ends(text))

        return emit

    def note(self, explanation: Explanation) -> None:
        """Count and log a request that has ended, in whichever way."""
        self.last = explanation
        self._metrics.count(explanation)
        logger.info("completion %s", explanation.summary())
