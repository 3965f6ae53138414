"""JSON nested so deep that code behind the reader would run out of stack: refused, 422, everywhere.

It ended in an uncaught RecursionError where a body was written again: for the cache of replies, a
template, a schema.
"""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from midfill_engine.serve.nesting import MAX_DEPTH, is_too_deep
from midfill_engine.serve.operations import OPERATIONS
from midfill_engine.serve.served import Served
from midfill_engine.serve.tool_calls import AnswerReader, CallStart
from midfill_engine.serve.tools import Tools
from tests.engine.serve.chat_models import load_chat
from tests.engine.serve.conftest import client_of

DEPTHS = (MAX_DEPTH, 400, 990, 20_000)
"""From the bound to past Python's recursion limit and past the reader's."""
TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}"
CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "x"}]}
TEXT: dict[str, Any] = {"inputs": "x", "input_prefix": "x", "input_suffix": "", "prompt": "x"}
FIELDS = (
    *("zzz", "parameters", "options", "tools", "tool_choice", "response_format", "documents"),
    *("chat_template_kwargs", "json_schema", "grammar", "input_extra", "logit_bias", "messages"),
)
PATHS = sorted(
    {
        path.replace("{model_id:path}", "owner/tiny").replace("{model:path}", "owner/tiny")
        for method, _, path in (key.partition(" ") for key in OPERATIONS)
        if method == "POST" and path not in ("/models/load", "/models/unload")
    }
)


def nested(rng: random.Random, depth: int) -> str:
    """A random nest of objects and lists, as text: `json.dumps` would not write it."""
    marks = [rng.choice((("[", "]"), ('{"a":', "}"), ("[1,", "]"))) for _ in range(depth)]
    return "".join(left for left, _ in marks) + "0" + "".join(right for _, right in marks[::-1])


def test_the_bound() -> None:
    rng = random.Random(1)
    for depth in (0, 1, 5, MAX_DEPTH - 1, MAX_DEPTH):
        assert not is_too_deep(json.loads(nested(rng, depth)))
    assert is_too_deep(json.loads(nested(rng, MAX_DEPTH + 1)))


@pytest.fixture
async def chatting(served: Served, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    tokenizer, chat = load_chat(tmp_path, TEMPLATE)
    async with client_of(replace(served, tokenizer=tokenizer, chat=chat)) as client:
        yield client


@pytest.mark.parametrize("path", PATHS)
async def test_each_route_refuses_it(chatting: httpx.AsyncClient, path: str) -> None:
    rng = random.Random(path)
    for depth in DEPTHS:
        for field in rng.sample(FIELDS, 4):
            text = json.dumps({**TEXT, **CHAT, field: None})
            text = text.replace(f'"{field}": null', f'"{field}": {nested(rng, depth)}')
            reply = await chatting.post(path, content=text)
            assert reply.status_code == 422, (field, depth)
            assert "nested more than 128 levels deep" in reply.text


@pytest.mark.parametrize("depth", DEPTHS)
async def test_so_is_a_schema_that_comes_as_text(chatting: httpx.AsyncClient, depth: int) -> None:
    schema = '{"a": ' + nested(random.Random(depth), depth) + "}"
    parameters = {"grammar": {"type": "json", "value": schema}}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    for path, body in (
        ("/generate", {"inputs": "x", "parameters": parameters}),
        ("/infill", {**TEXT, "json_schema": schema}),
        ("/v1/chat/completions", {**CHAT, "response_format": wanted}),
    ):
        reply = await chatting.post(path, json=body)
        assert reply.status_code == 422, path
        assert "nested more than 128" in reply.text or "the schema is no JSON" in reply.text


@pytest.mark.parametrize("depth", DEPTHS)
async def test_arguments_of_a_call_that_are_nested_too_deeply_stay_text(
    chatting: httpx.AsyncClient, depth: int
) -> None:
    arguments = '{"a": ' + nested(random.Random(depth), depth) + "}"
    call = {"type": "function", "function": {"name": "f", "arguments": arguments}}
    messages = [*CHAT["messages"], {"role": "assistant", "tool_calls": [call]}]
    reply = await chatting.post("/apply-template", json={"messages": messages})
    assert reply.status_code == 200
    assert json.dumps({"name": "f", "arguments": arguments}) in reply.json()["prompt"]


@pytest.mark.parametrize("depth", DEPTHS)
def test_an_answer_that_is_nested_too_deeply_is_no_call(depth: int) -> None:
    text = '{"name": "f", "arguments": {"a": ' + nested(random.Random(depth), depth) + "}}"
    reader = AnswerReader(Tools(({"type": "function", "function": {"name": "f"}},), "auto"))
    parts = [*reader.feed(text), *reader.finish()]
    assert not any(isinstance(part, CallStart) for part in parts)
