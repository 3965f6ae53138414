"""Requests to one remote server: its token, its redirects, its time-outs, its answers as JSON.

Called by the dialects (`tgi`, `openai`, `llamacpp`, `ollama`). Knows no dialect.

    post ── token ── send ── 307? same origin, again ── 200 ── `answers`
                       │                                └─ else `rejection`
                       └─ nobody there: once more on a new connection
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar, cast
from urllib.parse import urljoin, urlsplit

import httpx

from midfill_lsp.backend import answers
from midfill_lsp.backend.client import connection_error, make_remote_client
from midfill_lsp.backend.rejection import Asked, base_of, failure_in_answer, read_rejection
from midfill_lsp.backend.tokens import Token, TokenSource
from midfill_lsp.config import BackendConfig
from midfill_lsp.errors import BadReply, ConnectionLost, TimedOut

_MAX_REDIRECTS = 3
_NO_TOKEN = (
    "set midfill.backend.tokenFile or tokenVariable, or for Hugging Face HF_TOKEN (hf auth login)"
)
_NEW_TOKEN = "give another one; midfill.backend.tokenSource says from where"

_Value = TypeVar("_Value")
_Body = dict[str, object]


class Wire:
    """Owns the connections to the server at one base URL."""

    def __init__(self, base: str, config: BackendConfig, tokens: TokenSource) -> None:
        """Connect to nothing yet."""
        self.base = base
        self._config = config
        self._tokens = tokens
        self._client: httpx.AsyncClient | None = None

    async def get(self, path: str) -> dict[str, Any]:
        """Return the JSON object at a path behind the base URL.

        Raises:
            BackendError: there is none.
        """
        async with aclosing(self._values("GET", path, None, fresh=True)) as values:
            return await anext(values)

    async def post_once(self, path: str, body: _Body) -> dict[str, Any]:
        """Return the first JSON object of an answer, never one out of the server's cache.

        Raises:
            BackendError: there is none.
        """
        async with aclosing(self._values("POST", path, body, fresh=True)) as values:
            # To its end, so that the connection is kept.
            found = [value async for value in values]
        if not found:
            raise BadReply(f"{self.base}{path} answered nothing")
        return found[0]

    def post(
        self, path: str, body: _Body, *, fresh: bool = False
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield each JSON object of the answer, a stream of them or one; closing aborts.

        Args:
            path: behind the base URL; "" for the base URL itself.
            body: sent as JSON.
            fresh: an answer out of the server's cache is not wanted.

        Raises:
            BackendError: no answer, a rejection, an error in the stream, or what is no JSON.
        """
        return self._values("POST", path, body, fresh=fresh)

    async def aclose(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _values(
        self, method: str, path: str, body: _Body | None, *, fresh: bool
    ) -> AsyncGenerator[dict[str, Any], None]:
        url = self.base + path
        async with self._answer(method, url, body, fresh=fresh) as (response, asked):
            if (compression := answers.compression_of(response.headers)) is not None:
                raise BadReply(
                    f"{base_of(url)} answers compressed ({compression}), which it was asked not "
                    "to; see whether a proxy on the way does that"
                )
            kind = response.headers.get("content-type", "")
            async with aclosing(answers.read(kind, self._chunks(response), url)) as values:
                async for value in values:
                    if value.get("error") is not None:
                        raise failure_in_answer(url, value, asked)
                    yield value

    @asynccontextmanager
    async def _answer(
        self, method: str, url: str, body: _Body | None, *, fresh: bool
    ) -> AsyncGenerator[tuple[httpx.Response, Asked], None]:
        """Give the response with status 200, closed on the way out, and whom to blame."""
        token = await self._tokens.get(self.base)
        headers = {"Accept": "application/json, text/event-stream, application/x-ndjson"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token.value}"
        if fresh:
            headers["x-use-cache"] = "0"
        asked = self._asked(token, body)
        response = await self._follow(method, url, body, headers)
        try:
            if response.status_code != 200:
                raise await self._in_time(read_rejection(response, asked), is_first=False)
            yield response, asked
        finally:
            await response.aclose()

    async def _follow(
        self, method: str, url: str, body: _Body | None, headers: dict[str, str]
    ) -> httpx.Response:
        """Send, and send again where a redirect stays on the same origin."""
        for _ in range(_MAX_REDIRECTS + 1):
            response = await self._send(method, url, body, headers)
            if response.status_code not in {301, 302, 307, 308}:
                return response
            await response.aclose()
            target = _target(url, response.headers.get("location", ""))
            if _origin(target) != _origin(url):
                # Neither the token nor the user's code goes where the settings do not say.
                raise BadReply(
                    f"{base_of(url)} redirects to {base_of(target)}, which is not followed; "
                    "set midfill.backend.url to that place if you trust it"
                )
            url = target
        raise BadReply(f"{base_of(url)} redirects in circles; check midfill.backend.url")

    async def _send(
        self, method: str, url: str, body: _Body | None, headers: dict[str, str]
    ) -> httpx.Response:
        if self._client is None:
            self._client = make_remote_client(self.base, self._config)
        client, is_last_try = self._client, False
        while True:
            try:
                request = client.build_request(method, url, json=body, headers=headers)
                return await self._in_time(client.send(request, stream=True), is_first=True)
            except httpx.InvalidURL as error:
                raise BadReply(f"{url!r} is not a URL: {error}") from error
            except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError) as error:
                # A kept connection that the server closed meanwhile looks like this, and passes.
                if is_last_try:
                    raise connection_error(error, url, self._config) from error
                is_last_try = True
            except httpx.HTTPError as error:
                raise connection_error(error, url, self._config) from error

    async def _chunks(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        """Yield the body as it comes, each piece within the idle time."""
        async with aclosing(answers.closable(response.aiter_raw())) as raw:
            while True:
                try:
                    chunk = await self._in_time(anext(raw), is_first=False)
                except StopAsyncIteration:
                    return
                except httpx.HTTPError as error:
                    raise ConnectionLost(
                        f"the answer of {base_of(self.base)} broke off ({type(error).__name__}); "
                        "the next request asks again"
                    ) from error
                yield chunk

    async def _in_time(self, work: Awaitable[_Value], *, is_first: bool) -> _Value:
        config, server = self._config, base_of(self.base)
        if is_first:  # connecting has its own bound, inside
            timeout_s = config.connect_timeout_s + config.first_byte_timeout_s
            what = f"{server} did not begin to answer within {config.first_byte_timeout_s:g} s"
            remedy = "try again, or raise midfill.backend.firstByteTimeoutS"
        else:
            timeout_s = config.idle_timeout_s
            what = f"{server} fell silent for {timeout_s:g} s in the middle of an answer"
            remedy = "try again, or raise midfill.backend.idleTimeoutS"
        try:
            return await asyncio.wait_for(work, timeout_s)
        except asyncio.TimeoutError:
            raise TimedOut(f"{what}; {remedy}") from None

    def _asked(self, token: Token | None, body: _Body | None) -> Asked:
        return Asked(
            model=self._config.model,
            key=f"the token of {token.origin}" if token else None,
            key_remedy=_NEW_TOKEN if token else _NO_TOKEN,
            sent=tuple(_texts(body)),
            secret=token.value if token else None,
        )


def _target(url: str, location: str) -> str:
    """Return where a redirect leads.

    Raises:
        BadReply: to nowhere.
    """
    try:
        target = urljoin(url, location)
        _origin(target)
    except ValueError as error:
        raise BadReply(f"{base_of(url)} redirects to what is no URL: {error}") from error
    return target


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _texts(value: object) -> Iterator[str]:
    """Yield every text in a request's body: any of them may be the user's."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, child in cast("dict[str, object]", value).items():
            if name != "model":
                yield from _texts(child)
    elif isinstance(value, list):
        for child in cast("list[object]", value):
            yield from _texts(child)
