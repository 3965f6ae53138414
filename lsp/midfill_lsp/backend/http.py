"""One POST to the engine whose answer is a stream of events, and what can go wrong with it.

Called by `infill`; `wire` does the same for remote servers, with tokens and time-outs of its own.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import h11
import httpx

from midfill_lsp.backend.answers import compression_of
from midfill_lsp.backend.local_transport import Body, LocalTransport, Timeouts
from midfill_lsp.backend.rejection import Asked, base_of, message_of, read_rejection
from midfill_lsp.backend.sse import EventParser
from midfill_lsp.errors import AccessDenied, BackendError, BadReply, EngineGone
from midfill_lsp.hosts import is_loopback
from midfill_lsp.printable import one_line

# Reading waits for a prompt to be computed: seconds for a long one on a slow CPU.
_TIMEOUT = httpx.Timeout(5.0, connect=3.0, read=90.0)
_LOCAL_TIMEOUTS = Timeouts(_TIMEOUT.connect, _TIMEOUT.read, _TIMEOUT.write)
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=8, keepalive_expiry=60.0)

_ASKED = Asked(
    model=None,
    key="the key",
    key_remedy="set MIDFILL_API_KEY or midfill.engine.apiKeyFile to the engine's key",
    place_remedy="check midfill.engine.url",
)

_ENDS = "Incomplete generation"
"""How an engine that ends says so, in TGI's words."""
_HEADERS = {
    "Accept": "text/event-stream",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
}

# What httpx raises when a kept connection was closed by the other side, or nobody listens.
_BROKEN = (httpx.TransportError,)


class NotSent(EngineGone):
    """No byte of an answer came: the same request may be sent once more."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose head has come.

    Attributes:
        status: of HTTP.
        pieces: the body as it comes; it was asked for without compression.
        response: makes httpx's form of it, which those who read errors know.
    """

    status: int
    pieces: AsyncIterable[bytes]
    response: Callable[[], httpx.Response]


def make_client(url: str, transport: LocalTransport | None = None) -> httpx.AsyncClient:
    """Return a client that keeps connections; on this machine it uses no proxy."""
    # Loading certificates costs 20 ms that plain HTTP has no use for.
    return httpx.AsyncClient(
        timeout=_TIMEOUT,
        limits=_LIMITS,
        transport=transport,
        trust_env=not is_loopback(url),
        verify=urlsplit(url).scheme == "https",
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [_unpack_nothing]},
    )


async def _unpack_nothing(response: httpx.Response) -> None:
    """Let httpx unpack nothing: an error is told by its status, its body is read as it came."""
    compression = compression_of(response.headers)
    if compression is not None and response.status_code == 200:
        raise httpx.DecodingError(f"the answer is compressed ({compression}), unasked")
    response.headers.pop("content-encoding", None)


class EngineClient:
    """httpx's client for an engine, and a short way past it to one on this machine.

    Posting is what a completion waits for: there httpx's own machinery costs as much again as the
    request itself (docs/log.md, 2026-11-26).
    """

    def __init__(self, url: str, is_short: bool | None = None) -> None:
        """Connect to nothing yet; connections are kept.

        Args:
            url: of the engine; on this machine no proxy is used.
            is_short: whether the short way is taken; None where it can be.
        """
        can_be_short = is_loopback(url) and urlsplit(url).scheme == "http"
        is_taken = can_be_short if is_short is None else is_short
        self._local = LocalTransport() if is_taken else None
        self._client = make_client(url, self._local)

    async def get(self, url: str) -> httpx.Response:
        """Return a whole answer."""
        return await self._client.get(url)

    @asynccontextmanager
    async def post(
        self, url: str, headers: dict[str, str], content: bytes
    ) -> AsyncGenerator[Answer, None]:
        """Give an answer whose body is still to be read; leaving closes it."""
        if self._local is None:
            async with self._client.stream(
                "POST", url, content=content, headers=headers
            ) as response:
                assert isinstance(response.stream, httpx.AsyncByteStream)
                yield Answer(response.status_code, response.stream, lambda: response)
            return
        parts = urlsplit(url)
        length = {"Host": parts.netloc, "Content-Length": str(len(content))}
        request = h11.Request(
            method="POST", target=parts.path, headers=list({**length, **headers}.items())
        )
        place = parts.hostname or "", parts.port or 80
        head, body = await self._local.exchange(place, request, content, _LOCAL_TIMEOUTS)
        try:
            yield Answer(head.status_code, body, lambda: _as_httpx(url, head, body))
        finally:
            await body.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def post_events(
    client: EngineClient, url: str, key: str | None, body: dict[str, object]
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield each event's JSON object; closing the generator closes the connection.

    Raises:
        AccessDenied: the key cannot be sent.
        NotSent: nobody answered.
        EngineGone: the connection broke during the answer.
        BackendError: what `rejection` makes of another status than 200.
        BadReply: an error event, or what is no event stream.
    """
    headers = dict(_HEADERS)
    if key is not None:
        if not (key.isascii() and key.isprintable()):  # what refuses it would print it
            raise AccessDenied(
                f"the key for {base_of(url)} holds characters that HTTP does not take; "
                f"{_ASKED.key_remedy}"
            )
        headers["Authorization"] = f"Bearer {key}"
    has_answer = False
    try:
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        async with client.post(url, headers, content) as answer:
            has_answer = True
            if answer.status != 200:
                raise _as_gone(await read_rejection(answer.response(), _ASKED))
            parser = EventParser()
            async for chunk in answer.pieces:
                for data in parser.feed(chunk):
                    if data != "[DONE]":
                        yield _event(data, url)
    except _BROKEN as error:
        what = f"{base_of(url)} does not answer: {str(error) or type(error).__name__}"
        if has_answer or isinstance(error, httpx.ReadTimeout):
            raise EngineGone(what) from error
        raise NotSent(what) from error
    except httpx.InvalidURL as error:
        raise BadReply(f"{url!r} is not a URL: {error}") from error
    except httpx.DecodingError as error:
        raise BadReply(f"{base_of(url)} cannot be read: {error}") from error
    except ValueError as error:  # broken UTF-8 or an endless event
        raise BadReply(f"{url} answered no event stream: {one_line(str(error))}") from error


def _as_httpx(url: str, head: h11.Response, body: Body) -> httpx.Response:
    request = httpx.Request("POST", url)
    return httpx.Response(
        head.status_code, headers=list(head.headers), stream=body, request=request
    )


def _event(data: str, url: str) -> dict[str, Any]:
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):  # the latter of what is nested too deep
        event = None
    if not isinstance(event, dict):
        raise BadReply(f"{url} sent an event that is no JSON object ({len(data)} characters)")
    fields = cast("dict[str, Any]", event)
    if "error" in fields:
        raise _as_gone(BadReply(f"{url} failed: {message_of(fields) or 'no reason given'}"))
    return fields


def _as_gone(error: BackendError) -> BackendError:
    """Return the error, as the engine's end where it tells that: another editor restarted it."""
    return EngineGone(str(error)) if _ENDS in str(error) else error
