"""What `LocalTransport` does beyond answering: see test_infill.py, which runs on both ways."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from midfill_lsp.backend.local_transport import LocalTransport

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def served(serve: Serve) -> AsyncGenerator[str, None]:
    """Give the URL of a server whose connections are handled so."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x?y=1"


def client(**timeouts: float) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=LocalTransport(), timeout=httpx.Timeout(5.0, **timeouts))


async def test_a_whole_answer_with_a_length() -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append(head + await reader.readexactly(2 << 20))
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhel")
        await writer.drain()
        writer.write(b"lo")

    async with served(serve) as url, client() as http:
        response = await http.post(url, content=b"a" * (2 << 20))
    assert (response.status_code, response.text) == (201, "hello")
    assert response.headers["x-a"] == "b"
    assert seen[0].startswith(b"POST /x?y=1 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (b"", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", httpx.RemoteProtocolError),
        (b"\x00\x01 nonsense\r\n\r\n", httpx.RemoteProtocolError),
    ],
)
async def test_garbage_and_breaks_are_what_httpx_makes_of_them(
    sent: bytes, kind: type[Exception]
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)

    async with served(serve) as url:
        for transport in (LocalTransport(), None):
            async with httpx.AsyncClient(transport=transport, trust_env=False) as http:
                with pytest.raises(kind):
                    await http.get(url)


async def test_silence_runs_into_the_time_out() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with served(serve) as url, client(read=0.01) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get(url)


async def test_nobody_listens() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError("somebody connected")

    async with served(serve) as url:
        pass
    async with client() as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(url)


async def test_a_server_that_closes_after_each_answer_is_connected_to_anew() -> None:
    num_connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal num_connections
        num_connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")

    async with served(serve) as url, client() as http:
        for _ in range(2):
            assert (await http.get(url)).text == "hello"
    assert num_connections == 2


async def test_a_spare_connection_takes_the_place_of_an_aborted_one() -> None:
    num_connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal num_connections
        num_connections += 1
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = b"9" if head.startswith(b"POST") else b"2"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\nhi")

    transport = LocalTransport()
    async with served(_lenient(serve)) as url, httpx.AsyncClient(transport=transport) as http:
        async with http.stream("POST", url):
            pass  # the answer goes on, and is left
        spares = transport._spares  # pyright: ignore[reportPrivateUsage]
        await asyncio.gather(*spares.values())
        assert not spares
        for _ in range(2):
            assert (await http.get(url)).text == "hi"
    assert num_connections == 2


def _lenient(serve: Serve) -> Serve:
    async def lenient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await serve(reader, writer)

    return lenient
