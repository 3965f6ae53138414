"""Users' code stands in no log, no message to the editor and no file, whatever fails."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from midfill_lsp.backend.base import ChatMessage, InfillRequest, StreamEnd
from tests.fakes import FakeBackend
from tests.lsp.in_process import InProcess

CODE = "def kanari(kanari_a):\n    return kanari_a + \n"


class Crashing(FakeBackend):
    """A bug: an error that is none of ours, with the code in its text."""

    async def infill(self, request: InfillRequest) -> AsyncGenerator[str | StreamEnd, None]:
        yield "kanari_"
        raise ValueError(request.prefix)

    async def chat(
        self, messages: tuple[ChatMessage, ...], max_tokens: int
    ) -> AsyncGenerator[str | StreamEnd, None]:
        yield "kanari"
        raise KeyError(messages)


def edit_of(uri: str, instruction: object = "kanari") -> dict[str, Any]:
    place = {"start": {"line": 0, "character": 0}, "end": {"line": 1, "character": 0}}
    return {"textDocument": {"uri": uri, "version": 1}, "range": place, "instruction": instruction}


@pytest.mark.parametrize(
    "backend", [FakeBackend(deltas=["kanari_b"]), Crashing()], ids=["answers", "crashes"]
)
async def test_no_code_is_told(
    backend: FakeBackend, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "pygls")  # as the program does: pygls logs messages
    editor = InProcess(backend)
    await editor.initialize()
    uri = (tmp_path / "a.py").as_uri()
    editor.open(uri, CODE)
    position = {"line": 1, "character": 22}
    asked = {"textDocument": {"uri": uri}, "position": position, "context": {"triggerKind": 0}}
    said = {"messages": [{"role": "user", "content": "/explain kanari"}], "context": [{"uri": uri}]}
    for method, params in (
        ("textDocument/inlineCompletion", asked),
        ("textDocument/inlineCompletion", {**asked, "position": "kanari"}),
        ("midfill/completion", {**asked, "partialResultToken": "t"}),
        ("midfill/chat", said),
        ("midfill/chat", {**said, "messages": [{"role": "kanari", "content": "kanari"}]}),
        ("midfill/chat", {**said, "context": [{"uri": uri, "range": "kanari"}]}),
        ("midfill/edit", edit_of(uri)),
        ("midfill/edit", edit_of(uri, {"kanari": 1})),
        ("textDocument/kanari", {"kanari": 1}),
    ):
        _, reply = editor.begin(method, params)
        answer = await reply
        if method != "textDocument/kanari":  # its own name is told back to it
            assert "kanari" not in json.dumps(answer.get("error", ""))
    explained = await editor.request(
        "workspace/executeCommand", {"command": "midfill.explain", "arguments": []}
    )
    assert "kanari" not in json.dumps(explained)
    for change in ({"text": ["kanari"]}, {"range": "kanari", "text": "kanari"}, "kanari"):
        editor.notify(
            "textDocument/didChange",
            {"textDocument": {"uri": uri, "version": 2}, "contentChanges": [change]},
        )
    editor.notify("textDocument/didOpen", {"textDocument": {"uri": uri, "text": {"kanari": 1}}})
    await editor.request("shutdown")
    told = [m for m in editor.received if m.get("method", "").startswith("window/")]
    assert told
    assert "kanari" not in json.dumps(told)
    assert "kanari" not in caplog.text.replace("textDocument/kanari", "")
    assert "kanari" not in "".join(capfd.readouterr())
    assert files_with("kanari") == []


def files_with(text: str) -> list[Path]:
    """Return the files of the state folder that hold a text."""
    files = Path(os.environ["MIDFILL_STATE_DIR"]).rglob("*")
    return [file for file in files if file.is_file() and text.encode() in file.read_bytes()]
