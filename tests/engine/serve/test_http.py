"""How requests arrive, and how HTTP/1.0 is answered: what stands in no route."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Callable

import httpx
import pytest

from midfill_engine.serve import http
from midfill_engine.serve.http import BoundedHttp
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.serve.conftest import KEY, LiveServer, serve_with
from tests.engine.serve.fakes import FakeEngine, finished, token

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


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("", b""),
        ("GET /health HTTP/1.1\r\nhost: 127", b"HTTP/1.1 400"),
        (f"POST /infill HTTP/1.1\r\n{_HOST}content-length: 99\r\n\r\n{{", b"HTTP/1.1 400"),
    ],
)
def test_who_stops_before_the_request_is_whole_is_hung_up_on(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch, sent: str, status: bytes
) -> None:
    """Each held a file of the process for good: with 1,000 of them nobody else got in."""
    monkeypatch.setattr(http, "HEAD_S", 0.05)
    monkeypatch.setattr(http, "BODY_SILENCE_S", 0.05)
    assert said_to(address, sent).startswith(status)


def test_the_next_request_is_waited_for_while_a_reply_goes_on(
    address: tuple[str, int], engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some clients send a line end behind a body: it must not end the reply."""
    monkeypatch.setattr(http, "HEAD_S", 0.01)
    late = threading.Event()
    is_answering = BoundedHttp.is_answering

    def note(self: BoundedHttp) -> bool:
        late.set()
        return is_answering(self)

    monkeypatch.setattr(BoundedHttp, "is_answering", note)
    engine.script = None
    body = json.dumps({"inputs": "a"})
    head = f"POST /generate HTTP/1.1\r\n{_HOST}"
    with socket.create_connection(address, timeout=30) as peer:
        peer.sendall(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
        assert engine.submitted.wait(30)
        peer.sendall(b"\r\n")
        assert late.wait(30)
        handle = engine.handles[0]
        handle.sink(token("x"))
        handle.ended = True
        handle.sink(finished("length"))
        assert peer.recv(15) == b"HTTP/1.1 200 OK"


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
