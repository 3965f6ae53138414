"""From the editor's message to ghost text, over the real language server, engine and model."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from midfill_lsp.engine_process import process
from tests.client import LspClient
from tests.e2e import gated_engine
from tests.e2e.conftest import StartEditor, engine_pid, settings
from tests.lsp.engine_process.conftest import until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

URI = "file:///project/shapes.py"
TEXT = (
    "import os\n\n\nclass Shape:\n    def __init__(self, name, width, height):\n"
    "        self.name = name\n        self.width = width\n        self.hei\n"
)
LINE, CHARACTER = 7, len("        self.hei")
INVOKED = {"triggerKind": 1}


def place_at(line: int, character: int) -> dict[str, Any]:
    return {
        "textDocument": {"uri": URI},
        "position": {"line": line, "character": character},
    }


def at(line: int, character: int, **more: object) -> dict[str, Any]:
    return {**place_at(line, character), "context": INVOKED, **more}


async def ask(editor: LspClient, line: int, character: int) -> dict[str, Any]:
    """Return the best of what the standard method suggests, asked for by hand."""
    result = await editor.request("textDocument/inlineCompletion", at(line, character))
    assert 1 <= len(result["items"]) <= 3
    item: dict[str, Any] = result["items"][0]
    return item


async def explain(editor: LspClient) -> dict[str, Any]:
    command: dict[str, Any] = {"command": "midfill.explain", "arguments": []}
    result: dict[str, Any] = await editor.request("workspace/executeCommand", command)
    return result


async def type_text(editor: LspClient, version: int, line: int, character: int, text: str) -> None:
    place = {"line": line, "character": character}
    change = {"range": {"start": place, "end": place}, "text": text}
    document = {"uri": URI, "version": version}
    await editor.notify(
        "textDocument/didChange", {"textDocument": document, "contentChanges": [change]}
    )


async def test_ghost_text_and_typing_through_it(editor: LspClient) -> None:
    await editor.open(URI, TEXT)
    item = await ask(editor, LINE, CHARACTER)
    place = {"line": LINE, "character": CHARACTER}
    assert item["range"] == {"start": place, "end": place}
    assert item["insertText"].strip()
    assert "<" not in item["insertText"]
    first = await explain(editor)
    assert first["generatedTokens"] > 0
    assert not first["cacheHit"]

    typed = item["insertText"][0]
    await type_text(editor, 2, LINE, CHARACTER, typed)
    rest = await ask(editor, LINE, CHARACTER + 1)
    assert typed + rest["insertText"] == item["insertText"]
    assert (await explain(editor))["cacheHit"]


async def test_another_key_computes_only_the_new_tokens(editor: LspClient) -> None:
    await editor.open(URI, TEXT)
    item = await ask(editor, LINE, CHARACTER)
    typed = "q" if item["insertText"][0] != "q" else "x"
    await type_text(editor, 2, LINE, CHARACTER, typed)
    await editor.request("textDocument/inlineCompletion", at(LINE, CHARACTER + 1))
    told = await explain(editor)
    assert not told["cacheHit"]
    # The last word's tokens may merge anew; everything before it is in the engine's cache.
    assert told["promptTokens"] - told["cachedTokens"] <= 6
    assert told["cachedTokens"] > 30


async def test_where_the_cursor_rests_the_prompt_is_read_ahead(editor: LspClient) -> None:
    await editor.open(URI, TEXT)
    await ask(editor, LINE, CHARACTER)  # so the engine is there
    await editor.notify("midfill/didMoveCursor", place_at(1, 0))

    async def has_read() -> bool:
        command: dict[str, Any] = {"command": "midfill.status", "arguments": []}
        status = await editor.request("workspace/executeCommand", command)
        return bool(status["metrics"]["streams"].get("warmed_up"))

    while not await has_read():
        pass
    await type_text(editor, 2, 1, 0, "#")
    await editor.request("textDocument/inlineCompletion", at(1, 1))
    told = await explain(editor)
    assert told["promptTokens"] - told["cachedTokens"] <= 3
    assert told["cachedTokens"] > 30


async def test_text_only_ever_grows(editor: LspClient) -> None:
    await editor.open(URI, TEXT)
    result = await editor.request(
        "midfill/completion", at(LINE, CHARACTER, partialResultToken="ghost")
    )
    shown = [
        params["value"]["insertText"]
        for params in editor.notifications("$/progress")
        if params["token"] == "ghost"
    ]
    assert shown
    final = result["items"][0]["insertText"]
    for earlier, later in zip(shown, [*shown[1:], final], strict=True):
        assert later.startswith(earlier)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8"])
async def test_emoji_before_the_cursor(start_editor: StartEditor, encoding: str) -> None:
    line = 'names = {"🙂é": 1}; values = names.'
    character = len(line.encode("utf-16-le")) // 2 if encoding == "utf-16" else len(line.encode())
    async with start_editor() as editor:
        answer = await editor.initialize(settings(), encodings=[encoding])
        assert answer["capabilities"]["positionEncoding"] == encoding
        await editor.open(URI, f"\t# tab\r\n{line}")
        item = await ask(editor, 1, character)
        assert item["range"]["start"] == {"line": 1, "character": character}
        assert await editor.shut_down() == 0


async def test_editors_share_one_engine_until_the_last_goes(start_editor: StartEditor) -> None:
    async with start_editor() as first, start_editor() as second:
        await asyncio.gather(first.initialize(settings()), second.initialize(settings()))
        for editor in (first, second):
            await editor.open(URI, TEXT)
            await ask(editor, LINE, CHARACTER)
        pid = await engine_pid(first)
        assert pid is not None
        assert await engine_pid(second) == pid
        assert await first.shut_down() == 0
        await ask(second, LINE, CHARACTER)
        assert process.is_alive(pid)
        assert await second.shut_down() == 0
        await until(lambda: not process.is_alive(pid))


async def test_cancel_is_answered_at_once_and_an_edit_elsewhere_stops_the_engine(
    start_editor: StartEditor, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    gate.mkdir()
    command = [sys.executable, gated_engine.__file__]
    async with start_editor(MIDFILL_TEST_GATE=str(gate), PYTHONPATH=str(Path.cwd())) as editor:
        await editor.initialize(settings({"command": command}, mode="block"))
        await editor.open(URI, TEXT)
        msg_id = await editor.begin("textDocument/inlineCompletion", at(LINE, CHARACTER))
        await until(lambda: gated_engine.num_steps(gate) == 1)
        await editor.notify("$/cancelRequest", {"id": msg_id})
        reply = await editor.reply(msg_id)  # the engine's step still waits
        assert reply["error"]["code"] == -32800
        assert gated_engine.num_steps(gate) == 1

        await type_text(editor, 2, 0, 0, "#")  # until here a key could have agreed with the stream
        await explain(editor)  # answered, so the edit was read
        (gate / "open").touch()
        (log,) = (tmp_path / "state").glob("*.log")
        await until(lambda: "outcome=aborted" in log.read_text())
        assert gated_engine.num_steps(gate) <= 2
        assert len(editor.replies(msg_id)) == 1
        assert await editor.shut_down() == 0


async def test_an_engine_that_cannot_start_is_said_once(
    start_editor: StartEditor, tmp_path: Path
) -> None:
    missing = str(tmp_path / "no-such-model")
    async with start_editor() as editor:
        await editor.initialize(settings({"model": missing}))
        await editor.open(URI, TEXT)
        for _ in range(3):
            result = await editor.request("textDocument/inlineCompletion", at(LINE, CHARACTER))
            assert result["items"] == []
        (message,) = editor.notifications("window/showMessage")
        assert missing in message["message"]
        assert "\n" not in message["message"]
        assert await editor.shut_down() == 0
