"""Fixtures of the language server tests: a real server process with a scripted backend."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from tests.client import TIMEOUT_S, LspClient, lsp_client


class FakeServer:
    """A server process and the wire to its backend."""

    def __init__(
        self, client: LspClient, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.client = client
        self._reader = reader
        self._writer = writer

    async def event(self, name: str) -> dict[str, Any]:
        """Return the next event of this name from the backend; others before it are dropped."""
        while True:
            line = await asyncio.wait_for(self._reader.readline(), TIMEOUT_S)
            assert line, f"the backend ended before {name}"
            event: dict[str, Any] = json.loads(line)
            if event["event"] == name:
                return event

    async def open_gates(self) -> None:
        """Let the backend go on."""
        self._writer.write(b"open\n")
        await self._writer.drain()


StartServer = Callable[..., AbstractAsyncContextManager[FakeServer]]


@pytest.fixture
def start_server() -> StartServer:
    """Return a function that starts a server with a script for its backend."""
    return _fake_server


@asynccontextmanager
async def _fake_server(**script: object) -> AsyncGenerator[FakeServer]:
    loop = asyncio.get_running_loop()
    connected: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
    connected = loop.create_future()
    listener = await asyncio.start_server(
        lambda reader, writer: connected.set_result((reader, writer)), "127.0.0.1", 0
    )
    port = listener.sockets[0].getsockname()[1]
    async with lsp_client(sys.executable, "-m", "tests.lsp.serve_fake", str(port)) as client:
        reader, writer = await asyncio.wait_for(connected, TIMEOUT_S)
        writer.write(json.dumps(script).encode() + b"\n")
        try:
            yield FakeServer(client, reader, writer)
        finally:
            writer.close()
            listener.close()
