"""Answers from the cache, from a stream that runs, or from one that is begun.

Called by `completer`. Owns what is remembered between requests: suggestions, streams, offers, and
the backend's pace.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from midfill_lsp.cache import Entry, Hit, SuggestionCache
from midfill_lsp.complete.anchor import Anchor, Typed
from midfill_lsp.complete.candidates import sample
from midfill_lsp.complete.gather import Question
from midfill_lsp.complete.live import Asking, Live
from midfill_lsp.complete.offers import Offers
from midfill_lsp.complete.outcome import note_stream
from midfill_lsp.complete.recall import Recall
from midfill_lsp.complete.request import CompletionRequest, Suggestion
from midfill_lsp.complete.rhythm import Rhythm
from midfill_lsp.complete.streams import Found, Streams
from midfill_lsp.complete.view import wait_for
from midfill_lsp.config import CompletionConfig
from midfill_lsp.document import Snapshot
from midfill_lsp.metrics import Metrics, Trace
from midfill_lsp.prompt import Prompt, plain
from midfill_lsp.trim import TrimResult

OnPartial = Callable[[Suggestion], None]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request on its way.

    Attributes:
        request: where.
        prompt: the text around the cursor.
        trace: what became of it so far.
        on_partial: shows text that grows; None where the editor cannot.
    """

    request: CompletionRequest
    prompt: Prompt
    trace: Trace
    on_partial: OnPartial | None


class Answers:
    """Turns what is known or written at a cursor into suggestions."""

    def __init__(
        self,
        asking: Asking,
        config: Callable[[], CompletionConfig],
        is_current: Callable[[Snapshot], bool],
        metrics: Metrics,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """Begin with nothing; the arguments are the completer's."""
        self._asking = asking
        self._config = config
        self._is_current = is_current
        self._metrics = metrics
        self._sleep = sleep
        self.cache = SuggestionCache(config().cache_entries)
        self.streams = Streams(
            asking, lambda: self._config().grace_ms / 1000, sleep, metrics, self._stream_ended
        )
        self.offers = Offers()
        self._recall = Recall()
        self.rhythm = Rhythm()

    def renew(self) -> None:
        """Take new settings: begin an empty cache, and let no one join what runs already."""
        self.cache = SuggestionCache(self._config().cache_entries)
        self.streams.retire()
        self._recall.forget()
        self.rhythm.forget_backend()

    def close(self, uri: str) -> None:
        """Take note that a document was closed, or is opened anew."""
        self.streams.close(uri)
        self.offers.forget(uri)
        self._recall.forget(uri)

    def has(self, request: CompletionRequest, prompt: Prompt) -> bool:
        """Whether the request would be answered without asking the backend anew."""
        hit = self.cache.match(request.document.uri, prompt.prefix, prompt.suffix)
        return hit is not None or self.streams.find(request) is not None

    async def known(self, attempt: Attempt) -> tuple[Suggestion, ...] | None:
        """Answer from the cache or the running stream, None if the backend has to be asked.

        Raises:
            BackendError: the stream that runs failed.
        """
        uri, prompt = attempt.request.document.uri, attempt.prompt
        hit = self.cache.match(uri, prompt.prefix, prompt.suffix)
        if hit:
            attempt.trace.note(outcome="cached", cache_hit=True)
            return self._offer(hit, attempt)
        found = self.streams.find(attempt.request)
        if found is None:
            self.streams.leave(attempt.request)
            return None
        attempt.trace.note(joined=True)
        self._metrics.streams["joined"] += 1
        return await self._watch(found, attempt)

    def recalled(self, attempt: Attempt, question: Question) -> tuple[Suggestion, ...] | None:
        """Answer from what an earlier stream wrote, None if the backend has to be asked.

        Args:
            attempt: an automatic one; what was written for others was judged otherwise.
            question: what would be asked.
        """
        request, prompt, trace = attempt.request, attempt.prompt, attempt.trace
        result = self.known_rest(request, question)
        if result is None:
            return None
        self._metrics.streams["recalled"] += 1
        trace.note(mode=question.context.mode, joined=True, confidence=result.confidence)
        if not result.text:
            trace.note(outcome="empty", detail=result.reason)
            return ()
        uri, text, replaces_rest = request.document.uri, result.text, result.replaces_rest
        self.cache.store(Entry(uri, prompt.prefix, prompt.suffix, text, replaces_rest))
        trace.note(outcome="shown")
        return self._offer(Hit(text, replaces_rest, 0), attempt)

    def known_rest(self, request: CompletionRequest, question: Question) -> TrimResult | None:
        """Return what an earlier stream has for a cursor, maybe nothing; None if not known."""
        if request.selected is not None:
            return None
        rest = self._recall.rest(request.snapshot, request.line_idx, request.column)
        return rest.judged(question.context) if rest is not None else None

    async def asked(self, attempt: Attempt, live: Live) -> tuple[Suggestion, ...]:
        """Begin a stream and answer from it.

        Raises:
            BackendError: no text could be had.
        """
        attempt.trace.note(joined=False)
        self.streams.begin(live)
        return await self._watch(Found(live, Typed(live.lead)), attempt) or ()

    async def others(
        self, attempt: Attempt, question: Question, first: tuple[Suggestion, ...]
    ) -> tuple[Suggestion, ...]:
        """Return more suggestions for the place, none of them like another or the first."""
        request, uri = attempt.request, attempt.request.document.uri
        cache, prompt = self.cache, attempt.prompt
        found = {item.text: item for item in first}
        for result in await sample(self._asking, question, self._config().candidates - 1):
            text = request.shown(result.text)
            if text not in found:
                found[text] = Suggestion(text, result.replaces_rest)
                entry = Entry(uri, prompt.prefix, prompt.suffix, result.text, result.replaces_rest)
                cache.store(entry, beside=True)
        if not self._is_current(request.document):
            attempt.trace.note(outcome="stale")
            return ()
        offered = [(plain(item.text), item.replaces_rest) for item in found.values()]
        self.offers.note(uri, Anchor.of(request, prompt), offered)
        attempt.trace.note(candidates=len(found))
        if found and not first:
            attempt.trace.note(outcome="shown", detail=None)
        return tuple(found.values())

    async def _watch(self, found: Found, attempt: Attempt) -> tuple[Suggestion, ...] | None:
        """Answer from a stream, None if it has nothing for what was typed since it began."""
        request, trace, live = attempt.request, attempt.trace, found.live
        is_current = partial(self._is_current, request.document)

        def grow(hit: Hit) -> bool:
            if not trace.has_timing("first_text"):
                trace.clock("first_text")
            if attempt.on_partial is None:
                return False
            attempt.on_partial(Suggestion(request.shown(hit.text), hit.replaces_rest))
            return True

        patience = None if attempt.on_partial else self._block_patience
        hit = await wait_for(found, self.streams, is_current, grow, patience)
        note_stream(trace, live)
        if live.ending == "failed" and live.error is not None:
            raise live.error
        if not is_current():
            trace.note(outcome="stale")
        elif live.ending in ("aborted", "superseded"):
            trace.note(outcome="superseded")
        elif live.ending == "skipped":
            trace.note(outcome="skipped", detail=str(live.error))
        elif hit is not None:
            trace.note(outcome="shown")
            return self._offer(hit, attempt)
        elif found.typed != Typed(live.lead) or (request.explicit and not live.explicit):
            return None  # an explicit request may be shown what an automatic one is not
        else:
            trace.note(outcome="empty", detail=live.result.reason if live.result else None)
        return ()

    def _offer(self, hit: Hit, attempt: Attempt) -> tuple[Suggestion, ...]:
        request = attempt.request
        attempt.trace.note(shown_chars=len(hit.text))
        offered = [(request.lead + hit.text, hit.replaces_rest)]
        self.offers.note(request.document.uri, Anchor.of(request, attempt.prompt), offered)
        return (Suggestion(request.shown(hit.text), hit.replaces_rest),)

    async def _block_patience(self) -> None:
        await self._sleep(self._config().block_wait_ms / 1000)

    def _stream_ended(self, live: Live) -> None:
        self._recall.keep(live)
        entry = live.entry()
        if entry is not None:
            self.cache.store(entry)
        if live.first_delta_s is not None:
            self.rhythm.answered(live.first_delta_s)
        elif live.ending == "aborted" and live.asked_at is not None:
            self.rhythm.unanswered(time.perf_counter() - live.asked_at)
