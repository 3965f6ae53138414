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


@pytest.mark.parametrize(
    ("offered", "chosen", "character"),
    [(None, "utf-16", 11), (["utf-16", "utf-8"], "utf-8", 13)],
)
async def test_columns_in_the_chosen_encoding(
    start_server: StartServer, offered: list[str] | None, chosen: str, character: int
) -> None:
    async with start_server(deltas=["x"]) as fake:
        answer = await fake.client.initialize(encodings=offered)
        capabilities = answer["capabilities"]
        assert capabilities["positionEncoding"] == chosen
        assert "inlineCompletionProvider" in capabilities
        assert capabilities["textDocumentSync"]["openClose"] is True
        assert capabilities["textDocumentSync"]["change"] == 2
        assert "midfill.explain" in capabilities["executeCommandProvider"]["commands"]
        await fake.client.open(URI, 's = "😀" + \r\n')
        result = await fake.client.request("textDocument/inlineCompletion", at(0, character))
        place = {"line": 0, "character": character}
        assert result["items"][0]["range"] == {"start": place, "end": place}
        assert (await fake.event("infill"))["prefix"] == 's = "😀" + '
        await fake.client.open("file:///empty.py", "")
        past_the_end = at(7, 9) | {"textDocument": {"uri": "file:///empty.py"}}
        result = await fake.client.request("textDocument/inlineCompletion", past_the_end)
        zero = {"line": 0, "character": 0}
        assert result["items"][0]["range"] == {"start": zero, "end": zero}


async def test_edits_reach_the_prompt(start_server: StartServer) -> None:
    async with start_server(deltas=["x"]) as fake:
        await ready(fake.client, "a\u2028b\r\nc = \r\n")
        place = {"line": 1, "character": 4}
        edits = [
            {"range": {"start": place, "end": place}, "text": "f("},
            {"range": {"start": {"line": 0, "character": 0}, "end": place}, "text": "😀\n"},
        ]
        await fake.client.notify(
            "textDocument/didChange",
            {"textDocument": {"uri": URI, "version": 2}, "contentChanges": edits},
        )
        await fake.client.request("textDocument/inlineCompletion", at(1, 2))
        asked = await fake.event("infill")
        assert (asked["prefix"], asked["suffix"]) == ("😀\nf(", "\n")
        await fake.client.notify(
            "textDocument/didChange",
            {"textDocument": {"uri": URI, "version": 3}, "contentChanges": [{"text": "new = "}]},
        )
        await fake.client.request("textDocument/inlineCompletion", at(0, 6))
        assert (await fake.event("infill"))["prefix"] == "new = "
        await fake.client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        result = await fake.client.request("textDocument/inlineCompletion", at(0, 6))
        assert result == {"items": []}


async def test_a_replaced_rest_is_in_the_range(start_server: StartServer) -> None:
    async with start_server(deltas=["a, b):\n"]) as fake:
        await ready(fake.client, "def f()\n")
        result = await fake.client.request("textDocument/inlineCompletion", at(0, 6))
        (item,) = result["items"]
        assert item["insertText"] == "a, b):"
        assert item["range"]["end"] == {"line": 0, "character": 7}


async def test_a_cancel_is_answered_while_the_backend_hangs(start_server: StartServer) -> None:
    async with start_server(deltas=["a ", "+ b"], gated=True) as fake:
        await ready(fake.client)
        msg_id = await fake.client.begin("textDocument/inlineCompletion", at(1, 11))
        await fake.event("first")
        await fake.client.notify("$/cancelRequest", {"id": msg_id})
        reply = await fake.client.reply(msg_id)
        assert reply["error"]["code"] == -32800
        await fake.event("aborted")
        await fake.client.notify("$/cancelRequest", {"id": msg_id})  # twice does no harm
        assert await fake.client.shut_down() == 0
        assert len(fake.client.replies(msg_id)) == 1


async def test_shutdown_cancels_what_runs(start_server: StartServer) -> None:
    async with start_server(deltas=["a ", "+ b"], gated=True) as fake:
        await ready(fake.client)
        msg_id = await fake.client.begin("textDocument/inlineCompletion", at(1, 11))
        await fake.event("first")
        assert await fake.client.shut_down() == 0
        await fake.event("aborted")
        await fake.event("closed")
        (reply,) = fake.client.replies(msg_id)
        assert reply["error"]["code"] == -32800


async def test_a_storm_of_cancels_gets_one_reply_each(start_server: StartServer) -> None:
    async with start_server(deltas=["a ", "+ b"], gated=True) as fake:
        await ready(fake.client)
        msg_ids: list[int] = []
        for _ in range(50):
            msg_ids.append(await fake.client.begin("textDocument/inlineCompletion", at(1, 11)))
            await fake.client.notify("$/cancelRequest", {"id": msg_ids[-1]})
        assert await fake.client.shut_down() == 0
        assert [len(fake.client.replies(msg_id)) for msg_id in msg_ids] == [1] * 50


async def test_partial_results_only_grow_and_come_before_the_reply(
    start_server: StartServer,
) -> None:
    deltas = ["x = 1", "\n    ", "if x:", "\n        y()\n", "    return", " x\n", "z"]
    async with start_server(deltas=deltas) as fake:
        await ready(fake.client, "def f():\r\n    \r\n")
        params = {**at(1, 4), "partialResultToken": "ghost-1"}
        result = await fake.client.request("midfill/completion", params)
        whole = "x = 1\r\n    if x:\r\n        y()\r\n    return x"
        assert result["items"][0]["insertText"] == whole
        shown = fake.client.notifications("$/progress")
        assert {value["token"] for value in shown} == {"ghost-1"}
        texts = [value["value"]["insertText"] for value in shown]
        assert len(texts) >= 3
        for shorter, longer in zip(texts, [*texts[1:], whole], strict=True):
            assert longer.startswith(shorter)
        assert len(texts) == len(set(texts))
        assert fake.client.received[-1].get("id") is not None  # the reply is the last word
        await fake.client.request("midfill/completion", at(0, 8, 1))
        assert len(fake.client.notifications("$/progress")) == len(shown)  # unasked, none
