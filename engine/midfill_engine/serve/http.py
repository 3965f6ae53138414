"""HTTP on a connection: uvicorn's protocol on httptools, with bounds on how requests arrive.

httptools parses and writes in C: a request takes 0.1 ms less than with h11. Given to uvicorn by
`server`.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES = 2**16
"""Of a request, before its body. What arrives at once, at most 256 KB, is taken in first."""
HEAD_S = 10.0
"""Until the head of a request must be there; each connection holds one of the process's files."""
BODY_SILENCE_S = 30.0
"""How long nothing of a body that has begun may come."""


class BoundedHttp(HttpToolsProtocol):
    """Answers a request whose head never ends, or that stops coming, with status 400; hangs up.

    One that offers another protocol, as Java's client offers HTTP/2, is answered as if it did not.
    """

    parser: HttpRequestParser  # uvicorn's, who leaves out that it is None in the end
    _is_in_head = False
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
        self._head_bytes += len(data)
        try:
            self._parse(data)
        except HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self._refuse("Invalid HTTP request received.")
            return
        if self._is_in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse("The request's head is too long.")

    def _refuse(self, reason: str) -> None:
        """Answer what is no request, unless that would stand in the middle of a reply; hang up."""
        cycle = self._last_cycle()
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            self.transport.close()
        else:
            self.send_400_response(reason)

    def on_message_begin(self) -> None:
        """Expect the whole head. Line ends before it are no part of it, and change nothing."""
        super().on_message_begin()
        self._is_in_head = True
        self._unset_keepalive_if_required()
        self._expect(HEAD_S)

    def on_headers_complete(self) -> None:
        """Go on to the body, which the app bounds."""
        if self._is_upgrade():
            return
        self._is_in_head = False
        self._unset_keepalive_if_required()  # set if a reply ended after this head had begun
        self._expect(BODY_SILENCE_S)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take in a piece of the body."""
        self._expect(BODY_SILENCE_S)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for the connection's next request as long as uvicorn is told to."""
        if self._is_upgrade():
            return
        self._head_bytes = 0
        self._expect(None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Give a request that had to wait for this reply its whole time."""
        super().on_response_complete()
        if self._timer is not None:
            self._expect(HEAD_S if self._is_in_head else BODY_SILENCE_S)

    def _parse(self, data: bytes) -> None:
        """Call the methods above; behind an offer to upgrade httptools stops, and takes no body."""
        rest = memoryview(data)
        while rest:
            try:
                self.parser.feed_data(rest)
            except HttpParserUpgrade as stop:
                rest = rest[stop.args[0] :]
                if self._is_upgrade():
                    head = self._head_without_upgrade()
                    # A new one: the old takes no more where the connection is to be closed.
                    self.parser = HttpRequestParser(self)
                    self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # uvicorn's
                    self.parser.feed_data(head)
            else:
                return

    def _is_upgrade(self) -> bool:
        """Whether the head that was read offers another protocol; CONNECT only looks like it."""
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _head_without_upgrade(self) -> bytes:
        """The head that was read, to be read again (RFC 9110, 7.8: an offer may be ignored)."""
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

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
        cycle = self._last_cycle()
        if self.is_answering():
            self._expect(timeout_s)
        elif self._is_in_head or (cycle is not None and not cycle.response_complete):
            self.send_400_response("The request did not arrive in time.")
        else:  # nothing is unanswered, and a reply would pass for that to a request on its way
            self.transport.close()

    def is_answering(self) -> bool:
        """Whether a reply goes on, of this request or of one before, or reads no more for now."""
        if self.pipeline or self.flow.read_paused:
            return True
        cycle = self._last_cycle()
        if cycle is None or cycle.response_complete:
            return False
        return not cycle.more_body or cycle.response_started

    def _last_cycle(self) -> RequestResponseCycle | None:
        """Of the last request whose head is there; uvicorn's type leaves out None, for none."""
        return cast("RequestResponseCycle | None", self.cycle)


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
                # Waited for here, so that `send` does not, and uses the length that stands here:
                # a stream's events and the comments in its silence are sent from two tasks.
                while cycle.flow.write_paused and not cycle.disconnected:
                    await cycle.flow.drain()
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, send_unchunked)

    return answer
