"""When a connection is waited for, hung up on or answered, with a clock that the tests turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from midfill_engine.serve.http import BODY_SILENCE_S, HEAD_S, BoundedHttp

KEEP_ALIVE_S = 75
POST = b"POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\n"
OFFER = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAA\r\n"


class Clock:
    """The part of a loop that uvicorn's protocol uses; time passes when `turn` is called."""

    def __init__(self) -> None:
        self._now = 0.0
        self._timers: list[asyncio.TimerHandle] = []

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: object
    ) -> asyncio.TimerHandle:
        loop = asyncio.get_running_loop()
        timer = asyncio.TimerHandle(self._now + delay, callback, args, loop)
        self._timers.append(timer)
        return timer

    def create_task(self, work: Any) -> asyncio.Task[Any]:  # noqa: ANN401  # passed on
        return asyncio.get_running_loop().create_task(work)

    def turn(self, seconds: float) -> None:
        """Pass the time, and call what is due, in its order."""
        end = self._now + seconds
        while due := [t for t in self._timers if not t.cancelled() and t.when() <= end]:
            timer = min(due, key=asyncio.TimerHandle.when)
            self._timers.remove(timer)
            self._now = timer.when()
            timer._run()
        self._now = end


class Peer(asyncio.Transport):
    """A client's end: what was written to it, and whether it was hung up on."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__()
        self.got = b""
        self.closed = False
        self.clock = Clock()
        config = Config(app, ws="none", log_config=None, timeout_keep_alive=KEEP_ALIVE_S)
        loop: Any = self.clock
        self.server = BoundedHttp(config, ServerState(), {}, loop)
        self.server.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.got += bytes(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    async def say(self, data: bytes) -> None:
        """Send it, and let the app go on as far as it can."""
        self.server.data_received(data)
        await settle()


async def settle() -> None:
    """Let every task go on as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


class Echo:
    """An app that answers with the body, once it may."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.may.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            assert message["type"] == "http.request"
            body, more = body + message["body"], message["more_body"]
        await self.may.wait()
        await answer(send, b"<%b>" % body)


async def answer(send: Send, body: bytes) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def app() -> Echo:
    return Echo()


@pytest.fixture
async def peer(app: Echo) -> Peer:
    return Peer(app)


@pytest.mark.parametrize(
    ("sent", "wait_s", "status"),
    [
        (b"", HEAD_S, b""),
        (b"\r\n", HEAD_S, b""),
        (b"GET /health HTTP/1.1\r\nhost: 127", HEAD_S, b"HTTP/1.1 400"),
        (POST + b"{", BODY_SILENCE_S, b"HTTP/1.1 400"),
    ],
)
async def test_who_stops_before_the_request_is_whole_is_hung_up_on(
    peer: Peer, sent: bytes, wait_s: float, status: bytes
) -> None:
    """Each held a file of the process for good: with 1,000 of them nobody else got in."""
    await peer.say(sent)
    peer.clock.turn(wait_s - 1)
    assert not peer.closed
    peer.clock.turn(1)
    assert peer.closed
    assert peer.got[:12] == status


@pytest.mark.parametrize("while_answering", [False, True])
async def test_a_line_end_behind_a_body_changes_nothing(
    peer: Peer, app: Echo, while_answering: bool
) -> None:
    """Some clients send one: 10 s later came a 400, which the next request took for its reply."""
    if while_answering:
        app.may.clear()
        await peer.say(POST + b"body")
        await peer.say(b"\r\n")
        peer.clock.turn(2 * KEEP_ALIVE_S)
        app.may.set()
        await settle()
    else:
        await peer.say(POST + b"body")
        await peer.say(b"\r\n")
    peer.clock.turn(KEEP_ALIVE_S - 1)
    assert not peer.closed
    assert peer.got.count(b"HTTP/1.1") == 1
    peer.clock.turn(1)
    assert peer.closed
    assert peer.got.endswith(b"<body>")


@pytest.mark.parametrize("begun", [POST[:20], POST + b"bo"])
async def test_a_request_behind_a_long_reply_has_its_whole_time_after_it(
    peer: Peer, app: Echo, begun: bytes
) -> None:
    """Its body's 30 s ran while nothing of it was read."""
    wait_s = HEAD_S if begun == POST[:20] else BODY_SILENCE_S
    app.may.clear()
    await peer.say(POST + b"body" + begun)
    peer.clock.turn(10 * wait_s - 1)
    app.may.set()
    await settle()
    peer.clock.turn(wait_s - 1)
    assert not peer.closed
    await peer.say((POST + b"body")[len(begun) :])
    assert peer.got.count(b"<body>") == 2
    peer.clock.turn(KEEP_ALIVE_S - 1)
    assert not peer.closed


async def test_a_body_that_stops_after_its_reply_gets_no_second_one() -> None:
    async def refuse(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer(send, b"too long")

    peer = Peer(refuse)
    await peer.say(POST + b"bo")
    peer.clock.turn(BODY_SILENCE_S)
    assert peer.closed
    assert peer.got.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "length", [b"content-length: 4\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n"]
)
async def test_an_offer_to_upgrade_is_ignored_however_it_arrives(app: Echo, length: bytes) -> None:
    """The body of who offered HTTP/2 was lost."""
    body = b"body" if b"4" in length else b"4\r\nbody\r\n0\r\n\r\n"
    request = b"POST /a?b HTTP/1.1\r\n" + OFFER + length + body
    for cut in range(len(request)):
        peer = Peer(app)
        await peer.say(request[:cut])
        await peer.say(request[cut:] + request)
        await peer.say(POST + b"last")
        assert peer.got.count(b"HTTP/1.1 200") == 3
        assert peer.got.count(b"<body>") == 2
        assert peer.got.endswith(b"<last>")
        assert not peer.closed


async def test_many_offers_at_once_are_no_recursion(app: Echo) -> None:
    peer = Peer(app)
    peer.server.data_received((b"GET / HTTP/1.1\r\n" + OFFER + b"\r\n") * 1500)
    while peer.server.tasks:
        await settle()
    assert peer.got.count(b"<>") == 1500


@pytest.mark.parametrize("version", [b"1.1\r\nconnection: close", b"1.0"])
async def test_an_offer_on_a_connection_that_ends_is_ignored(peer: Peer, version: bytes) -> None:
    head = b"POST / HTTP/%b\r\ncontent-length: 4\r\n%b\r\n" % (version, OFFER)
    await peer.say(head)
    await peer.say(b"body")
    assert peer.got.startswith(b"HTTP/1.1 200")
    assert peer.got.endswith(b"<body>")
    assert peer.closed


async def test_an_offer_with_two_lengths_is_refused(peer: Peer) -> None:
    """What is read again keeps the bounds of what is read once."""
    await peer.say(
        b"POST / HTTP/1.1\r\ncontent-length: 5\r\n" + OFFER + b"content-length: 4\r\n\r\n"
    )
    assert peer.got.startswith(b"HTTP/1.1 400")
    assert peer.closed


async def test_connect_is_no_offer(peer: Peer) -> None:
    """It cannot become a tunnel: what follows is the next request."""
    await peer.say(b"CONNECT /a HTTP/1.1\r\n\r\n" + POST + b"body")
    assert peer.got.count(b"HTTP/1.1 ") == 2
    assert peer.got.endswith(b"<body>")


async def test_two_tasks_send_into_a_stream_of_http_1_0() -> None:
    """An event and the comment of a silent stream took each other's length: the stream broke."""

    async def stream(_scope: Scope, _receive: Receive, send: Send) -> None:
        def say(text: bytes, more: bool = True) -> Any:  # noqa: ANN401  # an awaitable
            return send({"type": "http.response.body", "body": text, "more_body": more})

        await send({"type": "http.response.start", "status": 200, "headers": []})
        reader.server.pause_writing()
        await asyncio.gather(say(b"data: long\n\n"), say(b":\n\n"))
        reader.server.pause_writing()
        await asyncio.gather(say(b":\n\n"), say(b"data: last\n\n", more=False))

    reader = Peer(stream)
    await reader.say(b"GET / HTTP/1.0\r\n\r\n")
    reader.server.resume_writing()
    await settle()
    reader.server.resume_writing()
    await settle()
    body = b"data: long\n\n:\n\n:\n\ndata: last\n\n"
    assert reader.got.partition(b"\r\n\r\n")[2] == body
