"""Messages that cross: documents, settings and failures that change while a request runs."""

from __future__ import annotations

import pytest

from tests.lsp.conftest import StartServer
from tests.lsp.test_server import CODE, URI, at, ready

pytestmark = pytest.mark.e2e


async def test_a_document_that_was_opened_anew_is_another(start_server: StartServer) -> None:
    # The version is 1 again, and the reply was taken for one of the new text.
    async with start_server(deltas=["a", " + b"], gated=True) as fake:
        client = fake.client
        await ready(client)
        msg_id = await client.begin("textDocument/inlineCompletion", at(1, 11))
        await fake.event("first")
        await client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        await client.open(URI, "import os\n\n\n\n")
        await client.request("workspace/executeCommand", {"command": "midfill.status"})
        await fake.open_gates()
        assert (await client.reply(msg_id))["result"]["items"] == []


async def test_the_handshakes_settings_hold_before_the_editors_come(
    start_server: StartServer,
) -> None:
    # A request that overtook the reply to workspace/configuration went to the default engine.
    async with start_server(deltas=["x"]) as fake:
        client = fake.client
        client.ignored.add("workspace/configuration")
        await client.initialize(
            {"midfill": {"completion": {"enabled": False}}},
            capabilities={"workspace": {"configuration": True}},
        )
        await client.open(URI, CODE)
        await client.wait_for(lambda item: item.get("method") == "workspace/configuration")
        result = await client.request("textDocument/inlineCompletion", at(1, 11))
        assert result["items"] == []


async def test_json_nested_too_deep_is_refused(start_server: StartServer) -> None:
    # The parser's RecursionError ended the server.
    async with start_server(deltas=["x"]) as fake:
        await ready(fake.client)
        await fake.client.send_body(b"[" * 200_000)
        assert (await fake.client.reply(None))["error"]["code"] == -32700
        assert await fake.client.shut_down() == 0
