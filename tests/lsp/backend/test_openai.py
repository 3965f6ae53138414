"""OpenAI's dialect as different servers speak it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
import pytest_asyncio

from midfill_lsp.backend.base import ChatMessage, InfillRequest
from midfill_lsp.errors import NotServed, RequestSkipped, ServerFailed
from tests.lsp.backend.fake_remote import FakeRemote, chat_chunk, js, sse, text_chunk
from tests.lsp.backend.remotes import remote
from tests.lsp.backend.stream import REQUEST, collect

HELLO = (ChatMessage("user", "Hello"),)
WRITTEN = sse(text_chunk("a"), text_chunk(" + b", "stop"), "[DONE]")
CHAT_PROBE = sse(chat_chunk("H", "length"))


def models(*names: str, **more: object) -> Any:  # noqa: ANN401
    return js({"object": "list", "data": [{"id": name, **more} for name in names]})


def one_token(num_prompt_tokens: int) -> Any:  # noqa: ANN401
    usage = {"prompt_tokens": num_prompt_tokens, "completion_tokens": 1}
    return sse(text_chunk("x", "length"), {"choices": [], "usage": usage}, "[DONE]")


def refusal(message: str, status: int = 400) -> Any:  # noqa: ANN401
    return js({"error": {"message": message, "type": "invalid_request_error"}}, status)


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeRemote]:
    async with FakeRemote() as fake:
        yield fake


async def test_suffix_where_it_is_heeded(fake: FakeRemote) -> None:
    fake.on("/v1/models", models("coder", max_model_len=8192))
    fake.on("/v1/completions", one_token(40), WRITTEN)
    async with aclosing(remote("openai", fake.url)) as backend:
        texts, end = await collect(backend.infill(REQUEST))
        can = backend.describe()["capabilities"]
    assert "".join(texts) == "a + b"
    assert end is not None
    assert isinstance(can, dict)
    assert (can["infill"], can["model"], can["context_tokens"]) == ("native", "coder", 8192)
    assert fake.bodies("/v1/completions")[1] == {
        "model": "coder",
        "prompt": "def f(",
        "suffix": "):\n",
        "max_tokens": 32,
        "temperature": 0,
        "stream": True,
        "stop": ["\n"],
    }


async def test_suffix_that_is_ignored_in_silence(fake: FakeRemote) -> None:
    fake.on("/v1/models", models("Qwen/Qwen2.5-Coder-7B"))
    fake.on("/v1/completions", one_token(4), one_token(4), WRITTEN)
    async with aclosing(remote("openai", fake.url + "/v1/")) as backend:
        await collect(backend.infill(REQUEST))
    sent = fake.bodies("/v1/completions")[2]
    assert sent["prompt"] == "<|fim_prefix|>def f(<|fim_suffix|>):\n<|fim_middle|>"
    assert "suffix" not in sent
    assert sent["stop"] == ["<|endoftext|>", "\n", "<|file_sep|>", "<|fim_pad|>"], "four at most"


async def test_suffix_that_is_refused(fake: FakeRemote) -> None:
    fake.on("/v1/models", models("bigcode/starcoder2-3b"))
    fake.on("/v1/completions", refusal("suffix is not currently supported"), one_token(4), WRITTEN)
    async with aclosing(remote("openai", fake.url)) as backend:
        texts, _ = await collect(backend.infill(REQUEST))
        assert (await backend.find_out()).family == "starcoder"
    assert "".join(texts) == "a + b"


async def test_sentinels_are_cut_for_suffix_too_where_the_family_is_known(
    fake: FakeRemote,
) -> None:
    fake.on("/v1/models", models("Qwen/Qwen2.5-Coder-7B"))
    fake.on("/v1/completions", one_token(40), WRITTEN)
    request = InfillRequest("'<|im_end|>'\nx = ", "\n<|fim_pad|>\n", "s", 8)
    async with aclosing(remote("openai", fake.url)) as backend:
        await collect(backend.infill(request))
    sent = fake.bodies("/v1/completions")[1]
    assert (sent["prompt"], sent["suffix"]) == ("x = ", "\n")


async def test_a_server_that_only_chats(fake: FakeRemote) -> None:
    fake.on("/v1/models", models("gpt-x", "other"))
    answer = sse(chat_chunk("a, b"), chat_chunk("", "stop"), "[DONE]")
    fake.on("/v1/chat/completions", CHAT_PROBE, answer)
    async with aclosing(remote("openai", fake.url, "gpt-x")) as backend:
        texts, _ = await collect(backend.infill(REQUEST))
        assert (await backend.find_out()).infill == "chat"
    assert "".join(texts) == "a, b"


async def test_mistrals_route(fake: FakeRemote) -> None:
    fake.on("/v1/models", models("codestral-latest"))
    written = sse(chat_chunk("a"), chat_chunk(" + b", "stop"))
    unknown = {"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}
    refused = js({"object": "error", "message": {"detail": [unknown]}}, 422)
    fake.on("/v1/fim/completions", refused, one_token(4), written)
    async with aclosing(remote("openai", fake.url)) as backend:
        texts, _ = await collect(backend.infill(REQUEST))
        assert (await backend.find_out()).infill == "native"
    assert "".join(texts) == "a + b"
    asked = fake.bodies("/v1/fim/completions")
    assert ["stream_options" in body for body in asked] == [True, False, False]


async def test_fields_that_a_server_refuses_are_left_out(fake: FakeRemote) -> None:
    fake.on("/v1/models", models("o9"))
    fake.on(
        "/v1/chat/completions",
        refusal("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        refusal("Unsupported value: 'temperature' does not support 0."),
        CHAT_PROBE,
        sse(chat_chunk("a", "stop")),
    )
    async with aclosing(remote("openai", fake.url)) as backend:
        await collect(backend.infill(REQUEST))
    bodies = fake.bodies("/v1/chat/completions")
    assert len(bodies) == 4
    assert "temperature" not in bodies[3]
    assert "max_tokens" not in bodies[3]
    assert bodies[3]["max_completion_tokens"] == 32 + 96


async def test_several_models_and_none_chosen(fake: FakeRemote) -> None:
    fake.on("/v1/models", models("one", "two"))
    async with aclosing(remote("openai", fake.url)) as backend:
        with pytest.raises(NotServed, match=r"2 models \(one, two\); set midfill.backend.model"):
            await collect(backend.infill(REQUEST))


async def test_answers_that_come_whole(fake: FakeRemote) -> None:
    fake.on("/v1/models", models("coder"))
    whole = {"choices": [{"text": "a + b", "finish_reason": "stop"}]}
    usage = {"prompt_tokens": 40, "completion_tokens": 1}
    fake.on("/v1/completions", js({**whole, "usage": usage}))
    message = {"role": "assistant", "content": "Hello", "reasoning_content": "Hm."}
    fake.on(
        "/v1/chat/completions",
        js({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}),
    )
    async with aclosing(remote("openai", fake.url)) as backend:
        texts, end = await collect(backend.infill(REQUEST))
        said, _ = await collect(backend.chat(HELLO, 8))
        assert (await backend.find_out()).streaming is False
    assert (texts, said) == (["a + b"], ["Hello"])
    assert end is not None
    assert end.prompt_tokens == 40


async def test_thoughts_and_pieces_of_content(fake: FakeRemote) -> None:
    fake.on("/v1/models", models("thinker"))
    pieces = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hi"}]
    thought = {"choices": [{"delta": {"reasoning_content": "Hm."}, "finish_reason": None}]}
    said = {"choices": [{"delta": {"content": pieces}, "finish_reason": "stop"}]}
    fake.on("/v1/chat/completions", CHAT_PROBE, sse(thought, said))
    async with aclosing(remote("openai", fake.url)) as backend:
        texts, _ = await collect(backend.chat(HELLO, 8))
    assert texts == ["Hi"]


async def test_chats_get_no_control_tokens_either(fake: FakeRemote) -> None:
    fake.on("/v1/models", models("gpt-x"))
    fake.on("/v1/chat/completions", CHAT_PROBE, sse(chat_chunk("a", "stop")))
    request = InfillRequest("'<|im_end|>'\nx = ", "\n'</s>'\n", "s", 8)
    async with aclosing(remote("openai", fake.url)) as backend:
        await collect(backend.infill(request))
        with pytest.raises(RequestSkipped, match="holds a control token, which"):
            await collect(backend.infill(InfillRequest("'<|im_end|>' + ", "", "s", 8)))
    (question,) = [
        body["messages"][1]["content"] for body in fake.bodies("/v1/chat/completions")[1:]
    ]
    assert question.endswith("x = <|HOLE|>\n")


async def test_a_hole_may_begin_with_a_line_end(fake: FakeRemote) -> None:
    # The answer's start was stripped as a chat's is, which glued a block to its head.
    fake.on("/v1/models", models("gpt-x"))
    pieces = [chat_chunk("\n"), chat_chunk("    return a\n"), chat_chunk("", "stop")]
    fake.on("/v1/chat/completions", CHAT_PROBE, sse(*pieces))
    async with aclosing(remote("openai", fake.url)) as backend:
        texts, _ = await collect(backend.infill(InfillRequest("def f(a):", "\n", "s", 8)))
    assert "".join(texts).rstrip("\n") == "\n    return a"


async def test_the_model_that_is_served_is_looked_for_again_after_a_refusal(
    fake: FakeRemote,
) -> None:
    fake.on("/v1/models", models("old"), models("new"))
    fake.on("/v1/completions", one_token(40), WRITTEN, refusal("no old", 404), one_token(40))
    async with aclosing(remote("openai", fake.url)) as backend:
        await collect(backend.infill(REQUEST))
        with pytest.raises(NotServed):
            await collect(backend.infill(REQUEST))
        await collect(backend.infill(REQUEST))
    named = [body["model"] for body in fake.bodies("/v1/completions")]
    assert named == ["old", "old", "old", "new", "new"]


async def test_a_failure_of_the_server_is_no_answer_to_a_probe(fake: FakeRemote) -> None:
    fake.on("/v1/models", models("coder"))
    fake.on("/v1/completions", refusal("a moment", 500), one_token(40), WRITTEN)
    fake.on("/v1/chat/completions", refusal("a moment", 500), CHAT_PROBE)
    async with aclosing(remote("openai", fake.url)) as backend:
        with pytest.raises(ServerFailed, match="a moment"):
            await collect(backend.infill(REQUEST))
        texts, _ = await collect(backend.infill(REQUEST))
        assert "".join(texts) == "a + b"
        with pytest.raises(ServerFailed):
            await collect(backend.chat(HELLO, 8))
        await collect(backend.chat(HELLO, 8))
        can = backend.describe()["capabilities"]
    assert isinstance(can, dict)
    assert (can["infill"], can["chat"]) == ("native", "messages")


async def test_a_server_that_only_ever_fails_where_others_refuse_is_taken_as_it_is(
    fake: FakeRemote,
) -> None:
    fake.on("/v1/models", models("coder"))
    fake.on("/v1/completions", refusal("no such thing", 500))
    fake.on("/v1/chat/completions", CHAT_PROBE)
    async with aclosing(remote("openai", fake.url)) as backend:
        for _ in range(4):
            with pytest.raises(ServerFailed):
                await backend.start()
        await backend.start()
        can = backend.describe()["capabilities"]
    assert isinstance(can, dict)
    assert can["infill"] == "chat"
