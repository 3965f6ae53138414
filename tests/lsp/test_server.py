"""The server over a real stdio process: handshake, completion, cancellation, partial results."""

from __future__ import annotations

from typing import Any

import pytest

from tests.client import LspClient
from tests.lsp.conftest import StartServer

pytestmark = pytest.mark.e2e

URI = "file:///add.py"
CODE = "def add(a, b):\n    return \n"


def at(line: int, character: int, trigger: int = 1) -> dict[str, Any]:
    return {
        "textDocument": {"uri": URI},
        "position": {"line": line, "character": character},
        "context": {"triggerKind": trigger},
    }


async def ready(client: LspClient, code: str = CODE, language_id: str = "python") -> None:
    await client.initialize()
    await client.open(URI, code, language_id)


async def test_completes_at_the_cursor(start_server: StartServer) -> None:
    async with start_server(deltas=["a ", "+ b", "\nprint"]) as fake:
        await ready(fake.client)
        result = await fake.client.request("textDocument/inlineCompletion", at(1, 11))
        (item,) = result["items"]
        assert item["insertText"] == "a + b"
        assert item["range"]["start"] == item["range"]["end"] == {"line": 1, "character": 11}
        assert item["command"]["command"] == "midfill.accepted"
        asked = await fake.event("infill")
        assert (asked["prefix"], asked["suffix"]) == ("def add(a, b):\n    return ", "\n")
        assert await fake.client.shut_down() == 0
        await fake.event("closed")
