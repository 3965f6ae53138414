"""No text comes for a request that has had its reply: a cancel and a delta in one turn."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes import FakeBackend
from tests.lsp.in_process import InProcess

URI = "file:///add.py"


def progress(editor: InProcess) -> list[str]:
    told = [item for item in editor.received if item.get("method") == "$/progress"]
    return [item["params"]["token"] for item in told]


ASKED: dict[str, dict[str, object]] = {
    "midfill/completion": {
        "textDocument": {"uri": URI},
        "position": {"line": 1, "character": 11},
        "context": {"triggerKind": 1},
    },
    "midfill/chat": {"messages": [{"role": "user", "content": "hi"}]},
}


@pytest.mark.parametrize("num_turns", range(4))
@pytest.mark.parametrize("method", ASKED)
async def test_a_cancel_is_the_last_word(method: str, num_turns: int) -> None:
    # The delta's task had been woken when the cancel came, and sent its text after the reply.
    gate = asyncio.Event()
    backend = FakeBackend(deltas=["a", " + b", " + c"], gate=gate)
    editor = InProcess(backend)
    await editor.initialize()
    editor.open(URI, "def add(a, b):\n    return \n")
    params = {**ASKED[method], "partialResultToken": "ghost"}
    msg_id, reply = editor.begin(method, params)
    await asyncio.wait_for(backend.started.wait(), 30)
    gate.set()
    for _ in range(num_turns):
        await asyncio.sleep(0)
    num_told = len(progress(editor))
    editor.cancel(msg_id)
    assert reply.done()
    await editor.shut_down()  # runs everything to its end
    assert len(progress(editor)) == num_told
