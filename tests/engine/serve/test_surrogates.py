"""Half a surrogate pair, which JSON can spell and UTF-8 cannot, breaks no reply."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.engine.serve.chat_conversations import QUESTION, ROUTE, TOOL
from tests.engine.serve.conftest import sse_values
from tests.engine.serve.fakes import FakeEngine, finished, token

_CALL = r'{"name": "add", "arguments": {"a": "\ud83d"}}'


@pytest.mark.parametrize("stream", [False, True])
async def test_in_a_call(chat: httpx.AsyncClient, engine: FakeEngine, stream: bool) -> None:
    """The stream broke off without an end, the other reply was a 500."""
    engine.script = (token(_CALL), finished("eos_token"))
    reply = await chat.post(ROUTE, json={**QUESTION, "tools": [TOOL], "stream": stream})
    assert reply.status_code == 200
    if not stream:
        choice = reply.json()["choices"][0]
        arguments = choice["message"]["tool_calls"][0]["function"]["arguments"]
    else:
        *chunks, done = sse_values(reply.text)
        assert done == "[DONE]"
        choice = chunks[-1]["choices"][0]
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
        calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
        arguments = "".join(call["function"]["arguments"] for call in calls)
    assert choice["finish_reason"] == "tool_calls"
    assert json.loads(arguments) == {"a": "\ufffd"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"tools": [TOOL], "tool_choice": "\ud800"}, "Tool with name \ufffd not found"),
        ({"logit_bias": {"\ud800x": 1}}, "Given: \ufffdx"),
    ],
)
async def test_in_what_a_refusal_quotes(
    chat: httpx.AsyncClient, body: dict[str, Any], words: str
) -> None:
    """The refusal could not be written: a 500, and the connection broke."""
    reply = await chat.post(ROUTE, content=json.dumps({**QUESTION, **body}))
    assert reply.status_code == 422
    assert words in reply.json()["error"]["message"]
