"""Hugging Face's dialect against a real socket: TGI, the PRO API as announced, the router."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
import pytest_asyncio

from midfill_lsp.backend.base import ChatMessage, InfillRequest, StreamEnd
from midfill_lsp.errors import CannotDo, NotServed, RequestSkipped
from tests.lsp.backend.fake_remote import FakeRemote, chat_chunk, js, sse, token_event
from tests.lsp.backend.remotes import remote
from tests.lsp.backend.stream import REQUEST, collect

MODEL = "codellama/CodeLlama-13b-hf"
PRO = f"/models/{MODEL}"
ONE = sse(token_event("x", "length"))
HELLO = (ChatMessage("user", "Hello"),)
INFO = {"model_id": MODEL, "max_total_tokens": 4096, "max_stop_sequences": 6, "version": "3.3.6"}


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeRemote]:
    async with FakeRemote() as fake:
        yield fake


async def test_the_pro_api_as_announced(fake: FakeRemote) -> None:
    fake.on(
        PRO, ONE, sse(token_event("a"), token_event(" + b"), token_event(" <EOT>", "eos_token"))
    )
    async with aclosing(remote("tgi", fake.url + "/models/{model}", MODEL)) as backend:
        texts, end = await collect(backend.infill(REQUEST))
        assert "".join(texts) == "a + b"
        assert end is not None
        assert end.reason == "stop"
        can = backend.describe()["capabilities"]
        assert isinstance(can, dict)
        assert (can["infill"], can["family"], can["max_stops"]) == ("text", "codellama", 4)
        assert fake.bodies(PRO)[1] == {
            "inputs": "<PRE> def f( <SUF>):\n <MID>",
            "parameters": {
                "max_new_tokens": 32,
                "return_full_text": False,
                "do_sample": False,
                "stop": ["<EOT>", "\n"],
            },
            "stream": True,
        }
        await collect(backend.infill(REQUEST))
    paths = [seen.path for seen in fake.seen]
    assert paths == [f"{PRO}/info", PRO, PRO, PRO], "one probe for all requests"
    uses_cache = [seen.headers.get("x-use-cache") for seen in fake.seen if seen.method == "POST"]
    assert uses_cache == ["0", None, None]


@pytest.mark.parametrize("sizes", [{"max_input_tokens": 4095}, {"max_input_tokens": 1024}, {}])
async def test_an_endpoint_tells_its_model_and_sizes(
    fake: FakeRemote, sizes: dict[str, int]
) -> None:
    context = min([4096, *sizes.values()])
    fake.on("/info", js({**INFO, **sizes}))
    fake.on("/", ONE, sse(token_event("a", "eos_token")))
    async with aclosing(remote("tgi", fake.url)) as backend:
        long = InfillRequest("x" * 20_000 + "\ny = ", "\n" + "z\n" * 20_000, "s", 32, ("\n",))
        await collect(backend.infill(long))
        can = await backend.find_out()
    assert (can.model, can.context_tokens, can.max_stops) == (MODEL, context, 6)
    assert can.abort
    sent = fake.bodies("/")[1]["inputs"]
    assert len(sent) < context * 3
    assert "y =  <SUF>\nz\n" in sent


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["a", " ", "<", "EO", "T>", "junk"], "a"),
        (["a <EOT", ">junk"], "a"),
        (["a <EO", " b"], "a <EO b"),
        (["a", "</s>"], "a</s>"),
        (["a\n", "def"], "a"),
    ],
)
async def test_the_end_of_text_never_gets_through(
    fake: FakeRemote, pieces: list[str], text: str
) -> None:
    fake.on("/info", js(INFO))
    events = [token_event(piece) for piece in pieces]
    fake.on("/", ONE, sse(*events, token_event("", "length")))
    async with aclosing(remote("tgi", fake.url)) as backend:
        texts, _ = await collect(backend.infill(REQUEST))
    assert "".join(texts) == text


async def test_special_tokens_are_no_text(fake: FakeRemote) -> None:
    fake.on("/info", js(INFO))
    fake.on("/", ONE, sse(token_event("a"), token_event("</s>", "eos_token", special=True)))
    async with aclosing(remote("tgi", fake.url)) as backend:
        texts, end = await collect(backend.infill(REQUEST))
    assert (texts, end) == (["a"], StreamEnd("eos", 9, None, 3))


async def test_the_connection_is_kept(fake: FakeRemote) -> None:
    fake.on("/info", js(INFO))
    fake.on("/", ONE, sse(token_event("a"), token_event("b", "eos_token")))
    fake.on("/v1/chat/completions", sse(chat_chunk("H", "stop"), "[DONE]"))
    async with aclosing(remote("tgi", fake.url)) as backend:
        await collect(backend.infill(REQUEST))
        await collect(backend.chat(HELLO, 8))
        await collect(backend.infill(REQUEST))
    assert len({seen.client_port for seen in fake.seen}) == 1


async def test_hanging_up_aborts(fake: FakeRemote) -> None:
    fake.on("/info", js(INFO))
    fake.on("/", ONE, sse(token_event("a"), then="hang"))
    async with aclosing(remote("tgi", fake.url)) as backend:
        stream = backend.infill(REQUEST)
        assert await asyncio.wait_for(anext(stream), 10) == "a"
        await stream.aclose()
        assert await asyncio.wait_for(fake.aborted.get(), 10) == "/"


async def test_answers_that_come_whole(fake: FakeRemote) -> None:
    fake.on("/info", js(INFO))
    prompt = "<PRE> def f( <SUF>):\n <MID>"
    fake.on("/", js([{"generated_text": "x"}]), js([{"generated_text": f"{prompt}a, b <EOT>"}]))
    async with aclosing(remote("tgi", fake.url)) as backend:
        texts, _ = await collect(backend.infill(REQUEST))
        can = await backend.find_out()
    assert "".join(texts) == "a, b"
    assert can.streaming is False


async def test_a_sentinel_in_the_text_is_not_sent(fake: FakeRemote) -> None:
    fake.on("/info", js(INFO))
    fake.on("/", ONE, sse(token_event("a", "eos_token")))
    async with aclosing(remote("tgi", fake.url)) as backend:
        with pytest.raises(RequestSkipped):
            await collect(backend.infill(InfillRequest("x = '<MID>' + ", "", "s", 8)))
        assert len(fake.bodies("/")) == 1
        await collect(backend.infill(InfillRequest("'<MID>'\nx = ", "\n'<EOT>'\n", "s", 8)))
    assert fake.bodies("/")[1]["inputs"] == "<PRE> x =  <SUF>\n <MID>"


async def test_the_router_only_chats_and_still_completes(fake: FakeRemote) -> None:
    answer = sse(chat_chunk("```python\n"), chat_chunk("self, x\n``"), chat_chunk("`", "stop"))
    fake.on("/v1/chat/completions", sse(chat_chunk("H", "length")), answer)
    model = "Qwen/Qwen2.5-Coder-32B-Instruct"
    async with aclosing(remote("tgi", fake.url, model)) as backend:
        texts, end = await collect(backend.infill(REQUEST))
        can = await backend.find_out()
    assert "".join(texts) == "self, x"
    assert end is not None
    assert (can.infill, can.chat, can.family) == ("chat", "messages", None)
    probe, asked = fake.bodies("/v1/chat/completions")
    assert probe["max_tokens"] == 1
    assert asked["model"] == model
    assert "def f(<|HOLE|>):\n" in asked["messages"][1]["content"]
    assert asked["temperature"] == 0


async def test_prose_is_refused(fake: FakeRemote) -> None:
    chunks = ("Sure! ", "The missing part is", " easy.")
    answer = sse(*[chat_chunk(chunk) for chunk in chunks], chat_chunk("", "stop"))
    fake.on("/v1/chat/completions", sse(chat_chunk("H", "length")), answer)
    async with aclosing(remote("tgi", fake.url, "some/model")) as backend:
        texts, end = await collect(backend.infill(REQUEST))
    assert texts == []
    assert end == StreamEnd("eos")


async def test_a_model_without_infill_or_chat_goes_on_from_the_prefix(fake: FakeRemote) -> None:
    fake.on("/info", js({**INFO, "model_id": "codellama/CodeLlama-34b-hf"}))
    fake.on("/", ONE, sse(token_event("a", "eos_token")))
    async with aclosing(remote("tgi", fake.url)) as backend:
        await collect(backend.infill(REQUEST))
        assert (await backend.find_out()).infill == "prefix"
        with pytest.raises(CannotDo, match="CodeLlama-34b-hf cannot chat"):
            await collect(backend.chat(HELLO, 8))
    assert fake.bodies("/")[1]["inputs"] == "def f("


async def test_nothing_is_served(fake: FakeRemote) -> None:
    async with aclosing(remote("tgi", fake.url, "some/model")) as backend:
        with pytest.raises(NotServed, match="does not serve some/model"):
            await collect(backend.infill(REQUEST))


async def test_chat_by_messages_is_always_fresh(fake: FakeRemote) -> None:
    fake.on("/info", js(INFO))
    fake.on("/", ONE)
    chunks = sse(chat_chunk(" Hel"), chat_chunk("lo", "stop"), "[DONE]")
    fake.on("/v1/chat/completions", sse(chat_chunk("H", "length")), chunks)
    async with aclosing(remote("tgi", fake.url)) as backend:
        texts, end = await collect(backend.chat(HELLO, 64))
        again, _ = await collect(backend.chat(HELLO, 64))
    assert "".join(texts) == "".join(again) == "Hello"
    assert end == StreamEnd("eos")
    chats = [seen for seen in fake.seen if seen.path == "/v1/chat/completions"]
    assert [seen.headers["x-use-cache"] for seen in chats] == ["0"] * 3, "one probe, two chats"


async def test_chat_by_a_built_in_format(fake: FakeRemote) -> None:
    fake.on("/info", js({**INFO, "model_id": "codellama/CodeLlama-70b-Instruct-hf"}))
    said = [token_event(" Hi"), token_event(" <st"), token_event("ep>"), token_event(" Source: ")]
    fake.on("/", ONE, sse(*said, then="hang"))
    async with aclosing(remote("tgi", fake.url)) as backend:
        texts, end = await collect(backend.chat(HELLO, 64))
        assert await asyncio.wait_for(fake.aborted.get(), 10) == "/"
        assert (await backend.find_out()).chat == "text"
    assert "".join(texts) == "Hi "
    assert end == StreamEnd("stop")
    body = fake.bodies("/")[1]
    assert body["inputs"] == (
        "Source: user\n\n Hello <step> Source: assistant\nDestination: user\n\n "
    )
    assert body["parameters"]["stop"] == ["<step>", "</s>"]


async def test_the_family_and_format_set_by_hand(fake: FakeRemote) -> None:
    fake.on("/", ONE, sse(token_event("a", "eos_token")))
    settings: dict[str, Any] = {"fim_family": "starcoder", "chat_format": "zephyr"}
    async with aclosing(remote("tgi", fake.url, "my/tuned", **settings)) as backend:
        await collect(backend.infill(REQUEST))
        await collect(backend.chat(HELLO, 8))
    infill, chat = (body["inputs"] for body in fake.bodies("/")[1:])
    assert infill == "<fim_prefix>def f(<fim_suffix>):\n<fim_middle>"
    assert chat == "<|user|>\nHello</s>\n<|assistant|>\n"
