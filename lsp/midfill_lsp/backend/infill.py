"""`InfillBackend`: Midfill's own engine, over `POST /infill` and its chat route.

Called by the completion and chat use cases. Source of the fields: docs/protocol.md, section 1.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from midfill_lsp.backend import infill_route
from midfill_lsp.backend.base import ChatMessage, InfillRequest, Scores, StreamEnd
from midfill_lsp.backend.chat_route import parts
from midfill_lsp.backend.engine_model import Engine, EngineModel
from midfill_lsp.backend.fields import count
from midfill_lsp.backend.http import EngineClient, NotSent, post_events
from midfill_lsp.errors import BackendError, EngineGone
from midfill_lsp.hosts import is_loopback

_REST_TIMEOUT_S = 0.5  # of an answer whose end has come
_SAMPLES_SEED = 1  # the same place gives the same samples


@dataclass(slots=True)
class _Answer:
    """Events of one request; `has_ended` once they have brought all that is wanted of them."""

    events: AsyncGenerator[dict[str, Any], None]
    has_ended: bool = False


class InfillBackend:
    """Implements `Backend`, `SamplesInfill`, `WarmsUp` and the server's `EngineControl`.

    Owns its connections and the hold on its engine.
    """

    def __init__(self, engine: Engine) -> None:
        """Connect to nothing yet."""
        self._engine = engine
        self._client: EngineClient | None = None
        self._rests: set[asyncio.Task[None]] = set()  # ends of answers on their way
        self._model = EngineModel(engine, self._client_for)

    @property
    def name(self) -> str:
        """Name for status lines, with the model if it is known."""
        model = self._engine.describe().get("model")
        return f"engine ({model})" if model else "engine"

    def describe(self) -> dict[str, object]:
        """Return the engine's state, url, pid, model and reason for status lines."""
        return self._engine.describe()

    def watch_progress(self, on_progress: Callable[[str, int], None]) -> None:
        """Have this called while the engine's model comes, with what is done and the percent."""
        self._engine.watch_progress(on_progress)

    def why_no_files(self) -> str | None:
        """Return why pieces of other files had better not go along, None if they had."""
        return self._model.why_no_files()

    async def start(self) -> None:
        """Return when the engine answers; every request does the same on its own."""
        await self._model.look((await self._engine.endpoint()).url)

    async def restart(self) -> None:
        """End the engine and start it anew."""
        await self._engine.restart()
        self._model.forget()
        await self._model.look((await self._engine.endpoint()).url)

    async def infill(
        self, request: InfillRequest
    ) -> AsyncGenerator[str | Scores | StreamEnd, None]:
        """Yield non-empty deltas, then one `StreamEnd`. Closing the generator aborts."""
        body = {**infill_route.body(request), "session": request.session}
        if request.draft:
            body["draft"] = request.draft
        if request.scored:
            body["logprobs"] = True
        await self._model.look((await self._engine.endpoint()).url)
        async with self._reading("/infill", body) as answer:
            async for event in answer.events:
                if text := infill_route.text_of(event):
                    if request.scored and (scores := infill_route.scores_of(event)):
                        yield scores
                    yield text
                if event.get("stop") is True:
                    answer.has_ended = True
                    yield infill_route.end_of(event)
                    return
        raise EngineGone("the engine's answer broke off; it may have ended, see midfill doctor")

    def may_warm_up(self) -> bool:
        """Whether the engine runs on this machine: one that many share has others to answer.

        Nor with pieces of other files, which are chosen for a place once one types there.
        """
        url = self._engine.describe().get("url")
        return isinstance(url, str) and is_loopback(url) and self.why_no_files() is not None

    async def warm_up(self, request: InfillRequest) -> None:
        """Return when the request's prompt is in the engine's cache. Cancelling aborts."""
        ask = replace(request, max_tokens=0, stop=(), draft="", scored=False)
        async with aclosing(self.infill(ask)) as events:
            async for _ in events:
                pass

    async def samples(
        self, request: InfillRequest, num_samples: int, temperature: float
    ) -> AsyncGenerator[tuple[int, str | StreamEnd], None]:
        """Yield the samples' deltas and ends, each with its index. Closing aborts all."""
        body = {**infill_route.body(request), "temperature": temperature}
        body |= {"n_cmpl": num_samples, "seed": _SAMPLES_SEED}
        num_open = num_samples
        async with self._reading("/infill", body) as answer:
            async for event in answer.events:
                idx = count(event.get("index")) or 0
                if text := infill_route.text_of(event):
                    yield idx, text
                if event.get("stop") is True:
                    num_open -= 1
                    answer.has_ended = num_open == 0
                    yield idx, infill_route.end_of(event)
        if num_open > 0:
            raise EngineGone("the engine's answer broke off; it may have ended, see midfill doctor")

    async def chat_context(self) -> int | None:
        """Return the tokens of question and answer together, None where that is not told.

        Raises:
            CannotDo: `/info` says that the model has no way to write chats.
        """
        address = await self._engine.endpoint()  # each time: the engine's model may be another
        return await self._model.chat_context(address.url)

    async def chat(
        self, messages: tuple[ChatMessage, ...], max_tokens: int
    ) -> AsyncGenerator[str | StreamEnd, None]:
        """Yield the answer as deltas, then one `StreamEnd`. Closing the generator aborts.

        Raises:
            CannotDo: `/info` says that the model has no way to write chats.
        """
        await self._model.check_chat((await self._engine.endpoint()).url)
        body: dict[str, object] = {
            "model": "default",
            "messages": [{"role": m.role, "content": m.content} for m in messages],
            "max_tokens": max_tokens,
            "stream": True,
        }
        has_ended = False
        async with aclosing(parts(self._post("/v1/chat/completions", body))) as answer:
            async for part in answer:
                has_ended = isinstance(part, StreamEnd)
                yield part
        if not has_ended:
            raise EngineGone("the engine's answer broke off; it may have ended, see midfill doctor")

    async def aclose(self) -> None:
        """Close the connections and let go of the engine."""
        await asyncio.gather(*self._rests)
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        await self._engine.aclose()

    def _client_for(self, url: str) -> EngineClient:
        self._client = self._client or EngineClient(url)
        return self._client

    @asynccontextmanager
    async def _reading(self, path: str, body: dict[str, object]) -> AsyncGenerator[_Answer, None]:
        """Give the events of one request; leaving aborts it, or reads what is left of its end."""
        answer = _Answer(self._post(path, body))
        try:
            yield answer
        finally:
            if answer.has_ended:
                task = asyncio.create_task(_read_rest(answer.events))
                self._rests.add(task)
                task.add_done_callback(self._rests.discard)
            else:
                await answer.events.aclose()

    async def _post(
        self, path: str, body: dict[str, object]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the events of one request, sent a second time if nobody was there at first.

        A kept connection may have been closed by the engine just now, or the engine ended and
        its lease has not noticed: both look like a broken connection, and pass.
        """
        for is_last_try in (False, True):
            address = await self._engine.endpoint()
            try:
                client = self._client_for(address.url)
                events = post_events(client, address.url + path, address.key, body)
                async with aclosing(events):
                    async for event in events:
                        yield event
                return
            except NotSent:
                self._engine.report_gone(address.url)
                if is_last_try:
                    raise


async def _read_rest(events: AsyncGenerator[dict[str, Any], None]) -> None:
    """Read the end of an answer, which nobody waits for.

    A connection whose answer was read to its end is kept for the next request.
    """

    async def read() -> None:
        async for _ in events:
            pass

    with contextlib.suppress(BackendError, asyncio.TimeoutError):
        async with aclosing(events):
            await asyncio.wait_for(read(), _REST_TIMEOUT_S)
