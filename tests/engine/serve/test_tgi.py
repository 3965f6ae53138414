"""The TGI and PRO routes: replies, streams, defaults, and every refusal in TGI's words."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from midfill_engine.errors import EngineDied, Overloaded
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.serve.conftest import sse_values
from tests.engine.serve.fakes import FakeEngine, finished, token


async def test_generate_answers_one_object(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    reply = await client.post("/generate", json={"inputs": "def"})
    assert reply.status_code == 200
    assert reply.json() == {"generated_text": "hi"}
    request = engine.requests[0]
    assert request.prompt_ids[0] == 1
    assert request.max_new_tokens == 200 - len(request.prompt_ids)
    assert request.sampling.greedy
    assert engine.handles[0].num_aborts == 0


async def test_headers_are_tgis(client: httpx.AsyncClient) -> None:
    reply = await client.post("/generate", json={"inputs": "def"})
    expected = {
        "x-compute-type": "cpu",
        "x-compute-characters": "3",
        "x-prompt-tokens": "7",
        "x-generated-tokens": "1",
        "x-queue-time": "0",
        "x-inference-time": "6",
        "x-time-per-token": "6",
    }
    assert {name: reply.headers[name] for name in expected} == expected
    assert int(reply.headers["x-total-time"]) >= int(reply.headers["x-validation-time"]) >= 0
    assert float(reply.headers["x-compute-time"]) > 0


async def test_details_and_the_stop_text(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.script = (
        token("a"),
        token("b\n", delta="b"),
        finished("stop_sequence", generated=2, stop_sequence="\n"),
    )
    body = {
        "inputs": "x",
        "parameters": {"details": True, "stop": ["\n"], "seed": 9, "do_sample": True},
    }
    reply = (await client.post("/generate", json=body)).json()
    assert reply["generated_text"] == "ab\n"
    assert reply["details"] == {
        "finish_reason": "stop_sequence",
        "generated_tokens": 2,
        "seed": 9,
        "prefill": [],
        "tokens": [
            {"id": 5, "text": "a", "logprob": -0.5, "special": False},
            {"id": 5, "text": "b\n", "logprob": -0.5, "special": False},
        ],
    }
    assert engine.requests[0].stop == ("\n",)


async def test_stream_events(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.script = (
        token("a"),
        token("b"),
        token("</s>", token_id=2, special=True),
        finished("eos_token", generated=3),
    )
    reply = await client.post("/generate_stream", json={"inputs": "x"})
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["x-accel-buffering"] == "no"
    events = sse_values(reply.text)
    assert [event["index"] for event in events] == [1, 2, 3]
    assert [event["token"]["text"] for event in events] == ["a", "b", "</s>"]
    assert [event["generated_text"] for event in events] == [None, None, "ab"]
    assert events[0]["details"] is None
    assert events[2]["token"]["special"]
    assert events[2]["details"] == {
        "finish_reason": "eos_token",
        "generated_tokens": 3,
        "seed": None,
        "input_length": 7,
    }


async def test_a_last_event_always_has_a_token(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    engine.script = (token("a"), finished("length", delta="!"))
    events = sse_values((await client.post("/generate_stream", json={"inputs": "x"})).text)
    assert [event["index"] for event in events] == [1, 2]
    assert events[1]["token"]["special"]
    assert events[1]["generated_text"] == "a!"


@pytest.mark.parametrize("path", ["/", "/models/owner/tiny"])
async def test_pro_defaults(client: httpx.AsyncClient, engine: FakeEngine, path: str) -> None:
    reply = await client.post(path, json={"inputs": "def", "parameters": {"temperature": 0}})
    assert reply.json() == [{"generated_text": "defhi"}]
    assert engine.requests[0].max_new_tokens == 20
    assert engine.requests[0].sampling.greedy


async def test_pro_streams_when_asked(client: httpx.AsyncClient) -> None:
    body = {
        "inputs": "def",
        "stream": True,
        "parameters": {"max_new_tokens": 1, "return_full_text": False, "top_p": 1.0},
    }
    events = sse_values((await client.post("/", json=body)).text)
    assert [event["generated_text"] for event in events] == ["hi"]
    assert events[0]["details"]["seed"] is None


async def test_pro_remembers_results_unless_told_otherwise(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    body = {"inputs": "x", "parameters": {"do_sample": True}}
    first = await client.post("/", json=body)
    again = await client.post("/models/owner/tiny", json=body)
    assert again.json() == first.json()
    assert again.headers["x-compute-type"] == "cache"
    assert len(engine.requests) == 1
    await client.post("/", json=body, headers={"x-use-cache": "0"})
    await client.post("/", json={**body, "options": {"use_cache": False}})
    await client.post("/", json={**body, "inputs": "y"})
    assert len(engine.requests) == 4
    seeds = {request.sampling.seed for request in engine.requests}
    assert len(seeds) == 4


async def test_another_model_is_not_found(client: httpx.AsyncClient) -> None:
    reply = await client.post("/models/other/model", json={"inputs": "x"})
    assert reply.status_code == 404
    assert "owner/tiny" in reply.json()["error"]


@pytest.mark.parametrize(
    ("parameters", "temperature", "top_k", "top_p"),
    [
        ({}, 0.0, None, None),
        ({"do_sample": True}, 1.0, None, None),
        ({"temperature": 0.3}, 0.3, None, None),
        ({"top_k": 3}, 1.0, 3, None),
        ({"top_p": 0.5, "do_sample": False}, 1.0, None, 0.5),
        ({"typical_p": 0.5}, 1.0, None, None),
    ],
)
async def test_what_turns_sampling_on(
    client: httpx.AsyncClient,
    engine: FakeEngine,
    parameters: dict[str, Any],
    temperature: float,
    top_k: int | None,
    top_p: float | None,
) -> None:
    await client.post("/generate", json={"inputs": "x", "parameters": parameters})
    sampling = engine.requests[0].sampling
    assert (sampling.temperature, sampling.top_k, sampling.top_p) == (temperature, top_k, top_p)


@pytest.mark.parametrize("truncate", [1, 2, 7, 101, 102])
async def test_truncate_keeps_the_last_tokens(
    client: httpx.AsyncClient, engine: FakeEngine, tokenizer: Tokenizer, truncate: int
) -> None:
    """And the first one, which begins the sequence: it was cut away with the text."""
    inputs = "xy" * 50
    body = {"inputs": inputs, "parameters": {"truncate": truncate, "max_new_tokens": 3}}
    assert (await client.post("/generate", json=body)).status_code == 200
    whole = tokenizer.encode_with_specials(inputs)
    num_first = 1 if truncate > 1 else 0
    wanted = [*whole[:num_first], *whole[len(whole) - truncate + num_first :]]
    assert list(engine.requests[0].prompt_ids) == (wanted if truncate < len(whole) else whole)


async def test_a_lone_surrogate_is_no_error(client: httpx.AsyncClient) -> None:
    reply = await client.post("/", content=b'{"inputs": "\\ud800"}')
    assert reply.json() == [{"generated_text": "\ufffdhi"}]


async def test_an_infill_prompt_in_text_form_ends_at_the_end_of_the_middle(
    client: httpx.AsyncClient, engine: FakeEngine, tokenizer: Tokenizer
) -> None:
    await client.post("/generate", json={"inputs": "<PRE> a <SUF>b <MID>"})
    await client.post("/generate", json={"inputs": "plain"})
    infill, plain = engine.requests
    assert tokenizer.token_id("▁<MID>") == infill.prompt_ids[-1]
    assert infill.stop_token_ids - plain.stop_token_ids == {tokenizer.token_id("▁<EOT>")}


async def test_errors_of_the_engine(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.script = (token("a"), finished("error", error="out of memory"))
    reply = await client.post("/generate", json={"inputs": "x"})
    assert reply.status_code == 424
    assert reply.json() == {
        "error": "Request failed during generation: out of memory",
        "error_type": "generation",
    }
    events = sse_values((await client.post("/generate_stream", json={"inputs": "x"})).text)
    assert events[-1]["error_type"] == "generation"

    engine.script = (token("a"), finished("aborted"))
    reply = await client.post("/generate", json={"inputs": "x"})
    assert (reply.status_code, reply.json()["error_type"]) == (500, "incomplete_generation")
    events = sse_values((await client.post("/generate_stream", json={"inputs": "x"})).text)
    assert events[-1]["error_type"] == "incomplete_generation_stream"

    engine.refuse = lambda: Overloaded("Model is overloaded")
    for path in ("/generate", "/generate_stream", "/"):
        reply = await client.post(path, json={"inputs": "x"})
        assert reply.status_code == 429
        assert reply.json() == {"error": "Model is overloaded", "error_type": "overloaded"}
        assert reply.headers["retry-after"] == "1"

    engine.refuse = lambda: EngineDied("the engine has stopped")
    reply = await client.post("/generate", json={"inputs": "x"})
    assert reply.status_code == 503

    engine.refuse = lambda: RuntimeError("a bug")
    reply = await client.post("/generate", json={"inputs": "x"})
    assert reply.status_code == 500
    assert "bug" not in reply.text
