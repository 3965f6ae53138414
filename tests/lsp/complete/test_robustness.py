"""Storms of cancels, documents that are not there, backends that hang, die or stream garbage.

Every request has one reply, and nothing is left behind.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from midfill_lsp.backend.base import StreamEnd
from midfill_lsp.errors import BackendError, BadReply, ConnectionLost, EngineGone
from tests.lsp.complete.world import HandBackend, settle
from tests.lsp.in_process import InProcess

URI = "file:///a.py"
CODE = "import os\n\nvalue = \n"
METHOD = "textDocument/inlineCompletion"
CANCELLED = -32800


def asking(uri: str = URI, character: int = 8, kind: int = 2) -> dict[str, Any]:
    return {
        "textDocument": {"uri": uri},
        "position": {"line": 2, "character": character},
        "context": {"triggerKind": kind},
    }


def typing(editor: InProcess, version: int, character: int, text: str) -> None:
    place = {"line": 2, "character": character}
    editor.change(URI, version, {"range": {"start": place, "end": place}, "text": text})


@pytest_asyncio.fixture
async def backend() -> HandBackend:
    return HandBackend()


@pytest_asyncio.fixture
async def editor(backend: HandBackend) -> AsyncIterator[InProcess]:
    editor = InProcess(backend)
    await editor.initialize(debounceMs=0, graceMs=0, candidates=1)
    editor.open(URI, CODE)
    editor.open("file:///first.py", CODE)
    _, reply = editor.begin(METHOD, asking("file:///first.py"))
    await backend.came.wait()  # the grammar is loaded in a thread, once
    backend.streams.pop().end()
    await reply
    editor.window.metrics.streams.clear()
    yield editor
    await editor.shut_down()
    replies = Counter(item["id"] for item in editor.received if "method" not in item)
    assert set(replies.values()) == {1}, "a request with more than one reply"
    await settle()
    assert not backend.open_streams
    assert len(asyncio.all_tasks()) == 1


async def test_a_storm_of_cancels(editor: InProcess, backend: HandBackend) -> None:
    replies: list[asyncio.Future[Any]] = []
    for idx in range(400):
        if idx % 3 == 0:
            typing(editor, idx + 2, 8, "x")
        msg_id, reply = editor.begin(METHOD, asking(character=8 + idx % 2, kind=1 + idx % 2))
        replies.append(reply)
        if idx % 5 == 0:
            await asyncio.sleep(0)
        if idx % 7 == 0:
            await settle()
        editor.cancel(msg_id)
        editor.cancel(msg_id)  # twice is no error
        assert reply.done(), "a cancel is answered at once"
    codes = [reply.result().get("error", {}).get("code") for reply in replies]
    assert set(codes) <= {CANCELLED, None}
    assert codes.count(CANCELLED) > 300
    await settle()
    assert not backend.open_streams, "the grace period is over"
    task = asyncio.create_task(editor.request(METHOD, asking(kind=1)))
    await settle()
    backend.streams[-1].push("first", StreamEnd("eos"))
    assert [item["insertText"] for item in (await task)["items"]] == ["first"]


@pytest.mark.parametrize("uri", ["file:///unknown.py", "", "untitled:\ud83d"])
async def test_an_unknown_document(editor: InProcess, uri: str) -> None:
    assert (await editor.request(METHOD, asking(uri)))["items"] == []
    assert (await editor.command("midfill.explain"))["outcome"] == "skipped"


async def test_a_document_that_is_closed_while_it_waits(
    editor: InProcess, backend: HandBackend
) -> None:
    _, reply = editor.begin(METHOD, asking())
    await backend.stream(0)
    editor.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
    assert (await reply)["result"]["items"] == []
    await settle()
    assert backend.streams[0].was_aborted
    assert (await editor.request(METHOD, asking()))["items"] == []
    status = await editor.command("midfill.status")
    assert status["metrics"]["streams"] == {"begun": 1, "aborted_closed": 1}


async def test_a_backend_that_hangs(editor: InProcess, backend: HandBackend) -> None:
    msg_id, reply = editor.begin(METHOD, asking())
    await backend.stream(0)
    assert not reply.done()
    editor.cancel(msg_id)
    assert (await reply)["error"]["code"] == CANCELLED
    # The fixture shuts down while another one hangs.
    _, hanging = editor.begin(METHOD, asking())
    await backend.stream(0)
    await settle()
    await editor.command("midfill.status")
    assert len(backend.open_streams) == 1
    hanging.add_done_callback(lambda done: done.exception())


@pytest.mark.parametrize(
    "failure", [EngineGone("gone"), ConnectionLost("lost"), BadReply("nonsense"), BackendError("?")]
)
async def test_a_backend_that_dies(
    editor: InProcess, backend: HandBackend, failure: BackendError
) -> None:
    for parts in ([], ["fir"]):
        num_streams = len(backend.streams)
        _, reply = editor.begin(METHOD, asking(kind=1))
        (await backend.stream(num_streams)).push(*parts, failure)
        assert (await reply)["result"]["items"] == []
        assert (await editor.command("midfill.explain"))["outcome"] == "error"


async def test_a_backend_with_a_bug(editor: InProcess, backend: HandBackend) -> None:
    _, reply = editor.begin(METHOD, asking())
    (await backend.stream(0)).push(RuntimeError("users' code"))
    answer = await reply
    assert answer["error"]["code"] == -32603
    assert "users' code" not in answer["error"]["message"]


@pytest.mark.parametrize(
    "garbage",
    [
        ["\0" * 50],
        ["\r", "\n", "\r\n", "\n"],
        ["\ud83d", "\ude00"],
        ["<|fim_middle|>", "<EOT>"],
        ["\u2028\x0b\x0c"],
        [")" * 100],
        [" " * 10_000],
    ],
)
async def test_a_backend_that_streams_garbage(
    editor: InProcess, backend: HandBackend, garbage: list[str]
) -> None:
    _, reply = editor.begin(METHOD, asking())
    (await backend.stream(0)).push(*garbage, StreamEnd("eos"))
    for item in (await reply)["result"]["items"]:
        assert item["insertText"].strip()


async def test_a_backend_that_never_ends(editor: InProcess, backend: HandBackend) -> None:
    _, reply = editor.begin(METHOD, asking())
    stream = await backend.stream(0)
    rounds = 0
    while not reply.done() and rounds < 100:
        stream.push("".join(f"v{rounds}x{idx} " for idx in range(100)))
        rounds += 1
        await settle()
    assert reply.done(), "the text has no bound"
    assert stream.was_aborted
