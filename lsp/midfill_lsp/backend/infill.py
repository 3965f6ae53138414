"""`InfillBackend`: Midfill's engine, or a llama.cpp server, over `POST /infill`.

Called by the completion and chat use cases. Source of the fields: docs/protocol.md, section 1.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Literal, Protocol, cast

import httpx

from midfill_lsp.backend import transcript
from midfill_lsp.backend.base import ChatMessage, InfillRequest, StreamEnd
from midfill_lsp.backend.http import NotSent, make_client, post_events
from midfill_lsp.errors import BadReply, EngineGone

_StopReason = Literal["eos", "limit", "stop", "superseded"]
_INFILL_REASONS: dict[str, _StopReason] = {"eos": "eos", "limit": "limit", "word": "stop"}
_TGI_REASONS: dict[str, _StopReason] = {
    "eos_token": "eos",
    "length": "limit",
    "stop_sequence": "stop",
}


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
    """Implements `Backend` and the server's `EngineControl`.

    Owns its connections and the hold on its engine.
    """

    def __init__(self, engine: Engine) -> None:
        """Connect to nothing yet."""
        self._engine = engine
        self._client: httpx.AsyncClient | None = None

    @property
    def name(self) -> str:
        """Name for status lines, with the model if it is known."""
        model = self._engine.describe().get("model")
        return f"engine ({model})" if model else "engine"

    def describe(self) -> dict[str, object]:
        """Return the engine's state, url, pid, model and reason for status lines."""
        return self._engine.describe()

    async def start(self) -> None:
        """Return when the engine answers; every request does the same on its own."""
        await self._engine.endpoint()

    async def restart(self) -> None:
        """End the engine and start it anew."""
        await self._engine.restart()
        await self._engine.endpoint()

    async def infill(self, request: InfillRequest) -> AsyncGenerator[str | StreamEnd, None]:
        """Yield non-empty deltas, then one `StreamEnd`. Closing the generator aborts."""
        body: dict[str, object] = {
            "input_prefix": request.prefix,
            "input_suffix": request.suffix,
            "prompt": "",
            "n_predict": request.max_tokens,
            "temperature": 0,
            "stop": list(request.stop),
            "stream": True,
            "cache_prompt": True,
            "session": request.session,
        }
        if request.draft:
            body["draft"] = request.draft
        has_ended = False
        async with aclosing(self._post("/infill", body)) as events:
            async for event in events:
                if has_ended:
                    continue  # read to the end of the stream, so that the connection is kept
                text = event.get("content", "")
                if not isinstance(text, str):
                    raise BadReply("/infill sent a content that is no text")
                if text:
                    yield text
                if event.get("stop") is True:
                    has_ended = True
                    yield _infill_end(event)
        if not has_ended:
            raise EngineGone("the engine's answer broke off; it may have ended, see midfill doctor")

    async def chat(
        self, messages: tuple[ChatMessage, ...], max_tokens: int
    ) -> AsyncGenerator[str | StreamEnd, None]:
        """Yield the answer as deltas, then one `StreamEnd`. Closing the generator aborts.

        The engine has no chat route yet, so the conversation goes as a plain transcript.
        """
        parameters = {"max_new_tokens": max_tokens, "stop": list(transcript.STOPS)}
        body: dict[str, object] = {"inputs": transcript.write(messages), "parameters": parameters}
        answer, has_ended = transcript.AnswerText(), False
        async with aclosing(self._post("/generate_stream", body)) as events:
            async for event in events:
                if has_ended:
                    continue
                if text := answer.feed(_token_text(event)):
                    yield text
                has_ended = event.get("details") is not None
                if answer.is_stopped or has_ended:
                    if rest := answer.flush():
                        yield rest
                    yield _chat_end(event.get("details"), answer.is_stopped)
                if answer.is_stopped:
                    return  # what comes after a stop text is not wanted
        if not has_ended:
            raise EngineGone("the engine's answer broke off; it may have ended, see midfill doctor")

    async def aclose(self) -> None:
        """Close the connections and let go of the engine."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        await self._engine.aclose()

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


def _infill_end(event: Mapping[str, Any]) -> StreamEnd:
    reason = "superseded" if event.get("superseded") is True else event.get("stop_type")
    return StreamEnd(
        reason="superseded" if reason == "superseded" else _INFILL_REASONS.get(str(reason), "eos"),
        prompt_tokens=_count(event.get("tokens_evaluated")),
        cached_tokens=_count(event.get("tokens_cached")),
        generated_tokens=_count(event.get("tokens_predicted")),
        timings_ms=_timings(event.get("timings")),
    )


def _timings(timings: object) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in _fields(timings).items()
        if name.endswith("_ms") and isinstance(value, (int, float))
    }


def _chat_end(details: object, is_stopped: bool) -> StreamEnd:
    facts = _fields(details)
    reason = _TGI_REASONS.get(str(facts.get("finish_reason")), "eos")
    return StreamEnd(
        reason="stop" if is_stopped else reason,
        prompt_tokens=_count(facts.get("input_length")),
        generated_tokens=_count(facts.get("generated_tokens")),
    )


def _token_text(event: Mapping[str, Any]) -> str:
    token = _fields(event.get("token"))
    text = token.get("text")
    if not isinstance(text, str):
        raise BadReply("/generate_stream sent an event without a token's text")
    return "" if token.get("special") is True else text


def _fields(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
