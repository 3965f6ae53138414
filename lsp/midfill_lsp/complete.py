"""The completion use case, start to end: cache, skip, debounce, prompt, stream, trim, store.

Knows no protocol library and no HTTP. `server` makes the request from a snapshot that it took
before its first await, and cancels the call when the editor does; closing the backend's stream is
the abort, and it happens on every way out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from midfill_lsp import prompt as prompts
from midfill_lsp.backend.base import Backend, InfillRequest, StreamEnd
from midfill_lsp.cache import Entry, SuggestionCache
from midfill_lsp.config import CompletionConfig
from midfill_lsp.document import Snapshot
from midfill_lsp.errors import BackendError
from midfill_lsp.metrics import Explanation, Metrics, Trace
from midfill_lsp.trim import TrimContext, Trimmer, describe

logger = logging.getLogger(__name__)

_MAX_SESSION_CHARS = 512


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A cursor in a document at one version.

    Attributes:
        request_id: as the editor numbers it; for the log.
        snapshot: the document.
        line_idx: the cursor's line.
        column: code points before the cursor in that line.
        explicit: the user asked for it; then nothing is skipped and nothing waits.
    """

    request_id: str
    snapshot: Snapshot
    line_idx: int
    column: int
    explicit: bool = False


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Text for the cursor, with the document's line ends.

    Attributes:
        text: not empty.
        replaces_rest: it takes the place of the rest of the cursor's line.
    """

    text: str
    replaces_rest: bool


class Completer:
    """Answers completion requests of one window, several at a time."""

    def __init__(
        self,
        backend: Callable[[], Backend],
        config: Callable[[], CompletionConfig],
        current_version: Callable[[str], int | None],
        metrics: Metrics,
        window: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Wire the use case.

        Args:
            backend: the backend of the moment; it changes with the settings.
            config: the settings of the moment.
            current_version: the version of an open document now, None if it was closed.
            metrics: where outcomes are counted.
            window: names this window in the engine's sessions.
            sleep: waits the debounce, in seconds.
        """
        self._backend = backend
        self._config = config
        self._current_version = current_version
        self._metrics = metrics
        self._window = window
        self._sleep = sleep
        self.cache = SuggestionCache(config().cache_entries)
        self.last: Explanation | None = None

    def resize_cache(self) -> None:
        """Begin an empty cache of the size that the settings ask for now."""
        self.cache = SuggestionCache(self._config().cache_entries)

    async def complete(
        self, request: CompletionRequest, on_partial: Callable[[str], None] | None = None
    ) -> Suggestion | None:
        """Return what to suggest at the cursor, None for nothing.

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
        try:
            return await self._answer(request, trace, on_partial)
        except BackendError as error:
            trace.note(outcome="error", detail=str(error))
            raise
        finally:
            trace.clock("total")
            self._close(trace.explanation)

    async def _answer(
        self, request: CompletionRequest, trace: Trace, on_partial: Callable[[str], None] | None
    ) -> Suggestion | None:
        config = self._config()
        snapshot = request.snapshot
        reason = _skip_reason(snapshot, config)
        if reason:
            trace.note(outcome="disabled", detail=reason)
            return None
        prompt = prompts.build(
            snapshot.lines,
            request.line_idx,
            request.column,
            config.prefix_chars,
            config.suffix_chars,
        )
        trace.note(prefix_chars=len(prompt.prefix), suffix_chars=len(prompt.suffix))
        hit = self.cache.match(snapshot.uri, prompt.prefix, prompt.suffix)
        if hit:
            trace.note(outcome="cached", cache_hit=True, shown_chars=len(hit.text))
            return _suggestion(request, hit.text, hit.replaces_rest)
        if not request.explicit and config.debounce_ms:
            await self._sleep(config.debounce_ms / 1000)
            trace.clock("debounce")
        return await self._generate(request, prompt, trace, on_partial)

    async def _generate(
        self,
        request: CompletionRequest,
        prompt: prompts.Prompt,
        trace: Trace,
        on_partial: Callable[[str], None] | None,
    ) -> Suggestion | None:
        snapshot, config = request.snapshot, self._config()
        context = describe(prompt.prefix, prompt.suffix, snapshot.language_id, config.mode)
        trace.note(mode=context.mode)
        trimmer = Trimmer(context, is_shown=on_partial is not None)
        ask = _infill_request(prompt, context, config, self._session(snapshot.uri))
        end = await _stream(self._backend(), ask, trimmer, trace, _emitter(request, on_partial))
        result = trimmer.finish(cut_short=end is not None and end.reason == "limit")
        trace.note(
            shown_chars=len(result.text),
            cut_chars=result.num_cut,
            cut_by=result.reason,
            stream_end=end.reason if end else "trimmed",
        )
        if end and end.reason == "superseded":
            trace.note(outcome="superseded")
            return None
        if not result.text:
            trace.note(outcome="empty", detail=result.reason)
            return None
        self.cache.store(
            Entry(snapshot.uri, prompt.prefix, prompt.suffix, result.text, result.replaces_rest)
        )
        if self._current_version(snapshot.uri) != snapshot.version:
            trace.note(outcome="stale")
            return None
        trace.note(outcome="shown")
        return _suggestion(request, result.text, result.replaces_rest)

    def _session(self, uri: str) -> str:
        return f"{self._window}/{uri}"[: _MAX_SESSION_CHARS - len("/typing")] + "/typing"

    def _close(self, explanation: Explanation) -> None:
        """Count and log a request that has ended, in whichever way."""
        self.last = explanation
        self._metrics.count(explanation)
        logger.info("completion %s", explanation.summary())


async def _stream(
    backend: Backend,
    ask: InfillRequest,
    trimmer: Trimmer,
    trace: Trace,
    emit: Callable[[str], None],
) -> StreamEnd | None:
    """Feed the stream to the trimmer until either has had enough; None if the trimmer had."""
    shown_len = 0
    async with aclosing(backend.infill(ask)) as stream:
        async for delta in stream:
            if isinstance(delta, StreamEnd):
                trace.note(
                    prompt_tokens=delta.prompt_tokens,
                    cached_tokens=delta.cached_tokens,
                    generated_tokens=delta.generated_tokens,
                )
                trace.timings({f"engine_{name}": ms for name, ms in delta.timings_ms.items()})
                return delta
            if "first_delta" not in trace.explanation.timings_ms:
                trace.clock("first_delta")
            step = trimmer.feed(delta)
            if len(step.text) > shown_len:
                if not shown_len:
                    trace.clock("first_text")
                shown_len = len(step.text)
                emit(step.text)
            if step.done:
                return None
    return None


def _skip_reason(snapshot: Snapshot, config: CompletionConfig) -> str | None:
    if not config.enabled:
        return "completion.enabled is false"
    if snapshot.language_id in config.disabled_languages:
        return f"completion.disabledLanguages holds {snapshot.language_id}"
    return None


def _infill_request(
    prompt: prompts.Prompt, context: TrimContext, config: CompletionConfig, session: str
) -> InfillRequest:
    line = context.mode == "line"
    return InfillRequest(
        prefix=prompt.prefix,
        suffix=prompt.suffix,
        session=session,
        max_tokens=config.max_line_tokens if line else config.max_block_tokens,
        stop=("\n",) if line else (),
    )


def _emitter(
    request: CompletionRequest, on_partial: Callable[[str], None] | None
) -> Callable[[str], None]:
    end = request.snapshot.line_end(request.line_idx)

    def emit(text: str) -> None:
        if on_partial:
            on_partial(text.replace("\n", end))

    return emit


def _suggestion(request: CompletionRequest, text: str, replaces_rest: bool) -> Suggestion:
    end = request.snapshot.line_end(request.line_idx)
    return Suggestion(text.replace("\n", end), replaces_rest)
