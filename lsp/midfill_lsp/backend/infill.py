"""`InfillBackend`: Midfill's own engine, over `POST /infill` and its chat route.

Called by the completion and chat use cases. Source of the fields: docs/protocol.md, section 1.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Protocol

import httpx

from midfill_lsp.backend import infill_route
from midfill_lsp.backend.base import ChatMessage, InfillRequest, Scores, StreamEnd
from midfill_lsp.backend.chat_route import parts
from midfill_lsp.backend.http import NotSent, make_client, post_events
from midfill_lsp.backend.infill_route import count
from midfill_lsp.backend.rejection import fields_of
from midfill_lsp.errors import BackendError, CannotDo, EngineGone

_REST_TIMEOUT_S = 0.5  # of an answer whose end has come
_SAMPLES_SEED = 1  # the same place gives the same samples
# A guess, not a measurement (docs/log.md, 2026-11-26): small models that were not trained with
# other files go without.
_MIN_PARAMETERS = 500_000_000


class Address(Protocol):
    """Where an engine answers."""

    @property
    def url(self) -> str:
        """Base URL without a trailing slash."""
        ...

    @property
    def key(self) -> str | None:
        """Bearer key, if one is needed."""
        ...


class Engine(Protocol):
    """What gives the address: `engine_process.SharedEngine` or `FixedEngine`."""

    async def endpoint(self) -> Address:
        """Return the address; may start the engine. Raises `BackendError`."""
        ...

    def report_gone(self, url: str) -> None:
        """Take note that a request to `url` got no answer."""
        ...

    async def restart(self) -> None:
        """End the engine; the next `endpoint` starts it anew."""
        ...

    async def aclose(self) -> None:
        """Let go of the engine."""
        ...

    def describe(self) -> dict[str, object]:
        """Return state, url, pid, model and reason for status lines."""
        ...


class InfillBackend:
    """Implements `Backend`, `SamplesInfill` and the server's `EngineControl`.

    Owns its connections and the hold on its engine.
    """

    def __init__(self, engine: Engine) -> None:
        """Connect to nothing yet."""
        self._engine = engine
        self._client: httpx.AsyncClient | None = None
        self._chatting: set[str] = set()  # URLs of engines whose models chat
        self._why_no_files: dict[str, str | None] = {}  # the same, see `why_no_files`
        self._url = ""

    @property
    def name(self) -> str:
        """Name for status lines, with the model if it is known."""
        model = self._engine.describe().get("model")
        return f"engine ({model})" if model else "engine"

    def describe(self) -> dict[str, object]:
        """Return the engine's state, url, pid, model and reason for status lines."""
        return self._engine.describe()

    def why_no_files(self) -> str | None:
        """Return why pieces of other files had better not go along, None if they had."""
        return self._why_no_files.get(self._url, "the engine's model is not known yet")

    async def start(self) -> None:
        """Return when the engine answers; every request does the same on its own."""
        await self._look((await self._engine.endpoint()).url)

    async def restart(self) -> None:
        """End the engine and start it anew."""
        await self._engine.restart()
        self._why_no_files.clear()
        await self._look((await self._engine.endpoint()).url)

    async def infill(
        self, request: InfillRequest
    ) -> AsyncGenerator[str | Scores | StreamEnd, None]:
        """Yield non-empty deltas, then one `StreamEnd`. Closing the generator aborts."""
        body = {**infill_route.body(request), "session": request.session}
        if request.draft:
            body["draft"] = request.draft
        if request.scored:
            body["logprobs"] = True
        await self._look((await self._engine.endpoint()).url)
        async with aclosing(self._post("/infill", body)) as events:
            async for event in events:
                if text := infill_route.text_of(event):
                    if request.scored and (scores := infill_route.scores_of(event)):
                        yield scores
                    yield text
                if event.get("stop") is True:
                    await _read_rest(events)
                    yield infill_route.end_of(event)
                    return
        raise EngineGone("the engine's answer broke off; it may have ended, see midfill doctor")

    async def samples(
        self, request: InfillRequest, num_samples: int, temperature: float
    ) -> AsyncGenerator[tuple[int, str | StreamEnd], None]:
        """Yield the samples' deltas and ends, each with its index. Closing aborts all."""
        body = {**infill_route.body(request), "temperature": temperature}
        body |= {"n_cmpl": num_samples, "seed": _SAMPLES_SEED}
        num_open = num_samples
        async with aclosing(self._post("/infill", body)) as events:
            async for event in events:
                idx = infill_route.count(event.get("index")) or 0
                if text := infill_route.text_of(event):
                    yield idx, text
                if event.get("stop") is True:
                    num_open -= 1
                    if not num_open:
                        await _read_rest(events)
                    yield idx, infill_route.end_of(event)
        if num_open > 0:
            raise EngineGone("the engine's answer broke off; it may have ended, see midfill doctor")

    async def chat_context(self) -> int | None:
        """Return the tokens of question and answer together, None where that is not told.

        Raises:
            CannotDo: `/info` says that the model has no way to write chats.
        """
        address = await self._engine.endpoint()  # each time: the engine's model may be another
        return await self._find_chat(address.url)

    async def chat(
        self, messages: tuple[ChatMessage, ...], max_tokens: int
    ) -> AsyncGenerator[str | StreamEnd, None]:
        """Yield the answer as deltas, then one `StreamEnd`. Closing the generator aborts.

        Raises:
            CannotDo: `/info` says that the model has no way to write chats.
        """
        await self._check_chat()
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
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        await self._engine.aclose()

    async def _check_chat(self) -> None:
        """Raise unless the engine says that its model chats; asked once per engine."""
        address = await self._engine.endpoint()
        if address.url not in self._chatting:
            await self._find_chat(address.url)

    async def _find_chat(self, url: str) -> int | None:
        """Return the context of a model that chats, if it is told; raise `CannotDo` for others."""
        info = await self._info(url)
        self._learn(url, info)
        if fields_of(info.get("midfill")).get("chat") in (None, "none"):
            model = info.get("model_id") or "the engine's model"
            self._chatting.discard(url)
            raise CannotDo(
                f"{model} cannot chat: it only completes code; choose a model that chats "
                "(midfill models recommend shows some), or set midfill.backend.kind to a server"
            )
        self._chatting.add(url)
        return count(info.get("max_total_tokens"))

    async def _look(self, url: str) -> None:
        """Learn what the engine's model makes of other files; once per engine."""
        self._url = url
        if url in self._why_no_files:
            return
        try:
            info = await self._info(url)
        except EngineGone:
            return  # the request that follows says so
        self._learn(url, info)

    def _learn(self, url: str, info: dict[str, Any]) -> None:
        about = fields_of(info.get("midfill"))
        takes_files = fields_of(about.get("infill")).get("files") is True
        size = infill_route.count(about.get("parameters"))
        if takes_files or size is None or size >= _MIN_PARAMETERS:
            self._why_no_files[url] = None
        else:
            self._why_no_files[url] = (
                f"{info.get('model_id') or 'the model'} is small and was not trained with other "
                "files; context.send sends them all the same"
            )

    async def _info(self, url: str) -> dict[str, Any]:
        self._client = self._client or make_client(url)
        try:
            response = await self._client.get(f"{url}/info")
            response.raise_for_status()
            return fields_of(response.json())
        except (httpx.HTTPError, ValueError) as error:
            self._engine.report_gone(url)
            raise EngineGone(f"{url} does not answer on /info: {error}") from error

    async def _post(
        self, path: str, body: dict[str, object]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the events of one request, sent a second time if nobody was there at first.

        A kept connection may have been closed by the engine just now, or the engine ended and
        its lease has not noticed: both look like a broken connection, and pass.
        """
        for is_last_try in (False, True):
            address = await self._engine.endpoint()
            if self._client is None:
                self._client = make_client(address.url)
            try:
                events = post_events(self._client, address.url + path, address.key, body)
                async with aclosing(events):
                    async for event in events:
                        yield event
                return
            except NotSent:
                self._engine.report_gone(address.url)
                if is_last_try:
                    raise


async def _read_rest(events: AsyncGenerator[dict[str, Any], None]) -> None:
    """Read the end of an answer, which its reader no longer waits for.

    A connection whose answer was read to its end is kept for the next request.
    """

    async def read() -> None:
        async for _ in events:
            pass

    with contextlib.suppress(BackendError, asyncio.TimeoutError):
        await asyncio.wait_for(read(), _REST_TIMEOUT_S)
