"""`/invocations`: three kinds of bodies on one route."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.engine.serve.conftest import sse_values
from tests.engine.serve.fakes import FakeEngine


async def test_inputs_are_tgis(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    body: dict[str, Any] = {"inputs": "def", "parameters": {"do_sample": True}}
    first = await client.post("/invocations", json=body)
    reply = await client.post("/invocations", json=body)
    assert first.json() == reply.json() == [{"generated_text": "defhi"}]
    assert reply.headers["x-compute-type"] == "cpu"
    assert len(engine.requests) == 2
    assert engine.requests[0].max_new_tokens > 20
    reply = await client.post("/invocations", json={**body, "stream": True})
    assert sse_values(reply.text)[-1]["generated_text"] == "defhi"
    reply = await client.post("/invocations", json={**body, "parameters": {"temperature": 0}})
    assert reply.status_code == 422


async def test_prompts_are_openais(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    body = {"prompt": "def", "max_tokens": 3}
    reply = (await client.post("/invocations", json=body)).json()
    assert (reply["object"], reply["choices"][0]["text"]) == ("text_completion", "hi")
    assert engine.requests[0].max_new_tokens == 3
    streamed = await client.post("/invocations", json={**body, "stream": True})
    assert sse_values(streamed.text)[-1] == "[DONE]"


@pytest.mark.parametrize("body", [{}, {"inputs": None}, {"prompt": {}}, {"prompt": "x", "n": -1}])
async def test_errors_are_tgis(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    reply = await client.post("/invocations", json=body)
    assert reply.status_code == 422
    assert reply.json()["error_type"] == "validation"
