"""A wire tap between language server and engine: when each request came, and what was generated.

The engine's own time is what passes here between a request and an event of its answer; the rest of
a keystroke's time is the language server's. Bytes are passed on as they are, which costs about
0.1 ms. Called by ``bench.latency``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

READ_BYTES = 1 << 16


@dataclass(slots=True)
class Exchange:
    """One ``/infill``: what was asked, and its events as ``(moment, text, number of tokens)``."""

    asked_at: float
    prefix: str
    suffix: str
    events: list[tuple[float, str, int]] = field(default_factory=list[tuple[float, str, int]])
    end: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """All that was generated."""
        return "".join(text for _, text, _ in self.events)

    @property
    def num_tokens(self) -> int:
        """Tokens of all that was generated."""
        return sum(count for _, _, count in self.events)


class Tap:
    """Every exchange in its order, and how many connections they took."""

    def __init__(self, host: str, port: int) -> None:
        """Passes on to an engine."""
        self._host, self._port = host, port
        self.exchanges: list[Exchange] = []
        self.num_connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes one connection on, until either side ends it."""
        self.num_connections += 1
        from_engine, to_engine = await asyncio.open_connection(self._host, self._port)
        call = _Call(self)
        ways = (
            asyncio.create_task(_pass_on(reader, to_engine, call.asked)),
            asyncio.create_task(_pass_on(from_engine, writer, call.answered)),
        )
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for end in (to_engine, writer):
            end.close()
            with contextlib.suppress(OSError):
                await end.wait_closed()


class _Call:
    """One connection: requests after each other, each with its answer."""

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self._request = b""
        self._answer = b""
        self._exchange: Exchange | None = None

    def asked(self, data: bytes, at: float) -> None:
        """Takes bytes for the engine."""
        self._request += data
        head, found, body = self._request.partition(b"\r\n\r\n")
        if not found or len(body) < _body_len(head):
            return
        self._request = self._answer = b""
        self._exchange = None
        if head.startswith(b"POST /infill"):
            fields = json.loads(body)
            self._exchange = Exchange(at, fields["input_prefix"], fields["input_suffix"])
            self._tap.exchanges.append(self._exchange)

    def answered(self, data: bytes, at: float) -> None:
        """Takes bytes from the engine: SSE in chunks, an event of which is a line."""
        self._answer += data
        *lines, self._answer = self._answer.split(b"\n")
        for line in lines:
            if self._exchange is None or not line.startswith(b"data: {"):
                continue
            event: dict[str, Any] = json.loads(line[len(b"data: ") :])
            tokens: list[int] = event.get("tokens") or []
            if event.get("content") or tokens or event.get("stop"):
                self._exchange.events.append((at, event.get("content", ""), len(tokens)))
            if event.get("stop"):
                self._exchange.end = event


async def _pass_on(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    seen: Callable[[bytes, float], None],
) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(READ_BYTES):
            at = time.perf_counter()
            writer.write(data)
            seen(data, at)
            await writer.drain()


def _body_len(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


@asynccontextmanager
async def tapped(url: str) -> AsyncGenerator[tuple[str, Tap]]:
    """Gives an address that passes on to the engine at ``url``, and what is seen there."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    tap = Tap(parts.hostname, parts.port)
    server = await asyncio.start_server(tap.serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", tap
    finally:
        server.close()
