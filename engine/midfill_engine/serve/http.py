"""HTTP on a connection: uvicorn's protocol on httptools, with bounds on how requests arrive.

httptools parses and writes in C: a request takes 0.1 ms less than with h11. Given to uvicorn by
`server`.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES = 2**16
"""Of a request, before its body. What arrives at once, at most 256 KB, is taken in first."""
HEAD_S = 10.0
"""Until the head of a request must be there; each connection holds one of the process's files."""
BODY_SILENCE_S = 30.0
"""How long nothing of a body that has begun may come."""


class BoundedHttp(HttpToolsProtocol):
    """Answers a request whose head never ends, or that stops coming, with status 400; hangs up."""

    _is_in_head = True
    _head_bytes = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect the first request; uvicorn narrows the argument as well."""
        super().connection_made(transport)
        self._expect(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing any more."""
        self._expect(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in what the client sent."""
        if self._is_in_head and self._timer is None:
            self._expect(HEAD_S)
        self._head_bytes += len(data)
        super().data_received(data)
        if self._is_in_head and self._head_bytes > MAX_HEAD_BYTES:
            self.send_400_response("The request's head is too long.")

    def on_headers_complete(self) -> None:
        """Go on to the body, which the app bounds."""
        self._is_in_head = False
        self._expect(BODY_SILENCE_S)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take in a piece of the body."""
        self._expect(BODY_SILENCE_S)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect the next request of the connection, for which uvicorn waits as it is told."""
        self._is_in_head, self._head_bytes = True, 0
        self._expect(None)
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401
        """Begin to answer; `app` has uvicorn's type of an ASGI app, which has no public name."""
        answer: Any = _unchunked(app, cycle) if cycle.scope["http_version"] == "1.0" else app
        super()._start_asgi_task(cycle, answer)

    def _expect(self, timeout_s: float | None) -> None:
        """Hang up unless called again in time; None: wait for nothing."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if timeout_s is not None:
            self._timer = self.loop.call_later(timeout_s, self._hang_up, timeout_s)

    def _hang_up(self, timeout_s: float) -> None:
        if self.is_answering():
            self._expect(timeout_s)
        elif self._head_bytes:
            self.send_400_response("The request did not arrive in time.")
        else:  # nothing was asked, and a reply would pass for that to a request on its way
            self.transport.close()

    def is_answering(self) -> bool:
        """Whether a reply goes on, of this request or of one before, or reads no more for now."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        if self.pipeline or self.flow.read_paused:
            return True
        if cycle is None or cycle.response_complete:
            return False
        return self._is_in_head or cycle.response_started


def _unchunked(app: ASGIApp, cycle: RequestResponseCycle) -> ASGIApp:
    """The app for a client of HTTP/1.0, which knows no chunks: the connection's end is the end.

    Uvicorn chunks every reply without a length (RFC 9112, section 6.1, forbids it here).
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        is_measured = False

        async def send_unchunked(message: Message) -> None:
            nonlocal is_measured
            if message["type"] == "http.response.start":
                names = [name.lower() for name, _ in message.get("headers", ())]
                is_measured = b"content-length" in names
                if not is_measured:
                    cycle.chunked_encoding = False
            elif not is_measured:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, send_unchunked)

    return answer
