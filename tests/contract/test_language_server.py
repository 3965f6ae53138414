"""A real `midfill lsp` speaks section 2 of docs/protocol.md."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from midfill_lsp.cli.program import program
from midfill_lsp.cli.rpc import Connection
from tests.contract.examples import shape
from tests.lsp.backend.fake_engine import FakeEngine

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
