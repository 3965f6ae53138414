"""A real `midfill lsp` speaks section 2 of docs/protocol.md."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest

from midfill_lsp.cli.program import program
from midfill_lsp.cli.rpc import Connection
from tests.contract.examples import shape
from tests.lsp.backend.fake_engine import FakeEngine, Reply, chat_event

pytestmark = pytest.mark.e2e
ITEM_KEYS = {"insertText", "range", "command"}


async def test_completion(page: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDFILL_API_KEY", "secret")
    request = page["request midfill/completion"]
    progress: list[dict[str, Any]] = []

    def notified(method: str, params: dict[str, Any]) -> None:
        if method == "$/progress" and params["token"] == request["partialResultToken"]:
            progress.append(params)

    def ended(reason: str) -> None:
        pass

    async with FakeEngine() as engine:
        argv = [*program("midfill", "midfill_lsp.cli"), "lsp", "--engine-url", engine.url]
        server = await Connection.open(argv, notified, ended)
        answer = await asyncio.wait_for(_complete(server, request), 30)
        status = await server.request("workspace/executeCommand", {"command": "midfill.status"})
        await server.aclose(politely=True)
    (item,) = answer["items"]
    assert set(item) == ITEM_KEYS
    assert item["insertText"] == "a + b"
    assert item["command"]["command"] == "midfill.accepted"
    assert progress
    documented = page["progress midfill/completion"]
    assert all(shape(value) == shape(documented) for value in progress)
    texts = [value["value"]["insertText"] for value in progress]
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert item["insertText"].startswith(texts[-1])
    assert {json.dumps(value["value"]["command"]) for value in progress} == {
        json.dumps(item["command"])
    }
    assert {"state", "reason", "backend", "model", "engine"} <= set(status)
    assert set(status["engine"]) == {"url", "pid", "version", "note"}


async def _complete(server: Connection, request: dict[str, Any]) -> dict[str, Any]:
    await server.request("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
    await server.notify("initialized", {})
    text = "def add(a, b):\n    return \n"
    document = {
        "uri": request["textDocument"]["uri"],
        "languageId": "python",
        "version": 1,
        "text": text,
    }
    await server.notify("textDocument/didOpen", {"textDocument": document})
    reply: dict[str, Any] = await server.request("midfill/completion", request)
    return reply


@pytest.mark.parametrize("method", ["midfill/chat", "midfill/edit"])
async def test_chat_and_edit(
    page: dict[str, Any], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setenv("MIDFILL_API_KEY", "secret")
    request, documented = page[f"request {method}"], page[f"reply {method}"]
    progress: list[dict[str, Any]] = []

    def notified(name: str, params: dict[str, Any]) -> None:
        if name == "$/progress" and params["token"] == request["partialResultToken"]:
            progress.append(params)

    if method == "midfill/chat":
        said = documented["content"]
    else:
        (change,) = documented["edit"]["documentChanges"]
        said = f"```python\n{change['edits'][0]['newText']}```\n"
    pieces = [said[idx : idx + 7] for idx in range(0, len(said), 7)]
    async with FakeEngine() as engine:
        chunks = [*map(chat_event, pieces), chat_event("", "stop")]
        engine.replies["/v1/chat/completions"] = Reply(chunks)
        argv = [*program("midfill", "midfill_lsp.cli"), "lsp", "--engine-url", engine.url]
        server = await Connection.open(argv, notified, lambda _reason: None)
        answer = await asyncio.wait_for(_ask(server, method, request), 30)
        await server.aclose(politely=True)
    assert answer == documented
    assert progress
    assert all(shape(value) == shape(page[f"progress {method}"]) for value in progress)


async def _ask(server: Connection, method: str, request: dict[str, Any]) -> dict[str, Any]:
    await server.request("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
    await server.notify("initialized", {})
    document = {"uri": "file:///add.py", "languageId": "python", "version": 1}
    text = "def add(a, b):\n    a + b\n"
    await server.notify("textDocument/didOpen", {"textDocument": {**document, "text": text}})
    reply: dict[str, Any] = await server.request(method, request)
    return reply
