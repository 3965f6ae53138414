"""What `/v1/chat/completions` refuses, in OpenAI's form and TGI's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from midfill_engine.serve.served import Served
from tests.engine.serve.chat_conversations import QUESTION, ROUTE, TOOL
from tests.engine.serve.conftest import client_of
from tests.engine.serve.fakes import FakeEngine

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"messages": None}, "missing field `messages`"),
    ({"messages": []}, "`messages` cannot be empty"),
    ({"messages": "Hi"}, "`messages` must be a list"),
    ({"messages": ["Hi"]}, "`messages[0]` must be an object"),
    ({"messages": [{"content": "x"}]}, "`messages[0].role`"),
    ({"messages": [{"role": "a|>", "content": "x"}]}, "`messages[0].role`"),
    ({"messages": [{"role": "user"}]}, "`messages[0]` must have `content`"),
    ({"messages": [{"role": "user", "content": 3}]}, "`messages[0].content`"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        "`messages[0].content[0]`: image_url parts are not supported",
    ),
    ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "`messages[0].content[0]`"),
    ({"messages": [{"role": "user", "content": "x", "name": 3}]}, "`messages[0].name`"),
    (
        {"messages": [{"role": "assistant", "tool_calls": [{}]}]},
        "`messages[0].tool_calls[0]`",
    ),
    ({"max_tokens": 0}, "`max_tokens` must be strictly positive"),
    ({"max_tokens": 200}, "`messages` tokens + `max_tokens` must be <= 200"),
    ({"max_completion_tokens": 200}, "`messages` tokens + `max_completion_tokens` must be <="),
    ({"messages": [{"role": "user", "content": "x" * 300}]}, "`messages` must have less than 200"),
    ({"temperature": 3}, "`temperature`"),
    ({"presence_penalty": 3}, "`presence_penalty`"),
    ({"logit_bias": {"x": 1}}, "`logit_bias`"),
    ({"logit_bias": {"99999": 1}}, "`logit_bias`"),
    ({"logit_bias": {"0000000000000099999": 1}}, "`logit_bias`"),
    ({"top_logprobs": 2}, "`top_logprobs` needs `logprobs`"),
    ({"logprobs": True, "top_logprobs": 21}, "`top_logprobs` must be >= 0 and <= 20"),
    ({"n": 9}, "`n` must be >= 1 and <= 8"),
    ({"stop": ["a"] * 5}, "`stop` supports up to 4"),
    ({"audio": {"voice": "x"}}, "`audio` is not supported"),
    ({"modalities": ["audio"]}, "`modalities` is not supported"),
    ({"response_format": {"type": "xml"}}, "response_format"),
    ({"documents": [3]}, "`documents`"),
    ({"chat_template_kwargs": {"messages": []}}, "`chat_template_kwargs`"),
    ({"tools": [TOOL], "tool_choice": "sub"}, "Tool with name sub not found"),
    ({"response_format": {"type": "json_schema"}}, "response_format"),
    (
        {"tools": [TOOL], "response_format": {"type": "json_object"}},
        "Grammar and tools are mutually exclusive",
    ),
]


@pytest.mark.parametrize(("change", "words"), REFUSED)
async def test_refusals(
    chat: httpx.AsyncClient, engine: FakeEngine, change: dict[str, Any], words: str
) -> None:
    reply = await chat.post(ROUTE, json={**QUESTION, **change})
    assert reply.status_code == 422
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert words in error["message"]
    assert engine.requests == []


ALTERNATE = (
    "{% if messages[0].role != 'user' %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{% endif %}ok"
)


@pytest.mark.parametrize("route", [ROUTE, f"/models/owner/tiny{ROUTE}"])
async def test_roles_out_of_order_get_the_templates_words(
    engine: FakeEngine, serve: Callable[..., Served], route: str
) -> None:
    async with client_of(serve(engine, ALTERNATE)) as client:
        wrong = {"messages": [{"role": "assistant", "content": "x"}]}
        reply = await client.post(route, json=wrong)
        assert reply.status_code == 422
        assert reply.json()["error"] == {
            "message": "Template error: Conversation roles must alternate "
            "user/assistant/user/assistant/...",
            "type": "invalid_request_error",
            "param": None,
            "code": "template_error",
        }
        reply = await client.post("/chat_tokenize", json=wrong)
        assert reply.json()["error_type"] == "template_error"
        assert (await client.post(route, json=QUESTION)).status_code == 200


async def test_a_model_without_a_format_says_so(client: httpx.AsyncClient) -> None:
    reply = await client.post(ROUTE, json=QUESTION)
    assert reply.status_code == 422
    error = reply.json()["error"]
    assert error["code"] == "template_error"
    assert "owner/tiny cannot chat" in error["message"]
    assert "chat_template.jinja" in error["message"]
    assert (await client.get("/info")).json()["midfill"]["chat"] == "none"
