"""llama.cpp's server and Ollama against a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
import pytest_asyncio

from midfill_lsp.backend.base import ChatMessage, InfillRequest, StreamEnd
from midfill_lsp.errors import BadReply, NotServed
from tests.lsp.backend.fake_engine import LAST_EVENT
from tests.lsp.backend.fake_remote import FakeRemote, chat_chunk, js, lines, sse
from tests.lsp.backend.remotes import remote
from tests.lsp.backend.stream import REQUEST, collect

HELLO = (ChatMessage("user", "Hello"),)
PROPS = {"default_generation_settings": {"n_ctx": 2048}, "model_path": "/m/qwen2.5-coder-3b.gguf"}
CONTENT = {"content": "a + b", "stop": False}
CODER: dict[str, Any] = {
    "capabilities": ["completion", "insert"],
    "model_info": {"general.architecture": "qwen2", "qwen2.context_length": 32768},
}


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeRemote]:
    async with FakeRemote() as fake:
        yield fake


async def test_llamacpp_fills_by_itself(fake: FakeRemote) -> None:
    fake.on("/props", js(PROPS))
    fake.on("/infill", js({**LAST_EVENT, "content": "x"}), sse(CONTENT, LAST_EVENT))
    request = InfillRequest("'<|fim_pad|>' + ", "\n", "s", 8, ("\n",))
    async with aclosing(remote("llamacpp", fake.url)) as backend:
        texts, end = await collect(backend.infill(request))
        can = backend.describe()["capabilities"]
    assert texts == ["a + b"]
    assert end is not None
    assert (end.reason, end.cached_tokens) == ("stop", 3)
    assert isinstance(can, dict)
    assert (can["infill"], can["model"], can["context_tokens"], can["max_stops"]) == (
        "native",
        "qwen2.5-coder-3b.gguf",
        2048,
        None,
    )
    sent = fake.bodies("/infill")[1]
    assert sent["input_prefix"] == "'<|fim_pad|>' + ", "its tokenizer takes this for text"
    assert "session" not in sent


async def test_llamacpp_with_a_model_that_it_cannot_fill_with(fake: FakeRemote) -> None:
    fake.on("/props", js({**PROPS, "model_path": "codellama-7b.gguf"}))
    why = "Infill is not supported by this model: prefix token is missing."
    fake.on("/infill", js({"error": {"code": 501, "message": why}}, 501))
    fake.on("/completion", sse(CONTENT, {"content": " <EOT>", "stop": False}, LAST_EVENT))
    async with aclosing(remote("llamacpp", fake.url)) as backend:
        texts, _ = await collect(backend.infill(REQUEST))
    assert texts == ["a + b"]
    assert fake.bodies("/completion")[0]["prompt"] == "<PRE> def f( <SUF>):\n <MID>"


async def test_llamacpp_chats(fake: FakeRemote) -> None:
    fake.on("/props", js(PROPS))
    fake.on("/infill", js({**LAST_EVENT, "content": "x"}))
    fake.on("/v1/chat/completions", sse(chat_chunk("H", "length")), sse(chat_chunk("Hi", "stop")))
    async with aclosing(remote("llamacpp", fake.url)) as backend:
        texts, _ = await collect(backend.chat(HELLO, 8))
    assert texts == ["Hi"]


async def test_ollama_fills_by_its_template(fake: FakeRemote) -> None:
    fake.on("/api/tags", js({"models": [{"name": "qwen2.5-coder:7b-base"}]}))
    fake.on("/api/show", js(CODER))
    last = {"response": "", "done": True, "done_reason": "stop", "prompt_eval_count": 9}
    last |= {"eval_count": 3, "eval_duration": 2_000_000}
    fake.on("/api/generate", lines({"response": "a + "}, {"response": "b"}, last))
    async with aclosing(remote("ollama", fake.url)) as backend:
        texts, end = await collect(backend.infill(REQUEST))
        can = backend.describe()["capabilities"]
    assert texts == ["a + ", "b"]
    assert end == StreamEnd("eos", 9, None, 3, {"predicted_ms": 2.0})
    assert isinstance(can, dict)
    assert (can["infill"], can["context_tokens"]) == ("native", 8192)
    assert fake.bodies("/api/generate") == [
        {
            "model": "qwen2.5-coder:7b-base",
            "prompt": "def f(",
            "suffix": "):\n",
            "stream": True,
            "truncate": False,
            "options": {
                "num_predict": 32,
                "num_ctx": 8192,
                "stop": ["\n"],
                "temperature": 0,
                "repeat_penalty": 1.0,
            },
        }
    ], "the probe generates nothing"


async def test_ollamas_templates_read_sentinels(fake: FakeRemote) -> None:
    fake.on("/api/show", js(CODER))
    fake.on("/api/generate", lines({"response": "a", "done": True}))
    request = InfillRequest("'<|fim_middle|>'\nx = ", "\n", "s", 8)
    async with aclosing(remote("ollama", fake.url, "qwen2.5-coder:7b-base")) as backend:
        await collect(backend.infill(request))
    assert fake.bodies("/api/generate")[0]["prompt"] == "x = "


async def test_ollama_by_a_raw_prompt_and_by_chat(fake: FakeRemote) -> None:
    fake.on("/api/show", js({"capabilities": ["completion"]}))
    fake.on("/api/generate", lines({"response": "a", "done": True, "done_reason": "length"}))
    said = {"message": {"role": "assistant", "content": "b"}, "done": True}
    fake.on("/api/chat", lines(said))
    async with aclosing(remote("ollama", fake.url, "starcoder2:3b")) as backend:
        texts, end = await collect(backend.infill(REQUEST))
    assert (texts, end) == (["a"], StreamEnd("limit"))
    raw = fake.bodies("/api/generate")[0]
    assert (raw["raw"], raw["prompt"]) == (True, "<fim_prefix>def f(<fim_suffix>):\n<fim_middle>")
    async with aclosing(remote("ollama", fake.url, "llama3.2")) as backend:
        texts, _ = await collect(backend.infill(REQUEST))
        assert (await backend.find_out()).infill == "chat"
    assert texts == ["b"]


async def test_ollama_is_loaded_with_the_context_of_the_settings(fake: FakeRemote) -> None:
    # It was asked for 8,192 tokens all the same, and cut what did not fit in silence.
    fake.on("/api/show", js(CODER))
    too_long = {"error": "the prompt is longer than the context length currently available"}
    fake.on("/api/generate", js(too_long, 400), lines({"response": "a", "done": True}))
    request = InfillRequest("x = 1\n" * 200, "\n", "s", 8)
    async with aclosing(remote("ollama", fake.url, "qwen2.5-coder", context_tokens=512)) as backend:
        texts, _ = await collect(backend.infill(request))
    assert texts == ["a"]
    long, short = fake.bodies("/api/generate")
    assert long["options"]["num_ctx"] == short["options"]["num_ctx"] == 512
    assert len(short["prompt"]) <= len(long["prompt"]) / 2 + 1


async def test_ollama_thinks_for_chats_only(fake: FakeRemote) -> None:
    fake.on("/api/show", js({"capabilities": ["completion", "thinking"]}))
    said = {"message": {"role": "assistant", "content": "b", "thinking": "why"}, "done": True}
    fake.on("/api/chat", lines(said))
    async with aclosing(remote("ollama", fake.url, "qwen3")) as backend:
        assert (await collect(backend.infill(REQUEST)))[0] == ["b"]
        assert (await collect(backend.chat(HELLO, 8)))[0] == ["b"]
    *_, hole, chat = fake.bodies("/api/chat")
    assert hole["think"] is False
    assert not {"think", "truncate"} & chat.keys()
    assert "repeat_penalty" not in chat["options"]


async def test_llamacpps_router_is_told_the_model(fake: FakeRemote) -> None:
    fake.on("/props", js(PROPS))
    last = {**LAST_EVENT, "tokens_cached": 99, "timings": {"cache_n": 7}}
    fake.on("/infill", js({**LAST_EVENT, "content": "x"}), sse(CONTENT, last))
    async with aclosing(remote("llamacpp", fake.url, "org/coder:Q4")) as backend:
        _, end = await collect(backend.infill(REQUEST))
    assert end is not None
    assert end.cached_tokens == 7
    assert [body["model"] for body in fake.bodies("/infill")] == ["org/coder:Q4"] * 2
    assert fake.seen[0].path == "/props"
    assert fake.seen[0].query == "model=org%2Fcoder%3AQ4"


async def test_ollama_without_the_model(fake: FakeRemote) -> None:
    fake.on("/api/show", js({"error": "model 'x' not found"}, 404))
    async with aclosing(remote("ollama", fake.url, "x")) as backend:
        with pytest.raises(NotServed, match="model 'x' not found"):
            await collect(backend.infill(REQUEST))
    fake.on("/api/tags", js({"models": []}))
    async with aclosing(remote("ollama", fake.url)) as backend:
        with pytest.raises(NotServed, match="has no model yet"):
            await collect(backend.infill(REQUEST))


async def test_an_error_in_ollamas_stream(fake: FakeRemote) -> None:
    fake.on("/api/show", js(CODER))
    fake.on("/api/generate", lines({"response": "a"}, {"error": "out of memory"}))
    async with aclosing(remote("ollama", fake.url, "qwen2.5-coder:7b")) as backend:
        stream = backend.infill(REQUEST)
        assert await anext(stream) == "a"
        with pytest.raises(BadReply, match="out of memory"):
            await anext(stream)
