"""A small HTTP server that speaks the engine's part of docs/protocol.md, without a model.

It lives in a test's own event loop, answers what the test sets and tells what it saw.
`tests/lsp/engine_process/fake_program.py` makes a program of it. Standard library only, so that
such a process is up in a moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

LAST_EVENT: dict[str, Any] = {
    "content": "",
    "tokens": [],
    "stop": True,
    "stop_type": "word",
    "stopping_word": "\n",
    "model": "fake",
    "tokens_cached": 3,
    "tokens_evaluated": 24,
    "tokens_predicted": 4,
    "truncated": False,
    "timings": {
        "cache_n": 3,
        "prompt_n": 21,
        "prompt_ms": 3.5,
        "predicted_n": 4,
        "predicted_ms": 5.0,
        "queue_ms": 0.5,
    },
}
INFO: dict[str, Any] = {
    "model_id": "fake",
    "max_total_tokens": 2048,
    "version": "0.1.0",
    "midfill": {
        "architecture": "llama",
        "parameters": 1000,
        "dtype": "float32",
        "device": "cpu",
        "attention": "sdpa",
        "infill": {"family": "codellama", "orders": ["psm", "spm"]},
        "chat": "template",
        "version": "0.1.0",
    },
}


def event(value: object) -> bytes:
    """Return one server-sent event."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def chat_event(text: str, finish_reason: str | None = None) -> bytes:
    """Return one event of `/v1/chat/completions`."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
    return event({"object": "chat.completion.chunk", "choices": [choice]})


def infill_events(*texts: str) -> list[bytes]:
    """Return the events of a streamed infill that ends with a stop text."""
    deltas = [event({"content": text, "tokens": [1], "stop": False}) for text in texts]
    return [*deltas, event(LAST_EVENT)]


@dataclass(frozen=True)
class Reply:
    """What a route answers: the chunks, one by one, and what comes after them."""

    chunks: list[bytes]
    status: int = 200
    content_type: str = "text/event-stream"
    then: Literal["end", "hang", "drop"] = "end"


@dataclass(frozen=True)
class Request:
    """What came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class FakeEngine:
    """Listens on a free port while it is entered."""

    def __init__(self, key: str | None = "secret") -> None:
        self.key = key
        self.url = ""
        self.replies: dict[str, Reply] = {
            "/infill": Reply(infill_events("a", " +", " b")),
            "/v1/chat/completions": Reply([chat_event("Hello"), chat_event(" you", "stop")]),
            "/info": Reply([json.dumps(INFO).encode()], content_type="application/json"),
            "/health": Reply([b'{"status": "ok"}'], content_type="application/json"),
        }
        self.hangs_on: str | None = None
        """The prefix of an infill that never gets an answer."""
        self.requests: list[Request] = []
        self.num_connections = 0
        self.num_leases = 0
        self.lease_changed = asyncio.Event()
        self.aborted: asyncio.Queue[str] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> FakeEngine:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.close()

    async def close(self) -> None:
        """Stop listening, and break every connection."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.num_connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._answer_one(reader, writer):
                    pass
        except asyncio.CancelledError:
            pass  # `close`; asyncio would log it
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await _read_request(reader)
        self.requests.append(request)
        if request.path.startswith("/proof?nonce="):
            reply = self.replies.get("/proof") or self._proof(request.path.partition("=")[2])
        elif request.path not in {"/health", "/info"} and not self._may_enter(request):
            reply = Reply([b'{"error": {"code": 401, "message": "wrong key"}}'], 401, "text/json")
        elif request.path == "/lease":
            await self._lease(reader, writer)
            return False
        elif self.hangs_on is not None and _input_prefix(request) == self.hangs_on:
            reply = Reply([], then="hang")
        else:
            reply = self.replies.get(request.path) or Reply([b'{"error": "no route"}'], 404)
        _write_head(writer, reply)
        for chunk in reply.chunks:
            _write_chunk(writer, chunk)
            await writer.drain()
        if reply.then == "hang":
            assert not await reader.read(1), "a client sends nothing while it reads"
            self.aborted.put_nowait(request.path)
            return False
        if reply.then == "drop":
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    def _may_enter(self, request: Request) -> bool:
        return self.key is None or request.headers.get("authorization") == f"Bearer {self.key}"

    def _proof(self, nonce: str) -> Reply:
        signed = f"midfill proof {nonce}".encode()
        proof = hmac.new((self.key or "").encode(), signed, hashlib.sha256).hexdigest()
        return Reply([json.dumps({"proof": proof}).encode()], content_type="application/json")

    async def _lease(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _write_head(writer, Reply([]))
        self.num_leases += 1
        _write_chunk(writer, event({"pid": os.getpid(), "leases": self.num_leases}))
        self.lease_changed.set()
        try:
            await reader.read(1)
        finally:
            self.num_leases -= 1
            self.lease_changed.set()


def _input_prefix(request: Request) -> object:
    body: dict[str, object] = request.body or {}
    return body.get("input_prefix")


async def _read_request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ")
    pairs = (line.split(": ", 1) for line in lines if line)
    headers = {name.lower(): value for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, json.loads(body) if body else None)


def _write_head(writer: asyncio.StreamWriter, reply: Reply) -> None:
    head = f"HTTP/1.1 {reply.status} X\r\nContent-Type: {reply.content_type}\r\n"
    writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())


def _write_chunk(writer: asyncio.StreamWriter, chunk: bytes) -> None:
    writer.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
