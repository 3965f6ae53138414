"""A real `midfill lsp` whose engine hangs, dies or talks nonsense: each request is answered."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.client import TIMEOUT_S, LspClient, lsp_client
from tests.lsp.backend.fake_engine import LAST_EVENT, event, infill_events

pytestmark = pytest.mark.e2e

URI = "file:///add.py"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
OPEN = HEAD + b"Connection: close\r\n\r\n"


class RawEngine:
    """Reads a request and answers any bytes; then it hangs, or hangs up.

    Attributes:
        answer: what every request gets.
        hangs: whether the connection stays open afterwards.
        asked: set when a request has come.
        left: set when a client has hung up on a hanging answer.
    """

    def __init__(self) -> None:
        self.answer = b""
        self.hangs = False
        self.repeats = False
        self.asked = asyncio.Event()
        self.left = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, port: int = 0) -> int:
        """Take connections from now on, and return the port."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port)
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    async def die(self) -> None:
        """Take no connections any more, and break those that stand."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0]))
        self.asked.set()
        writer.write(self.answer)
        await writer.drain()
        while self.repeats:
            writer.write(self.answer.removeprefix(OPEN) * 100)
            await writer.drain()
        if self.hangs:
            await reader.read(1)
            self.left.set()


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[RawEngine]:
    engine = RawEngine()
    yield engine
    await engine.die()


@pytest_asyncio.fixture
async def port(engine: RawEngine) -> int:
    return await engine.listen()


@pytest_asyncio.fixture
async def editor(port: int, tmp_path: Path) -> AsyncIterator[LspClient]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MIDFILL_")}
    own = {f"MIDFILL_{name}_DIR": str(tmp_path) for name in ("STATE", "CONFIG")}
    variables = {**own, "MIDFILL_API_KEY": "secret"}
    command = [sys.executable, "-m", "midfill_lsp.cli", "lsp"]
    options = ["--engine-url", f"http://127.0.0.1:{port}"]
    async with lsp_client(*command, *options, env={**kept, **variables}) as client:
        await client.initialize({"midfill": {"completion": {"candidates": 1}}})
        yield client


async def begin(client: LspClient, version: int, trigger: int = 1) -> int:
    """Open another document, so that nothing comes out of the cache, and ask there."""
    text = f"def add{version}(a, b):\n    return \n"
    document = {"uri": URI, "languageId": "python", "version": version, "text": text}
    await client.notify("textDocument/didOpen", {"textDocument": document})
    params = {
        "textDocument": {"uri": URI},
        "position": {"line": 1, "character": 11},
        "context": {"triggerKind": trigger},
    }
    return await client.begin("textDocument/inlineCompletion", params)


async def run(client: LspClient, command: str) -> dict[str, Any]:
    result: dict[str, Any] = await client.request("workspace/executeCommand", {"command": command})
    return result


def delta(text: object) -> bytes:
    return event({"content": text, "tokens": [1], "stop": False})


NONSENSE = [
    b"",
    b"\x00\xff" * 5000,
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 500 Odd\r\nConnection: close\r\n\r\n" + b"[" * 50_000,
    b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nnot a length\r\n",
    HEAD + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + delta("x"),
    OPEN,
    OPEN + delta("x"),
    OPEN + delta("x")[:-9],
    OPEN + b"data: \xff\xfe\n\n",
    OPEN + b"data: {\n\n",
    OPEN + b"data: 17\n\n",
    OPEN + b"data: " + b"[" * 100_000 + b"\n\n",
    OPEN + delta({"text": "x"}),
    OPEN + event({"error": {"code": 424, "message": "out of memory"}}),
    OPEN + event({}) * 1000,
]
ODD_BUT_FINE = [
    OPEN + event({**LAST_EVENT, "timings": None, "tokens_evaluated": "many"}),
    OPEN + event({**LAST_EVENT, "timings": {"prompt_ms": 1e308, "queue_ms": "soon"}}),
    OPEN + delta("\x00\x1b[2J") + event(LAST_EVENT),
    OPEN + delta("\ud83d") + delta("\ude00") + event(LAST_EVENT),
    OPEN + delta("a") + event(LAST_EVENT) + b"data: after the end\n\n",
]


async def test_nonsense_gets_an_empty_reply_and_passes(
    engine: RawEngine, editor: LspClient
) -> None:
    for version, answer in enumerate([*NONSENSE, *ODD_BUT_FINE]):
        engine.answer = answer
        msg_id = await begin(editor, version)
        reply = await editor.reply(msg_id)
        assert "error" not in reply, answer[:200]
        if answer in NONSENSE:
            assert reply["result"] == {"items": []}, answer[:200]
            explanation = await run(editor, "midfill.explain")
            assert explanation["outcome"] == "error", answer[:200]
            assert explanation["detail"], answer[:200]
            assert (await run(editor, "midfill.status"))["state"] == "error"
        engine.answer = OPEN + b"".join(infill_events("a", " + b"))
        again = await editor.reply(await begin(editor, 1000 + version))
        assert [item["insertText"] for item in again["result"]["items"]] == ["a + b"]
        assert (await run(editor, "midfill.status"))["state"] == "ready"
        assert len(editor.replies(msg_id)) == 1
    told = [params["message"] for params in editor.notifications("window/showMessage")]
    assert len(told) == len(set(told)) <= 4, "at most one for a cause"
    assert "secret" not in json.dumps(editor.received)
    assert await editor.shut_down() == 0


async def test_one_that_hangs_holds_up_nothing(engine: RawEngine, editor: LspClient) -> None:
    engine.hangs = True
    asked: list[int] = []
    for answer in (b"", HEAD, OPEN, OPEN + delta("a"), OPEN + b"data: {"):
        engine.answer = answer
        engine.asked.clear()
        engine.left.clear()
        asked.append(await begin(editor, len(asked)))
        await asyncio.wait_for(engine.asked.wait(), TIMEOUT_S)
        assert (await run(editor, "midfill.status"))["state"] == "thinking"
        await editor.notify("$/cancelRequest", {"id": asked[-1]})
        assert (await editor.reply(asked[-1]))["error"]["code"] == -32800
        await asyncio.wait_for(engine.left.wait(), TIMEOUT_S)
    asked.append(await begin(editor, len(asked)))
    assert await editor.shut_down() == 0
    assert (await editor.reply(asked[-1]))["error"]["code"] == -32800
    assert [len(editor.replies(msg_id)) for msg_id in asked] == [1] * 6


async def test_one_that_never_ends_is_ended(engine: RawEngine, editor: LspClient) -> None:
    engine.repeats = True
    for version, text in enumerate(["x", "\n", "a\n", "    ", "(", "\u2028"]):
        engine.answer = OPEN + delta(text)
        reply = await editor.reply(await begin(editor, version))
        for item in reply["result"]["items"]:
            assert len(item["insertText"]) <= 48 * 64
    assert await editor.shut_down() == 0


async def test_one_that_dies_is_found_again(
    engine: RawEngine, editor: LspClient, port: int
) -> None:
    engine.answer, engine.hangs = OPEN + delta("a"), True
    broken = await begin(editor, 1)
    await asyncio.wait_for(engine.asked.wait(), TIMEOUT_S)
    await engine.die()
    assert (await editor.reply(broken))["result"] == {"items": []}
    refused = await editor.reply(await begin(editor, 2))
    assert refused["result"] == {"items": []}
    assert (await run(editor, "midfill.status"))["state"] == "error"
    for _ in range(5):  # typing goes on, and is no burden to anybody
        assert (await editor.reply(await begin(editor, 3, 2)))["result"] == {"items": []}
    assert len(editor.notifications("window/showMessage")) <= 1
    await engine.listen(port)
    engine.answer, engine.hangs = OPEN + b"".join(infill_events("a", " + b")), False
    again = await editor.reply(await begin(editor, 4))
    assert [item["insertText"] for item in again["result"]["items"]] == ["a + b"]
    assert await editor.shut_down() == 0
