"""Client libraries that nobody here wrote, chatting with a real tiny model over a real socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import jsonschema
import pytest
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from openai import OpenAI, UnprocessableEntityError

from midfill_engine.config import EngineConfig, ModelConfig
from midfill_engine.serve.load import load_served
from midfill_engine.serve.served import Served
from tests.engine.serve.chat_models import write_chat_model
from tests.engine.serve.conftest import AUTH, KEY, LiveServer, sse_values

MESSAGES: Any = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "def f():"},
]
SCHEMA = {
    "type": "object",
    "properties": {"place": {"type": "string", "enum": ["here", "there"]}},
    "required": ["place"],
    "additionalProperties": False,
}
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Its name is one of those that the announcement has, with a slash."""
    folder: Path = write_chat_model(tmp_path_factory.mktemp("model") / "tiny")
    model = ModelConfig(source=str(folder), name="owner/tiny", device="cpu", max_memory_mb=2048)
    served = load_served(EngineConfig(model=model))
    yield served
    served.engine.close()


@pytest.fixture
def url(tiny: Served, start_server: Callable[..., LiveServer]) -> str:
    return start_server(tiny).url


def hugging_face(url: str) -> Any:  # noqa: ANN401  # untyped in part
    return InferenceClient(model=url, token=KEY)


def test_hugging_face_client(url: str) -> None:
    client = hugging_face(url)
    whole = client.chat_completion(MESSAGES, max_tokens=6, temperature=0, logprobs=True)
    choice = whole.choices[0]
    assert choice.finish_reason in {"length", "stop"}
    assert choice.message.role == "assistant"
    assert whole.usage.completion_tokens <= 6
    stream = client.chat_completion(MESSAGES, max_tokens=6, temperature=0, stream=True)
    deltas = [chunk.choices[0].delta for chunk in stream]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == choice.message.content


async def test_hugging_face_client_on_the_models_own_route(url: str) -> None:
    own = f"{url}/models/owner/tiny"
    async with cast("Any", AsyncInferenceClient(model=own, token=KEY)) as client:
        whole = await client.chat_completion(MESSAGES, max_tokens=6, seed=3)
        stream = await client.chat_completion(MESSAGES, max_tokens=6, seed=3, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == whole.choices[0].message.content


def test_hugging_face_client_calls_tools_and_asks_for_a_schema(url: str) -> None:
    client = hugging_face(url)
    called = client.chat_completion(
        MESSAGES, tools=TOOLS, tool_choice=cast("Any", "required"), max_tokens=200
    )
    assert called.choices[0].message.tool_calls is not None
    assert called.choices[0].message.tool_calls[0].function.name == "weather"
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}
    formed = client.chat_completion(MESSAGES, response_format=wanted, max_tokens=200)
    jsonschema.validate(json.loads(formed.choices[0].message.content or ""), SCHEMA)


def test_hugging_face_client_is_told_why(url: str) -> None:
    client = hugging_face(url)
    with pytest.raises(HfHubHTTPError, match="must be strictly positive"):
        client.chat_completion(MESSAGES, max_tokens=0)


@pytest.fixture
def openai(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


def test_openai_client(openai: OpenAI) -> None:
    create = openai.chat.completions.create
    whole = create(model="owner/tiny", messages=MESSAGES, temperature=0, max_tokens=5)
    assert whole.usage is not None
    assert whole.usage.completion_tokens <= 5
    options: Any = {"include_usage": True}
    *chunks, last = create(
        model="owner/tiny",
        messages=MESSAGES,
        temperature=0,
        max_tokens=5,
        stream=True,
        stream_options=options,
    )
    assert last.usage is not None
    assert last.usage.total_tokens == whole.usage.total_tokens
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason


def test_openai_client_on_the_models_own_route(url: str) -> None:
    """The announcement's Messages API: the base URL names the model."""
    with OpenAI(base_url=f"{url}/models/owner/tiny/v1/", api_key=KEY, max_retries=0) as client:
        stream = client.chat.completions.create(
            model="owner/tiny", messages=MESSAGES, stream=True, max_tokens=5
        )
        assert [chunk.choices[0].finish_reason for chunk in stream][-1] in {"length", "stop"}


def test_openai_client_reads_log_probabilities_and_several_answers(openai: OpenAI) -> None:
    found = openai.chat.completions.create(
        model="owner/tiny",
        messages=MESSAGES,
        max_completion_tokens=5,
        n=3,
        seed=1,
        logprobs=True,
        top_logprobs=2,
    )
    assert len({choice.message.content for choice in found.choices}) > 1
    for choice in found.choices:
        assert choice.logprobs is not None
        tokens = choice.logprobs.content or []
        written = b"".join(bytes(token.bytes or []) for token in tokens)
        assert written.decode("utf-8", "replace").startswith(choice.message.content or "")
        assert all(len(token.top_logprobs) == 2 for token in tokens)


@pytest.mark.parametrize("stream", [False, True])
def test_openai_client_calls_tools(openai: OpenAI, stream: bool) -> None:
    asked: dict[str, Any] = {
        "model": "owner/tiny",
        "messages": MESSAGES,
        "tools": TOOLS,
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "max_tokens": 200,
        "seed": 5,
    }
    create = cast("Any", openai.chat.completions.create)
    if stream:
        name, arguments, reason = "", "", None
        for chunk in create(**asked, stream=True):
            calls: list[Any] = chunk.choices[0].delta.tool_calls or []
            for call in calls:
                name += call.function.name or ""
                arguments += call.function.arguments or ""
            reason = chunk.choices[0].finish_reason
    else:
        (found,) = create(**asked).choices
        (call,) = found.message.tool_calls
        assert call.type == "function"
        name, arguments = call.function.name, call.function.arguments
        reason = found.finish_reason
    assert (name, reason) == ("weather", "tool_calls")
    jsonschema.validate(json.loads(arguments), SCHEMA)


def test_openai_client_follows_a_conversation_with_results(openai: OpenAI) -> None:
    function = {"name": "weather", "arguments": '{"place": "here"}'}
    turns = [
        *MESSAGES,
        {
            "role": "assistant",
            "tool_calls": [{"id": "1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "1", "content": "sunny"},
    ]
    found = openai.chat.completions.create(
        model="owner/tiny", messages=cast("Any", turns), tools=TOOLS, max_tokens=3
    )
    assert found.choices[0].finish_reason is not None


def test_openai_client_is_told_why(openai: OpenAI) -> None:
    with pytest.raises(UnprocessableEntityError) as caught:
        openai.chat.completions.create(
            model="owner/tiny", messages=MESSAGES, response_format=cast("Any", {"type": "xml"})
        )
    assert "response_format" in str(caught.value)


def test_a_growing_conversation_is_computed_once(url: str) -> None:
    """The prompt of the next turn begins with this one's, token for token."""
    route, question = "/v1/chat/completions", {"role": "user", "content": "def f():"}
    with httpx.Client(base_url=url, headers=AUTH, timeout=30) as client:
        body: dict[str, Any] = {"messages": [question], "max_tokens": 8, "temperature": 0}
        first = client.post(route, json=body).json()
        told = first["choices"][0]["message"]["content"].strip() or "x"
        body["messages"] = [question, {"role": "assistant", "content": told}, question]
        second = client.post(route, json=body).json()
        reply = client.post(route, json={**body, "stream": True})
    cached = second["usage"]["prompt_tokens_details"]["cached_tokens"]
    assert cached >= first["usage"]["prompt_tokens"] - 1
    assert sse_values(reply.text)[-1] == "[DONE]"
