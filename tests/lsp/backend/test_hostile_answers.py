"""Answers that no server should give: each is one of our errors, or text, and costs no memory."""

from __future__ import annotations

import gzip
import json
import random
import tracemalloc
from contextlib import aclosing
from typing import Any, get_args

import pytest

from midfill_lsp.backend.answers import compression_of
from midfill_lsp.backend.base import ChatMessage, InfillRequest
from midfill_lsp.backend.fields import fields_of, list_of
from midfill_lsp.backend.http import EngineClient, post_events
from midfill_lsp.backend.infill import InfillBackend
from midfill_lsp.config import BackendKind
from midfill_lsp.engine_process.endpoint import FixedEngine
from midfill_lsp.errors import (
    BackendError,
    BadReply,
    ConnectionLost,
    EngineGone,
    ModelLoading,
    Overloaded,
    RequestSkipped,
    ServerFailed,
)
from tests.lsp.backend.fake_remote import Answer, FakeRemote, js, sse, token_event
from tests.lsp.backend.remotes import remote
from tests.lsp.backend.stream import REQUEST, collect

MODEL = "codellama/CodeLlama-7b-hf"
ONE = sse(token_event("x", "length"))
HUGE = 10**400
_UNPACKED_BYTES = 200_000_000


def bomb() -> bytes:
    """Some hundred bytes that are unpacked, twice, to `_UNPACKED_BYTES`."""
    return gzip.compress(gzip.compress(b" " * _UNPACKED_BYTES, 1), 9)


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [(200, BadReply, r"compressed \(gzip, gzip\)"), (500, ServerFailed, "HTTP 500$")],
)
async def test_a_compressed_answer_is_not_unpacked(
    status: int, kind: type[BackendError], told: str
) -> None:
    # A kilobyte took a gigabyte, and stopped the language server for as long.
    packed = Answer((bomb(),), status, headers={"content-encoding": "gzip, gzip"})
    async with FakeRemote() as fake:
        fake.on("/", ONE, packed)
        async with aclosing(remote("tgi", fake.url, MODEL)) as backend:
            await backend.start()
            tracemalloc.start()
            try:
                with pytest.raises(kind, match=told):
                    await collect(backend.infill(REQUEST))
                _, peak_bytes = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
    assert peak_bytes < _UNPACKED_BYTES // 20


async def test_an_engines_compressed_answer_is_not_unpacked() -> None:
    packed = Answer((gzip.compress(b"{}"),), headers={"content-encoding": "gzip"})
    async with FakeRemote() as fake, aclosing(InfillBackend(FixedEngine(fake.url))) as backend:
        fake.on("/info", packed)
        with pytest.raises(EngineGone, match=r"compressed \(gzip\)"):
            await backend.chat_context()


@pytest.mark.parametrize("is_short", [True, False])
async def test_an_engines_compressed_error_is_told_by_its_status(is_short: bool) -> None:
    # It was told as compressed on one way, and by its status on the other.
    packed = gzip.compress(b'{"error": "unpacked"}')
    client = EngineClient("http://127.0.0.1", is_short)
    async with FakeRemote() as fake, aclosing(client):
        fake.on("/infill", Answer((packed,), 422, headers={"content-encoding": "gzip"}))
        with pytest.raises(BadReply, match=r"answered HTTP 422$"):
            [event async for event in post_events(client, f"{fake.url}/infill", None, {})]
        answer = await client.get(f"{fake.url}/infill")
        assert (answer.status_code, answer.content) == (422, packed)


@pytest.mark.parametrize("coding", ["", "none", "utf-8", "identity", "chunked, Identity"])
async def test_a_coding_that_packs_nothing_is_read_as_it_is(coding: str) -> None:
    # Gateways send one so that nobody on the way holds an event stream back.
    plain = Answer(ONE.chunks, kind=ONE.kind, headers={"content-encoding": coding})
    async with FakeRemote() as fake, aclosing(remote("tgi", fake.url, MODEL)) as backend:
        fake.on("/", plain)
        assert (await collect(backend.infill(REQUEST)))[0] == ["x"]


@pytest.mark.parametrize("coding", ["BR", "x-gzip", "none, deflate", "zstd,identity"])
def test_a_coding_that_packs_is_told(coding: str) -> None:
    assert compression_of({"content-encoding": coding}) == coding


def moved(location: str) -> Answer:
    return Answer(status=307, headers={"location": location})


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        (moved("http://[evil/"), BadReply, "redirects to what is no URL"),
        (moved("http://x:99999999/"), BadReply, "redirects to what is no URL"),
        (Answer((b'{"err',), 500, "text/json", then="drop"), ServerFailed, "HTTP 500$"),
        (js({"error": "x", "estimated_time": HUGE}, 503), Overloaded, "asked again later"),
        (js({"error": "x"}, 429, retry_after="9" * 400), Overloaded, "again in 3600 s"),
    ],
)
async def test_a_refusal_that_is_malformed(
    answer: Answer, kind: type[BackendError], told: str
) -> None:
    async with FakeRemote() as fake:
        fake.on("/", ONE, answer)
        async with aclosing(remote("tgi", fake.url, MODEL)) as backend:
            await backend.start()
            with pytest.raises(kind, match=told):
                await collect(backend.infill(REQUEST))


async def test_a_model_that_loads_for_ever_is_asked_once_an_hour() -> None:
    async with FakeRemote() as fake:
        fake.on("/", ONE, js({"error": "loading", "estimated_time": 1e300}, 503))
        async with aclosing(remote("tgi", fake.url, MODEL, load_timeout_s=0)) as backend:
            await backend.start()
            with pytest.raises(ModelLoading) as caught:
                await collect(backend.infill(REQUEST))
    assert caught.value.estimated_s == 3600


@pytest.mark.parametrize("wrong", [5, True, {"0": 5}, "x"])
async def test_what_should_be_a_list_and_is_none_counts_as_an_empty_one(wrong: object) -> None:
    async with FakeRemote() as fake:
        fake.on("/api/show", js({"capabilities": wrong, "template": "{{ .Suffix }}"}))
        fake.on("/v1/models", js({"data": wrong}))
        fake.on("/v1/completions", js({"choices": wrong}))
        async with aclosing(remote("ollama", fake.url, "m")) as backend:
            assert (await backend.find_out()).infill == "native"
        async with aclosing(remote("openai", fake.url)) as backend:
            with pytest.raises(ConnectionLost, match="broke off before its end"):
                await collect(backend.infill(REQUEST))


_PATHS = (
    *("/", "/info", "/props", "/infill", "/completion", "/v1/models", "/v1/completions"),
    *("/v1/fim/completions", "/v1/chat/completions"),
    *("/api/tags", "/api/show", "/api/generate", "/api/chat"),
)
_ENTRY = {"id": "m", "name": "m"}
_CHOICE = {"text": "a", "delta": {"content": "a"}, "finish_reason": "stop", "index": 0}
_RIGHT: dict[str, Any] = {
    "choices": [_CHOICE],
    "usage": {"prompt_tokens": 40},
    "data": [_ENTRY],
    "models": [_ENTRY],
    "content": "a",
    "stop": True,
    "stop_type": "eos",
    "timings": {"prompt_ms": 1.5},
    "response": "a",
    "done": True,
    "eval_duration": 5,
    "message": {"content": "a"},
    "generated_text": "a",
    "token": {"text": "a", "special": False},
    "details": {"finish_reason": "length", "input_length": 3},
    "model_id": MODEL,
    "max_total_tokens": 4096,
    "model_info": {"llama.context_length": 4096},
    "capabilities": ["insert"],
    "default_generation_settings": {"n_ctx": 2048},
    "model_path": "/m.gguf",
}
_NUMBERS: list[object] = [5, -1, 1.5, HUGE, float("inf"), float("nan"), True, None]
_LISTS: list[object] = [list[object](), [5], [[5]], [None], [{"id": [1]}]]
_OTHERS: list[object] = ["x", "9" * 400, dict[str, object](), {"message": 5}, {"0": 5}]
_WRONG = [*_NUMBERS, *_LISTS, *_OTHERS]


def spoilt(chance: random.Random) -> object:
    """Return what is right in every dialect but for one to three values."""
    whole: dict[str, Any] = json.loads(json.dumps(_RIGHT))
    for _ in range(chance.randint(1, 3)):
        place = whole
        name = chance.choice(list(place))
        while chance.random() < 0.6:
            inner = fields_of(next(iter(list_of(place[name])), place[name]))
            if not inner:
                break
            place, name = inner, chance.choice(list(inner))
        place[name] = chance.choice(_WRONG)
    if chance.random() < 0.1:
        whole["error"] = chance.choice(_WRONG)
    return chance.choice(_WRONG) if chance.random() < 0.05 else whole


def spoilt_answer(chance: random.Random) -> Answer:
    value = spoilt(chance)
    if chance.random() < 0.2:
        value = {chance.choice(["error", "detail", "estimated_time"]): chance.choice(_WRONG)}
        headers = {"retry-after": chance.choice(["9" * 400, "-5", "nan", "Mon, 01 Jan 0001 00:00"])}
        status = chance.choice([400, 401, 404, 413, 422, 429, 500, 503])
        return Answer((json.dumps(value).encode(),), status, headers=headers)
    if chance.random() < 0.4:
        return sse(value, "[DONE]")
    kind = chance.choice(["application/json", "application/x-ndjson"])
    return Answer((json.dumps(value).encode() + b"\n",), kind=kind)


@pytest.mark.parametrize("kind", sorted(set(get_args(BackendKind)) - {"engine"}))
async def test_whatever_comes_is_text_or_an_error_of_ours(kind: BackendKind) -> None:
    # `{"data": 5}`, `choices` that were no list and numbers without an end raised what they would.
    chance = random.Random(7)
    request = InfillRequest("def f(\n    x = ", "\n", "s", 20)
    num_answered, errors = 0, list[str]()
    async with FakeRemote() as fake:
        for _ in range(25):
            for path in _PATHS:
                fake.on(path, spoilt_answer(chance))
            model = chance.choice([None, "m", MODEL])
            async with aclosing(remote(kind, fake.url, model, load_timeout_s=0)) as backend:
                for stream in (
                    backend.infill(request),
                    backend.chat((ChatMessage("user", "hello"),), 50),
                ):
                    try:
                        await collect(stream)
                    except (BackendError, RequestSkipped) as error:
                        errors.append(str(error))
                    else:
                        num_answered += 1
    assert num_answered > 5, "most are refused before they reach what is tested"
    assert not any("\n" in error for error in errors)
