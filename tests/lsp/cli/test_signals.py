"""Ctrl-C in the chat, and a language server that is killed without a last word."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

import pytest

from midfill_lsp.engine_process import process
from tests.lsp.backend.fake_engine import FakeEngine, Reply, chat_event
from tests.lsp.engine_process.conftest import Engines, engines, until

__all__ = ["engines"]

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals"),
]


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "midfill_lsp.cli",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def test_interrupt_stops_the_answer_and_not_the_chat(engine: FakeEngine) -> None:
    engine.replies["/v1/chat/completions"] = Reply([chat_event("Hello")], then="hang")
    chat = await start("chat", "--engine-url", engine.url)
    assert chat.stdin is not None
    assert chat.stdout is not None
    chat.stdin.write(b"Hi\n")
    assert await asyncio.wait_for(chat.stdout.readexactly(5), 20) == b"Hello"
    chat.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(engine.aborted.get(), 20) == "/v1/chat/completions"
    engine.replies["/v1/chat/completions"] = Reply([chat_event("Bye", "stop")])
    chat.stdin.write(b"Again\n/exit\n")
    out, _ = await asyncio.wait_for(chat.communicate(), 20)
    assert out == b"\nBye\n"
    assert chat.returncode == 0


async def test_interrupt_at_the_prompt_leaves(engine: FakeEngine) -> None:
    chat = await start("chat", "--engine-url", engine.url)
    assert chat.stdin is not None
    assert chat.stdout is not None
    chat.stdin.write(b"Hi\n")
    assert await asyncio.wait_for(chat.stdout.readline(), 20) == b"Hello you\n"
    chat.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(chat.wait(), 20) == 130
    chat.stdin.close()


async def test_reader_that_hangs_up_ends_the_chat_without_a_traceback(engine: FakeEngine) -> None:
    reading, writing = os.pipe()
    chat = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "midfill_lsp.cli", "chat", "--engine-url", engine.url),
        stdin=asyncio.subprocess.PIPE,
        stdout=writing,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(writing)
    os.close(reading)
    _, err = await asyncio.wait_for(chat.communicate(b"Hi\n"), 20)
    assert chat.returncode == 1
    assert b"Traceback" not in err


async def test_engine_ends_after_the_language_server_was_killed(engines: Engines) -> None:
    server = await start("lsp", "--no-early-start", "--engine-command", engines.command_line())
    assert server.stdin is not None
    options = {"midfill": {"engine": {"exitWhenUnusedS": 0}, "statusNotifications": True}}
    capabilities: dict[str, object] = {}
    params = {"processId": os.getpid(), "capabilities": capabilities}
    messages: list[dict[str, object]] = [
        {"id": 1, "method": "initialize", "params": {**params, "initializationOptions": options}},
        {"method": "initialized", "params": {}},
    ]
    for message in messages:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    assert server.stdout is not None
    await asyncio.wait_for(server.stdout.readuntil(b'"ready"'), 20)
    (pid,) = engines.pids()
    assert process.is_alive(pid)
    server.kill()
    await server.communicate()
    await until(lambda: not process.is_alive(pid))
