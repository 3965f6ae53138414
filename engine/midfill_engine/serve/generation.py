"""One request from its submission to its last event, seen from the event loop.

Brings what the engine thread tells to whoever awaits it, makes sure of exactly one abort when the
client goes first, and writes the request's log line. Used by every dialect; knows none of them.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

from midfill_engine.errors import GenerationFailed, IncompleteGeneration, Unavailable
from midfill_engine.exec.sampling_params import SampledToken
from midfill_engine.runtime.request import (
    Event,
    Finished,
    GenerationRequest,
    PromptScored,
    TokenEvent,
    untold,
)
from midfill_engine.serve.served import LiveStreams, Served

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


class ClientGone(Exception):
    """The client closed the connection; there is nobody to answer."""


class Generation:
    """A submitted request. `close` must be called; it aborts what has not finished.

    Attributes:
        request: what was submitted.
        prompt_tokens: the prompt's tokens from the second on with their log-probabilities, if
            `request.prompt_logprobs` and once they came: before the first of `events`.
        tokens: the token events so far.
        text: the text that may be shown so far.
        finished: the last event, once it came.
        started_at: when the dialect began to work on it, on `time.perf_counter`.
        queued_at: when it was submitted.
    """

    def __init__(
        self,
        served: Served,
        request: GenerationRequest,
        *,
        dialect: str,
        started_at: float,
        after: Generation | None = None,
        is_whole: bool = False,
    ) -> None:
        """Submit; must run on the event loop.

        Args:
            served: the engine.
            request: what to continue.
            dialect: for the log.
            started_at: when the dialect began to work on it.
            after: another generation of the same prompt, which is then computed once; see
                `serve.samples`.
            is_whole: nobody needs an event before the last: the event loop is woken for that only.

        Raises:
            ValidationError: a token is none of the model's.
            Overloaded: too many requests are open.
            EngineDied: nothing can be answered any more.
        """
        self.request = request
        self.request_id = secrets.token_hex(6)
        self.prompt_tokens: tuple[SampledToken, ...] = ()
        self.tokens: list[TokenEvent] = []
        self.text = ""
        self.finished: Finished | None = None
        self.started_at = started_at
        self.queued_at = time.perf_counter()
        self._dialect = dialect
        self._live = served.live
        self._metrics = served.metrics
        self._mailbox = served.live.own_mailbox()
        self._is_whole = is_whole
        self._events = deque[Event]()
        self._waiter: asyncio.Future[None] | None = None
        self._has_ended = False
        self._is_enough = False
        self._closed = False
        leader_id = None if after is None else after.engine_id
        on_told = untold if is_whole else self._mailbox.wake
        self._handle = served.engine.submit(request, self._sink, leader_id, on_told)
        self._live.add(self._handle.abort)

    @property
    def engine_id(self) -> int:
        """The request's number in the engine."""
        return self._handle.request_id

    async def events(self) -> AsyncIterator[TokenEvent | Finished]:
        """Every token and the end, also noted in `tokens`, `text`, `finished`."""
        while self.finished is None:
            while not self._events:
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
            event = self._events.popleft()
            if isinstance(event, PromptScored):
                self.prompt_tokens = event.tokens
                continue
            self.text += event.delta
            if isinstance(event, Finished):
                self.finished = event
            else:
                self.tokens.append(event)
            yield event

    async def result(self) -> Finished:
        """Wait for the end.

        Raises:
            GenerationFailed: the engine could not finish it.
            IncompleteGeneration: the engine is shutting down.
        """
        async for _ in self.events():
            pass
        assert self.finished is not None
        return checked(self.finished)

    def cut(self) -> None:
        """End it here, by a limit of the dialect's own: what came is the whole answer."""
        self._is_enough = True
        self.close()

    def close(self) -> None:
        """Abort unless the engine has finished; later calls do nothing."""
        if self._closed:
            return
        self._closed = True
        self._live.closers.discard(self._handle.abort)
        if not self._has_ended:
            self._handle.abort()

    @property
    def has_more(self) -> bool:
        """Whether more of the text, or the end, is there by now."""
        return any(isinstance(event, Finished) or _shown(event) for event in self._events)

    def _sink(self, event: Event) -> None:
        """On the engine thread."""
        self._mailbox.post(self._receive, event)
        if self._is_whole and isinstance(event, Finished):
            self._mailbox.wake()

    def _receive(self, event: Event) -> None:
        if isinstance(event, Finished):
            self._has_ended = True
            self._log(event)
            is_cut = self._is_enough and event.reason == "aborted"
            if is_cut or event.reason in ("length", "eos_token", "stop_sequence"):
                self._measure(event)
        self._events.append(event)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _measure(self, finished: Finished) -> None:
        metrics, timings = self._metrics, finished.timings
        inference_s = (timings.prefill_ms + timings.decode_ms) / 1e3
        metrics.validation_s.note(self.queued_at - self.started_at)
        metrics.queue_s.note(timings.queue_ms / 1e3)
        metrics.inference_s.note(inference_s)
        metrics.token_s.note(inference_s / max(1, timings.generated_tokens))
        metrics.prompt_tokens.note(timings.prompt_tokens)
        metrics.max_new_tokens.note(self.request.max_new_tokens)
        metrics.generated_tokens.note(timings.generated_tokens)
        metrics.skipped_tokens.note(timings.accepted_tokens)
        metrics.cached_tokens += timings.cached_tokens

    def _log(self, finished: Finished) -> None:
        timings = finished.timings
        logger.info(
            "request %s dialect=%s prompt=%d reused=%d generated=%d drafted=%d accepted=%d "
            "queue_ms=%.1f prefill_ms=%.1f total_ms=%.1f outcome=%s",
            self.request_id,
            self._dialect,
            timings.prompt_tokens,
            timings.cached_tokens,
            timings.generated_tokens,
            timings.drafted_tokens,
            timings.accepted_tokens,
            timings.queue_ms,
            timings.prefill_ms,
            (time.perf_counter() - self.started_at) * 1e3,
            finished.reason,
        )


def _shown(event: Event) -> bool:
    return isinstance(event, TokenEvent) and bool(event.delta)


def checked(finished: Finished) -> Finished:
    """The same event, if it is an answer.

    Raises:
        GenerationFailed: the engine could not finish it.
        IncompleteGeneration: it was aborted by a shutdown.
    """
    if finished.reason == "error":
        raise GenerationFailed(f"Request failed during generation: {finished.error}")
    if finished.reason == "aborted":
        raise IncompleteGeneration("Incomplete generation: the engine is shutting down")
    return finished


async def unless_disconnected(receive: Receive, work: Coroutine[Any, Any, _T]) -> _T:
    """The result of `work`, which is cancelled when the client goes.

    Raises:
        ClientGone: the client went first.
    """
    return await unless(_disconnected(receive), work, ClientGone())


async def unless_ending(live: LiveStreams, work: Coroutine[Any, Any, _T]) -> _T:
    """The result of `work`, which is cancelled when a shutdown ends what is open.

    Raises:
        Unavailable: the shutdown came first.
    """
    ended = asyncio.Event()
    live.add(ended.set)
    try:
        return await unless(ended.wait(), work, Unavailable("the engine is shutting down"))
    finally:
        live.closers.discard(ended.set)


async def unless(
    signal: Coroutine[Any, Any, object], work: Coroutine[Any, Any, _T], error: Exception
) -> _T:
    """The result of `work`; if `signal` returns first, `work` is cancelled and `error` raised."""
    task, watcher = asyncio.ensure_future(work), asyncio.ensure_future(signal)
    try:
        await asyncio.wait({task, watcher}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise error
        return task.result()
    finally:
        for part in (task, watcher):
            part.cancel()
        await asyncio.gather(task, watcher, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
