"""A completion from start to end: skip, cache, running stream, debounce, gather, ask, show.

`server` makes the request from a snapshot that it took before its first await, cancels the call
when the editor does, and tells of every change. A cancelled call leaves the backend's stream to
`streams`, which ends it when nobody can use it any more.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable

from midfill_lsp.backend.base import WarmsUp
from midfill_lsp.cache import SuggestionCache
from midfill_lsp.complete import when
from midfill_lsp.complete.anchor import Anchor
from midfill_lsp.complete.answers import Answers, Attempt, OnPartial
from midfill_lsp.complete.clearance import Clearance
from midfill_lsp.complete.gather import Gatherer
from midfill_lsp.complete.history import History
from midfill_lsp.complete.live import Asking, Live
from midfill_lsp.complete.pause import pause
from midfill_lsp.complete.prefetch import Asker, Prefetch
from midfill_lsp.complete.request import CompletionRequest, Suggestion
from midfill_lsp.complete.warm_up import WarmUp
from midfill_lsp.config import CompletionConfig
from midfill_lsp.document import Snapshot
from midfill_lsp.errors import BackendError, RequestSkipped, Withheld
from midfill_lsp.metrics import Explanation, Metrics, Trace
from midfill_lsp.prompt import Prompt
from midfill_lsp.syntax import Grammars

logger = logging.getLogger(__name__)


class Completer:
    """Answers completion requests of one window, several at a time."""

    def __init__(
        self,
        asking: Asking,
        config: Callable[[], CompletionConfig],
        is_current: Callable[[Snapshot], bool],
        metrics: Metrics,
        window: str,
        sleep: Callable[[float], Awaitable[None]] = pause,
        clock: Callable[[], float] = time.monotonic,
        grammars: Grammars | None = None,
        clearance: Clearance | None = None,
        warming: Callable[[], WarmsUp | None] = lambda: None,
    ) -> None:
        """Wire the use case.

        Args:
            asking: gives the backend of the moment for one request, explicit or not, and watches
                how it goes; raises `BackendError` on entry where it had better be left alone.
            config: the settings of the moment.
            is_current: whether a document still is as this snapshot has it.
            metrics: where outcomes are counted.
            window: names this window in the engine's sessions.
            sleep: waits, in seconds.
            clock: tells the seconds, from wherever.
            grammars: shared with others; None makes them when they are needed.
            clearance: the privacy gate and the other files; tests of the rest go without.
            warming: gives the backend of the moment where it reads prompts ahead.
        """
        self._config = config
        self._is_current = is_current
        self._metrics = metrics
        self._sleep = sleep
        self._clock = clock
        self._gatherer = Gatherer(config, window, grammars or Grammars(), clearance)
        self._answers = Answers(asking, config, is_current, metrics, sleep)
        self._history = History()
        self._newest: dict[str, CompletionRequest] = {}  # by document, while they run
        asker = Asker(self._gatherer.prompt, self._live, self._may_begin)
        self._prefetch = Prefetch(asker, self._answers, config, metrics)
        self._warm_up = WarmUp(
            self._gatherer,
            self._may_begin,
            self._answers,
            config,
            metrics,
            warming,
            sleep,
            clock,
        )
        self.last: Explanation | None = None

    def renew(self) -> None:
        """Take new settings: begin an empty cache, and join no stream that runs already."""
        self._answers.renew()

    @property
    def cache(self) -> SuggestionCache:
        """The suggestions kept for typing through."""
        return self._answers.cache

    def changed(self, before: Snapshot, after: Snapshot, at_s: float | None = None) -> None:
        """Take note of a change; a stream that disagrees with it is aborted at once.

        Args:
            before: the document before it.
            after: and behind it.
            at_s: when its message came, by the clock; None is now.
        """
        self._answers.rhythm.key(self._clock() if at_s is None else at_s)
        self._history.note(before, after)
        self._answers.streams.changed(after)
        place = self._answers.offers.accepted_at(after)
        if place is not None:
            self._prefetch.soon(CompletionRequest("prefetch", after, *place))

    def moved(self, request: CompletionRequest) -> None:
        """Take note that the cursor came to a place where nothing was typed yet."""
        self._warm_up.soon(request)

    def closed(self, uri: str) -> None:
        """Take note that a document was closed, or is opened anew."""
        self._answers.close(uri)
        self._history.forget(uri)

    async def aclose(self) -> None:
        """Abort every stream, and return when the backend's are closed."""
        await self._prefetch.aclose()
        await self._warm_up.aclose()
        await self._answers.streams.aclose()

    def check_integrity(self) -> None:
        """Assert what must hold between turns of the loop; for tests."""
        self._answers.cache.check_integrity()
        self._answers.streams.check_integrity()

    async def complete(
        self, request: CompletionRequest, on_partial: OnPartial | None = None
    ) -> tuple[Suggestion, ...]:
        """Return what to suggest at the cursor, the best first; empty for nothing.

        Args:
            request: where.
            on_partial: called with the best suggestion so far each time it has grown.

        Raises:
            BackendError: no text could be had.
        """
        document = request.document
        trace = Trace(
            Explanation(
                request_id=request.request_id,
                uri=document.uri,
                version=document.version,
                line=request.line_idx,
                column=request.column,
            )
        )
        self._newest[document.uri] = request
        self._warm_up.stop()
        try:
            return await self._answer(request, trace, on_partial)
        except Withheld as error:
            trace.note(outcome="skipped", skip="private", detail=str(error))
            return ()
        except RequestSkipped as error:
            trace.note(outcome="skipped", detail=str(error))
            return ()
        except BackendError as error:
            trace.note(outcome="error", failure=error.kind, detail=str(error))
            raise
        finally:
            if self._newest.get(document.uri) is request:
                del self._newest[document.uri]
            trace.clock("total")
            self.note(trace.explanation)

    async def _answer(
        self, request: CompletionRequest, trace: Trace, on_partial: OnPartial | None
    ) -> tuple[Suggestion, ...]:
        reason = when.switched_off(request, self._config())
        if reason:
            trace.note(outcome="disabled", detail=reason)
            return ()
        skip = when.unwanted(request, self._history.is_undone(request.document))
        if skip:
            trace.note(outcome="skipped", skip=skip.name, detail=skip.why)
            return ()
        prompt = self._gatherer.prompt(request)
        trace.note(prefix_chars=len(prompt.prefix), suffix_chars=len(prompt.suffix))
        attempt = Attempt(request, prompt, trace, on_partial)
        first = await self._first(attempt)
        if not request.explicit or self._config().candidates == 1:
            return first
        if trace.explanation.outcome not in ("shown", "cached", "empty"):
            return first
        try:
            question = await self._gatherer.question(request, prompt, "")
        except RequestSkipped:
            return first  # from the cache, since the backend must not be asked
        return await self._answers.others(attempt, question, first)

    async def _first(self, attempt: Attempt) -> tuple[Suggestion, ...]:
        """Return the best suggestion, if there is any."""
        request, trace = attempt.request, attempt.trace
        known = await self._answers.known(attempt)
        if known is not None:
            return known
        skip = when.out_of_place(request)
        if skip:
            trace.note(outcome="skipped", skip=skip.name, detail=skip.why)
            return ()
        if not request.explicit:
            return await self._after_wait(attempt)
        live = await self._live(request, attempt.prompt)
        if self._is_late(request, trace):
            return ()
        return await self._answers.asked(attempt, live)

    async def _after_wait(self, attempt: Attempt) -> tuple[Suggestion, ...]:
        """Ask for an automatic request once its wait is over, if nothing else answers it by then.

        What there is to do before asking is done in the wait.
        """
        request, trace = attempt.request, attempt.trace
        rhythm, document = self._answers.rhythm, request.document
        wait_s = rhythm.wait_s(self._config())
        due = rhythm.waits_from((document.uri, document.version), self._clock()) + wait_s
        made_of = self._basis(request)
        live = await self._live(request, attempt.prompt)
        if self._is_late(request, trace):
            return ()
        recalled = self._answers.recalled(attempt, live.question)
        if recalled is not None:
            return recalled
        await self._sleep(max(0.0, due - self._clock()))
        trace.timings({"debounce": round(wait_s * 1000, 1)})
        if self._is_late(request, trace):
            return ()
        known = await self._answers.known(attempt)  # a prefetch may have begun meanwhile
        if known is not None:
            return known
        if self._basis(request) != made_of:
            live = await self._live(request, attempt.prompt)
            if self._is_late(request, trace):
                return ()
        return await self._answers.asked(attempt, live)

    def _basis(self, request: CompletionRequest) -> tuple[str, CompletionConfig]:
        """Return what a stream is made of besides the request: the draft, and the settings."""
        uri = request.document.uri
        draft = self._answers.streams.draft(uri) or self._answers.cache.latest(uri)
        return draft, self._config()

    async def _live(self, request: CompletionRequest, prompt: Prompt) -> Live:
        """Return a stream for the request that was not begun yet."""
        uri = request.document.uri
        draft, _ = self._basis(request)
        question = await self._gatherer.question(request, prompt, draft)
        anchor = Anchor.of(request, prompt)
        return Live(uri, question, anchor, request.lead, request.explicit)

    def _may_begin(self, request: CompletionRequest) -> bool:
        """Whether a prefetch may begin: nothing has changed, and no request runs there."""
        document = request.document
        return self._is_current(document) and document.uri not in self._newest

    def _is_late(self, request: CompletionRequest, trace: Trace) -> bool:
        """Whether the request is behind a newer one, or the document has moved on."""
        if self._newest.get(request.document.uri, request) is not request:
            # Asking now would end the newer one in the engine.
            trace.note(outcome="superseded", detail="by a later request, before it was sent")
            return True
        if not self._is_current(request.document):
            trace.note(outcome="stale")
            return True
        return False

    def note(self, explanation: Explanation) -> None:
        """Count and log a request that has ended, in whichever way."""
        self.last = explanation
        self._metrics.count(explanation)
        logger.info("completion %s", explanation.summary())
