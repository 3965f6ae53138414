"""One POST whose answer is a stream of events, with errors as this package raises them.

Called by `infill` and `chat_transcript`. Knows no dialect but the shapes that errors have.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast
from urllib.parse import urlsplit

import httpx

from midfill_lsp.backend.sse import EventParser
from midfill_lsp.errors import AccessDenied, BackendError, BadReply, EngineGone, Overloaded

_MAX_ERROR_BYTES = 64_000
_MAX_MESSAGE_CHARS = 300
# Reading waits for a prompt to be computed: seconds for a long one on a slow CPU.
_TIMEOUT = httpx.Timeout(5.0, connect=3.0, read=90.0)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

# What httpx raises when a kept connection was closed by the other side, or nobody listens.
_BROKEN = (httpx.TransportError,)


class NotSent(EngineGone):
    """No byte of an answer came: the same request may be sent once more."""


def make_client(url: str) -> httpx.AsyncClient:
    """Return a client that keeps connections; on this machine it uses no proxy."""
    parts = urlsplit(url)
    is_local = parts.hostname in _LOOPBACK
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=8, keepalive_expiry=60.0)
    # Loading certificates costs 20 ms that plain HTTP has no use for.
    return httpx.AsyncClient(
        timeout=_TIMEOUT, limits=limits, trust_env=not is_local, verify=parts.scheme == "https"
    )


async def post_events(
    client: httpx.AsyncClient, url: str, key: str | None, body: dict[str, object]
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield each event's JSON object; closing the generator closes the connection.

    Raises:
        NotSent: nobody answered.
        EngineGone: the connection broke during the answer.
        AccessDenied: 401 or 403.
        Overloaded: 429.
        BadReply: another status, an error event, or what is no event stream.
    """
    headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    has_answer = False
    try:
        async with client.stream("POST", url, json=body, headers=headers) as response:
            has_answer = True
            if response.status_code != 200:
                raise await _rejection(response)
            parser = EventParser()
            async with aclosing(_generator(response.aiter_raw())) as chunks:
                async for chunk in chunks:
                    for data in parser.feed(chunk):
                        if data != "[DONE]":
                            yield _event(data, url)
    except _BROKEN as error:
        what = f"{_base(url)} does not answer: {str(error) or type(error).__name__}"
        if has_answer or isinstance(error, httpx.ReadTimeout):
            raise EngineGone(what) from error
        raise NotSent(what) from error
    except httpx.InvalidURL as error:
        raise BadReply(f"{url!r} is not a URL: {error}") from error
    except ValueError as error:  # broken UTF-8 or an endless event
        raise BadReply(f"{url} answered no event stream: {_one_line(str(error))}") from error


def _generator(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Return the same object by its real type, which httpx does not promise."""
    return cast("AsyncGenerator[bytes, None]", chunks)


def _event(data: str, url: str) -> dict[str, Any]:
    try:
        event = json.loads(data)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        raise BadReply(f"{url} sent an event that is no JSON object ({len(data)} characters)")
    fields = cast("dict[str, Any]", event)
    if "error" in fields:
        raise BadReply(f"{url} failed: {_message(fields) or 'no reason given'}")
    return fields


async def _rejection(response: httpx.Response) -> BackendError:
    body = b""
    async with aclosing(_generator(response.aiter_bytes())) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > _MAX_ERROR_BYTES:
                break
    try:
        message = _message(json.loads(body))
    except ValueError:
        message = None
    status, url = response.status_code, str(response.url)
    detail = f": {message}" if message else ""
    if status in {401, 403}:
        return AccessDenied(
            f"{_base(url)} refused the key (HTTP {status}){detail}; "
            "set MIDFILL_API_KEY or midfill.engine.apiKeyFile to the engine's key"
        )
    if status == 429:
        return Overloaded(f"{_base(url)} is overloaded (HTTP 429){detail}; try again later")
    return BadReply(f"{url} answered HTTP {status}{detail}")


def _message(body: object) -> str | None:
    """Return the reason from any dialect's error body.

    TGI says `{"error": "..."}`; OpenAI, llama.cpp and Midfill `{"error": {"message": "..."}}`.
    """
    if not isinstance(body, dict):
        return None
    fields = cast("dict[str, Any]", body)
    error = fields.get("error", fields.get("message"))
    if isinstance(error, dict):
        error = cast("dict[str, Any]", error).get("message")
    return _one_line(error) if isinstance(error, str) else None


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_MESSAGE_CHARS else line[: _MAX_MESSAGE_CHARS - 1] + "…"


def _base(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
