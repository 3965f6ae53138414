"""A server on a free port that answers what a test scripts: a real uvicorn in the test's loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route


@dataclass(frozen=True)
class Answer:
    """What a route says: the chunks, one by one, and what comes after them."""

    chunks: tuple[bytes, ...] = ()
    status: int = 200
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict[str, str])
    then: Literal["end", "hang", "drop"] = "end"
    is_late: bool = False
    """Nothing at all is sent until the test opens the gate."""


def js(value: object, status: int = 200, **headers: str) -> Answer:
    """Return a JSON document."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer((json.dumps(value).encode(),), status, headers=named)


def sse(*values: object, then: Literal["end", "hang", "drop"] = "end") -> Answer:
    """Return a stream of events; a text is sent as it stands, such as `[DONE]`."""
    chunks = [v if isinstance(v, str) else json.dumps(v) for v in values]
    events = tuple(f"data: {chunk}\n\n".encode() for chunk in chunks)
    return Answer(events, kind="text/event-stream", then=then)


def lines(*values: object) -> Answer:
    """Return one JSON document a line, as Ollama streams."""
    chunks = tuple(json.dumps(value).encode() + b"\n" for value in values)
    return Answer(chunks, kind="application/x-ndjson")


@dataclass(frozen=True)
class Seen:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    client_port: int
    """Tells one connection from another."""
    query: str = ""


class FakeRemote:
    """Listens on a free port while it is entered.

    Attributes:
        routes: answers by path; of several the first is used once, the last for good.
        seen: the requests, in order.
        aborted: paths whose stream the client closed.
        gate: lets late answers through.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.routes: dict[str, list[Answer]] = {}
        self.seen: list[Seen] = []
        self.aborted: asyncio.Queue[str] = asyncio.Queue()
        self.came: asyncio.Queue[str] = asyncio.Queue()
        self.gate = asyncio.Event()
        self.url = ""

    def on(self, path: str, *answers: Answer) -> None:
        """Set what a path answers."""
        self.routes[path] = list(answers)

    def bodies(self, path: str) -> list[Any]:
        """Return the bodies that a path got."""
        return [seen.body for seen in self.seen if seen.path == path]

    def break_connections(self) -> None:
        """Close every connection that clients keep."""
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()

    async def __aenter__(self) -> FakeRemote:
        """Listen."""
        app = Starlette(routes=[Route("/{path:path}", self._answer, methods=["GET", "POST"])])
        config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        if self._tls is not None:
            config.load()
            config.ssl = self._tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        await self._server.is_up.wait()
        scheme = "https" if self._tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.gate.set()
        self._server.force_exit = True
        self._server.leave.set()
        await self._task
        self._socket.close()

    async def _answer(self, request: Request) -> Response:
        raw = await request.body()
        path = request.url.path
        body = json.loads(raw) if raw else None
        assert request.client is not None
        headers, port = dict(request.headers), request.client.port
        self.seen.append(Seen(request.method, path, headers, body, port, request.url.query))
        self.came.put_nowait(path)
        answers = self.routes.get(path) or [js({"error": "no such route"}, 404)]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer.is_late:
            await self.gate.wait()
        if answer.kind == "application/json" and answer.then == "end":
            content = b"".join(answer.chunks)
            return Response(content, answer.status, answer.headers, answer.kind)
        stream = self._stream(answer, path)
        return StreamingResponse(stream, answer.status, answer.headers, answer.kind)

    async def _stream(self, answer: Answer, path: str) -> AsyncIterator[bytes]:
        for chunk in answer.chunks:
            yield chunk
        if answer.then == "drop":
            raise ConnectionError("a test breaks the stream")
        if answer.then == "hang":
            try:
                await asyncio.Event().wait()
            finally:
                self.aborted.put_nowait(path)


class _Server(uvicorn.Server):
    """A uvicorn that says when it is up, and leaves the signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()
        self.leave = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()

    async def main_loop(self) -> None:
        await self.leave.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def token_event(text: str, reason: str | None = None, *, special: bool = False) -> dict[str, Any]:
    """Return one of TGI's events."""
    details = {"finish_reason": reason, "generated_tokens": 3, "input_length": 9}
    token = {"id": 1, "text": text, "logprob": -0.1, "special": special}
    last = {"generated_text": text, "details": details} if reason else {}
    return {"index": 1, "token": token, "generated_text": None, "details": None, **last}


def chat_chunk(text: str, reason: str | None = None) -> dict[str, Any]:
    """Return one of OpenAI's chat events."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
    return {"object": "chat.completion.chunk", "choices": [choice]}


def text_chunk(text: str, reason: str | None = None) -> dict[str, Any]:
    """Return one of OpenAI's completion events."""
    choice = {"index": 0, "text": text, "finish_reason": reason}
    return {"object": "text_completion", "choices": [choice]}
