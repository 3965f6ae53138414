"""How requests arrive, and how HTTP/1.0 is answered: what stands in no route."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable

import httpx
import pytest

from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.serve.conftest import KEY, LiveServer, serve_with
from tests.engine.serve.fakes import FakeEngine, token

_OFFER = "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAA\r\n"
"""As Java's client sends it to every http URL."""
_HOST = f"host: localhost\r\nauthorization: Bearer {KEY}\r\n"


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def address(
    engine: FakeEngine, tokenizer: Tokenizer, start_server: Callable[..., LiveServer]
) -> tuple[str, int]:
    live = start_server(serve_with(engine, tokenizer))
    return "127.0.0.1", int(live.url.rpartition(":")[2])


def said_to(address: tuple[str, int], text: str) -> bytes:
    """All that comes until the server hangs up."""
    with socket.create_connection(address, timeout=30) as peer:
        peer.sendall(text.encode())
        return peer.makefile("rb").read()


@pytest.mark.parametrize("stream", [False, True])
def test_http_1_0_gets_no_chunks(address: tuple[str, int], stream: bool) -> None:
    """RFC 9112 forbids them, and its clients showed the chunks' lengths as text."""
    body = json.dumps({"inputs": "a", "stream": stream})
    head = f"POST / HTTP/1.0\r\n{_HOST}content-length: {len(body)}\r\n\r\n"
    told, _, reply = said_to(address, head + body).partition(b"\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 200")
    assert b"transfer-encoding" not in told
    assert (b"content-length" in told) is not stream
    assert reply.startswith(b"data: {" if stream else b"[{")
    assert reply.endswith(b"}\n\n" if stream else b"}]")


async def test_a_compressed_body_is_named(client: httpx.AsyncClient) -> None:
    """It was called malformed JSON."""
    body = gzip.compress(json.dumps({"inputs": "a"}).encode())
    reply = await client.post("/generate", content=body, headers={"content-encoding": "gzip"})
    assert reply.status_code == 415
    assert "Content-Encoding gzip" in reply.json()["error"]
    plain = {"content-encoding": "identity"}
    assert (await client.post("/generate", json={"inputs": "a"}, headers=plain)).status_code == 200


@pytest.mark.parametrize("packets", [1, 2])
def test_who_offers_http_2_is_answered_in_http_1(address: tuple[str, int], packets: int) -> None:
    """Java's clients lost their bodies: every request was malformed JSON."""
    body = json.dumps({"inputs": "a"})
    head = f"POST /generate HTTP/1.1\r\n{_HOST}{_OFFER}content-length: {len(body)}\r\n\r\n"
    after = f"GET /health HTTP/1.1\r\n{_HOST}connection: close\r\n\r\n"
    with socket.create_connection(address, timeout=30) as peer:
        for packet in [head + body] if packets == 1 else [head, body]:
            peer.sendall(packet.encode())
        replies = peer.makefile("rb")
        assert replies.readline().startswith(b"HTTP/1.1 200")
        peer.sendall(after.encode())
        assert replies.read().count(b"HTTP/1.1 200") == 1


def test_garbage_behind_a_request_puts_nothing_into_its_reply(
    engine: FakeEngine, address: tuple[str, int]
) -> None:
    """An error's head and text stood in the middle of the stream."""
    engine.script = [token("hi")]
    body = json.dumps({"inputs": "a", "stream": True})
    head = f"POST / HTTP/1.1\r\n{_HOST}content-length: {len(body)}\r\n\r\n"
    with socket.create_connection(address, timeout=30) as peer:
        peer.sendall((head + body).encode())
        told = b""
        while b"hi" not in told:
            told += peer.recv(4096)
        peer.sendall(b"no request\r\n\r\n")
        told += peer.makefile("rb").read()
    assert told.count(b"HTTP/1.1") == 1
    assert b"Invalid" not in told
