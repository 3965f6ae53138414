"""One POST to the engine whose answer is a stream of events, and what can go wrong with it.

Called by `infill`; `wire` does the same for remote servers, with tokens and time-outs of its own.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast
from urllib.parse import urlsplit

import httpx

from midfill_lsp.backend.answers import closable
from midfill_lsp.backend.rejection import Asked, base_of, message_of, one_line, read_rejection
from midfill_lsp.backend.sse import EventParser
from midfill_lsp.errors import BadReply, EngineGone
from midfill_lsp.hosts import is_loopback

# Reading waits for a prompt to be computed: seconds for a long one on a slow CPU.
_TIMEOUT = httpx.Timeout(5.0, connect=3.0, read=90.0)

_ASKED = Asked(
    model=None,
    key="the key",
    key_remedy="set MIDFILL_API_KEY or midfill.engine.apiKeyFile to the engine's key",
    place_remedy="check midfill.engine.url",
)

# What httpx raises when a kept connection was closed by the other side, or nobody listens.
_BROKEN = (httpx.TransportError,)


class NotSent(EngineGone):
    """No byte of an answer came: the same request may be sent once more."""


def make_client(url: str) -> httpx.AsyncClient:
    """Return a client that keeps connections; on this machine it uses no proxy."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=8, keepalive_expiry=60.0)
    # Loading certificates costs 20 ms that plain HTTP has no use for.
    return httpx.AsyncClient(
        timeout=_TIMEOUT,
        limits=limits,
        trust_env=not is_loopback(url),
        verify=urlsplit(url).scheme == "https",
    )


async def post_events(
    client: httpx.AsyncClient, url: str, key: str | None, body: dict[str, object]
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield each event's JSON object; closing the generator closes the connection.

    Raises:
        NotSent: nobody answered.
        EngineGone: the connection broke during the answer.
        BackendError: what `rejection` makes of another status than 200.
        BadReply: an error event, or what is no event stream.
    """
    headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    has_answer = False
    try:
        async with client.stream("POST", url, json=body, headers=headers) as response:
            has_answer = True
            if response.status_code != 200:
                raise await read_rejection(response, _ASKED)
            parser = EventParser()
            async with aclosing(closable(response.aiter_raw())) as chunks:
                async for chunk in chunks:
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
    except ValueError as error:  # broken UTF-8 or an endless event
        raise BadReply(f"{url} answered no event stream: {one_line(str(error))}") from error


def _event(data: str, url: str) -> dict[str, Any]:
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):  # the latter of what is nested too deep
        event = None
    if not isinstance(event, dict):
        raise BadReply(f"{url} sent an event that is no JSON object ({len(data)} characters)")
    fields = cast("dict[str, Any]", event)
    if "error" in fields:
        raise BadReply(f"{url} failed: {message_of(fields) or 'no reason given'}")
    return fields
