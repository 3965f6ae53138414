"""`GET /lease`: how the clients of one engine keep it alive, and how it ends with the last."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from midfill_engine.serve.generation import ClientGone, unless_disconnected
from midfill_engine.serve.replies import STREAM_HEADERS, sse_event
from midfill_engine.serve.served import LiveStreams


class Leases:
    """Counts open leases; calls `on_unused` some time after the last one closed.

    Attributes:
        num_open: leases held at the moment.
    """

    def __init__(
        self,
        live: LiveStreams,
        *,
        unused_s: float | None = None,
        first_lease_s: float = 60.0,
        on_unused: Callable[[], None] | None = None,
        beat_s: float = 10.0,
    ) -> None:
        """Count; with `unused_s` None the engine stays without leases."""
        self.num_open = 0
        self._live = live
        self._unused_s = unused_s
        self._first_lease_s = first_lease_s
        self._on_unused = on_unused
        self._beat_s = beat_s
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to wait for the first lease; on the event loop."""
        if self._unused_s is not None:
            self._wait(self._first_lease_s)

    def stop(self) -> None:
        """Forget the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def route(self, request: Request) -> Response:
        """`GET /lease`; HEAD, which has no end of its own to wait for, takes none."""
        if request.method == "HEAD":
            return Response(headers=STREAM_HEADERS, media_type=_LeaseStream.media_type)
        return _LeaseStream(self, self._live, self._beat_s)

    def open(self) -> None:
        """A client took a lease."""
        self.num_open += 1
        self.stop()

    def close(self) -> None:
        """A client gave its lease back, or died."""
        self.num_open -= 1
        if self.num_open == 0 and self._unused_s is not None:
            self._wait(self._unused_s)

    def _wait(self, delay_s: float) -> None:
        self.stop()
        if self._on_unused is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(delay_s, self._on_unused)


class _LeaseStream(Response):
    media_type = "text/event-stream"

    def __init__(self, leases: Leases, live: LiveStreams, beat_s: float) -> None:
        super().__init__(None, headers=dict(STREAM_HEADERS))
        del self.headers["content-length"]
        self._leases = leases
        self._live = live
        self._beat_s = beat_s
        self._ending = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        end = self._ending.set
        self._leases.open()
        self._live.add(end)
        try:
            await unless_disconnected(receive, self._beat(send))
        except ClientGone:
            pass
        finally:
            self._live.closers.discard(end)
            self._leases.close()

    async def _beat(self, send: Send) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        body = sse_event({"pid": os.getpid(), "leases": self._leases.num_open})
        while not self._ending.is_set():
            await send({"type": "http.response.body", "body": body, "more_body": True})
            body = b": alive\n\n"
            try:
                await asyncio.wait_for(self._ending.wait(), self._beat_s)
            except asyncio.TimeoutError:  # its own class before Python 3.11
                continue
        await send({"type": "http.response.body", "body": b""})
