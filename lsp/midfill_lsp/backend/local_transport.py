"""`LocalTransport`: httpx's way to a server on this machine, with h11 over asyncio's streams.

httpx's own way (httpcore over anyio) takes several times as long to put a request on the wire,
which is most of what a completion costs beside the engine's time (docs/log.md, 2026-11-26). Plain
HTTP/1.1 without proxies is all that an engine on this machine speaks; everything else goes httpx's
own way, which the tests compare this with. Called by `http`.

    idle ── taken ── request sent ── answer read to its end ── idle again
                          └── closed before, or broken ── aborted; closed: a spare is opened
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

import h11
import httpx

_READ_BYTES = 1 << 16
_MAX_IDLE = 8
_IDLE_S = 60.0
_SPARE_S = 3.0


Place = tuple[str, int]
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds; None waits for ever."""

    connect: float | None = None
    read: float | None = None
    write: float | None = None


class LocalTransport(httpx.AsyncBaseTransport):
    """Keeps connections to plain HTTP servers. Raises what httpx's own transport raises.

    `exchange` is the short way; through httpx's client the same is done by the other one.
    """

    def __init__(self) -> None:
        """Connect to nothing yet."""
        self._idle: dict[Place, list[_Link]] = {}
        self._spares: dict[Place, asyncio.Task[None]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request of httpx and return its answer as soon as the head is there."""
        assert request.url.scheme == "http"
        told = cast("dict[str, float | None]", request.extensions.get("timeout", {}))
        timeouts = Timeouts(told.get("connect"), told.get("read"), told.get("write"))
        head, body = await self.exchange(
            (request.url.host, request.url.port or 80),
            h11.Request(
                method=request.method, target=request.url.raw_path, headers=request.headers.raw
            ),
            await request.aread(),
            timeouts,
        )
        return httpx.Response(head.status_code, headers=list(head.headers), stream=body)

    async def exchange(
        self, place: Place, request: h11.Request, content: bytes, timeouts: Timeouts
    ) -> tuple[h11.Response, Body]:
        """Send a request; return the head of its answer, and the body, which is to be closed."""
        link = self._take(place) or await _Link.open(place, timeouts.connect)
        link.read_s = timeouts.read
        try:
            await link.send(request, content, timeouts.write)
            return await link.head(), Body(link, self, place)
        except BaseException:
            link.abort()
            raise

    async def aclose(self) -> None:
        """Close the connections that nobody uses."""
        for task in self._spares.values():
            task.cancel()
        await asyncio.gather(*self._spares.values(), return_exceptions=True)
        links = [link for kept in self._idle.values() for link in kept]
        self._idle.clear()
        for link in links:
            link.abort()

    def keep(self, place: Place, link: _Link) -> None:
        """Take back a connection whose answer was read."""
        kept = self._idle.setdefault(place, [])
        if link.reset() and len(kept) < _MAX_IDLE:
            kept.append(link)
        else:
            link.abort()

    def replace(self, place: Place) -> None:
        """Have a connection ready in the place of one that was aborted."""
        if not self._idle.get(place) and place not in self._spares:
            self._spares[place] = asyncio.create_task(self._open_spare(place))

    async def _open_spare(self, place: Place) -> None:
        try:
            link = await _Link.open(place, _SPARE_S)
        except httpx.TransportError:
            return  # whoever needs a connection will hear of it
        finally:
            del self._spares[place]
        self._idle.setdefault(place, []).append(link)

    def _take(self, place: Place) -> _Link | None:
        """Return the connection that was used last, None if there is none that still stands."""
        kept = self._idle.get(place, [])
        while kept:
            link = kept.pop()
            if link.is_fresh:
                return link
            link.abort()
        return None


class _Link:
    """One connection, and where its HTTP stands."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)
        self._has_expired = False
        self._used_at = time.monotonic()
        self.read_s: float | None = None

    @classmethod
    async def open(cls, place: Place, connect_s: float | None) -> _Link:
        try:
            return cls(*await asyncio.wait_for(asyncio.open_connection(*place), connect_s))
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise httpx.ConnectTimeout(f"no connection within {connect_s} s") from error
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error

    @property
    def is_fresh(self) -> bool:
        """Whether a kept connection was not closed by the other side, as far as is known."""
        is_recent = time.monotonic() - self._used_at < _IDLE_S
        return is_recent and not self._reader.at_eof() and not self._writer.is_closing()

    async def send(self, request: h11.Request, body: bytes, write_s: float | None) -> None:
        """Write all of a request."""
        parts = [self._http.send(request)]
        if body:
            parts.append(self._http.send(h11.Data(data=body)))
        parts.append(self._http.send(h11.EndOfMessage()))
        try:
            self._writer.write(b"".join(part for part in parts if part))
            if self._writer.transport.get_write_buffer_size():  # it did not fit the socket's
                await asyncio.wait_for(self._writer.drain(), write_s)
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise httpx.WriteTimeout(f"nothing was taken for {write_s} s") from error
        except OSError as error:
            raise httpx.WriteError(str(error)) from error

    async def head(self) -> h11.Response:
        """Return the answer's status and headers."""
        while True:
            event = await self.event()
            if isinstance(event, h11.Response):
                return event
            assert isinstance(event, h11.InformationalResponse)

    async def event(self) -> h11.Event:
        """Return what comes next; never that the connection has ended, which is raised."""
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self._read())
        except h11.RemoteProtocolError as error:
            raise httpx.RemoteProtocolError(str(error)) from error
        if not isinstance(event, h11.Event) or isinstance(event, h11.ConnectionClosed):
            raise httpx.RemoteProtocolError("the server closed the connection without an answer")
        return event

    def reset(self) -> bool:
        """Make ready for the next request; False where the connection takes none."""
        self._used_at = time.monotonic()
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    def abort(self) -> None:
        """Close it at once, whatever is under way."""
        self._writer.transport.abort()

    async def _read(self) -> bytes:
        """Return the next bytes, none at the connection's end.

        No `wait_for`: up to Python 3.11 it takes a task for each piece of an answer.
        """
        timer = None
        if self.read_s is not None:
            timer = asyncio.get_running_loop().call_later(self.read_s, self._expire)
        try:
            data = await self._reader.read(_READ_BYTES)
        except OSError as error:
            raise httpx.ReadError(str(error)) from error
        finally:
            if timer is not None:
                timer.cancel()
        if self._has_expired:
            raise httpx.ReadTimeout(f"nothing came for {self.read_s} s")
        return data

    def _expire(self) -> None:
        self._has_expired = True
        self.abort()


class Body(httpx.AsyncByteStream):
    """An answer's body; closing it before its end aborts the connection."""

    def __init__(self, link: _Link, transport: LocalTransport, place: Place) -> None:
        """Read from a connection, and give it back at the end."""
        self._link: _Link | None = link
        self._transport = transport
        self._place = place

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield pieces as they come."""
        while self._link is not None:
            event = await self._link.event()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                link, self._link = self._link, None
                self._transport.keep(self._place, link)

    async def aclose(self) -> None:
        """Abort the connection if the answer goes on."""
        link, self._link = self._link, None
        if link is not None:
            link.abort()
            self._transport.replace(self._place)
