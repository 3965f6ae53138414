"""What `details` tells: alternatives, the prompt's log-probabilities, the other samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from midfill_engine.exec.sampling_params import SampledToken, TokenLogprob
from midfill_engine.runtime.request import Event, PromptScored, TokenEvent
from midfill_engine.text.detokenize import lone_text
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.serve.conftest import sse_values
from tests.engine.serve.fakes import FakeEngine, finished, token

TOP = (TokenLogprob(100, -0.1), TokenLogprob(2, -2.5), TokenLogprob(7, float("-inf")))


def with_top(text: str, logprob: float = -0.5) -> TokenEvent:
    return TokenEvent(5, text, text, logprob, special=False, top=TOP)


async def test_alternatives_at_every_place(
    client: httpx.AsyncClient, engine: FakeEngine, tokenizer: Tokenizer
) -> None:
    engine.script = (with_top("a"), with_top("b"), finished("length", generated=2))
    parameters = {"details": True, "top_n_tokens": 3, "max_new_tokens": 2}
    body = {"inputs": "x", "parameters": parameters}
    details = (await client.post("/generate", json=body)).json()["details"]
    expected = [
        {"id": 100, "text": lone_text(tokenizer, 100), "logprob": -0.1, "special": False},
        {"id": 2, "text": "</s>", "logprob": -2.5, "special": True},
        {"id": 7, "text": lone_text(tokenizer, 7), "logprob": None, "special": False},
    ]
    assert details["top_tokens"] == [expected, expected]
    assert engine.requests[0].top_n == 3
    events = sse_values((await client.post("/generate_stream", json=body)).text)
    assert [event["top_tokens"] for event in events] == [expected, expected]
    del parameters["top_n_tokens"]
    engine.script = (token("a"), finished("length"))
    assert "top_tokens" not in (await client.post("/generate", json=body)).json()["details"]
    events = sse_values((await client.post("/generate_stream", json=body)).text)
    assert all("top_tokens" not in event for event in events)


async def test_the_prompts_tokens(
    client: httpx.AsyncClient, engine: FakeEngine, tokenizer: Tokenizer
) -> None:
    """The first has nothing before it; asking for them asks for details."""
    ids = tokenizer.encode_with_specials("def x")
    tokens = tuple(SampledToken(token_id, -0.25 * idx) for idx, token_id in enumerate(ids[1:]))
    engine.script = (PromptScored(tokens), token("a"), finished("length"))
    body = {"inputs": "def x", "parameters": {"decoder_input_details": True}}
    details = (await client.post("/generate", json=body)).json()["details"]
    assert details["prefill"][0] == {"id": 1, "text": "<s>", "logprob": None}
    assert [one["id"] for one in details["prefill"]] == ids
    assert "".join(one["text"] for one in details["prefill"][1:]) == "def x"
    assert [one["logprob"] for one in details["prefill"][1:]] == [t.logprob for t in tokens]
    assert engine.requests[0].prompt_logprobs


@pytest.fixture
def scripted(engine: FakeEngine) -> Callable[[list[list[Event]]], None]:
    """Gives each request a script of its own."""

    def use(scripts: list[list[Event]]) -> None:
        def next_script() -> None:
            engine.script = scripts[len(engine.requests)]

        engine.refuse = next_script

    return use


async def test_the_likeliest_of_two_samples(
    client: httpx.AsyncClient,
    engine: FakeEngine,
    scripted: Callable[[list[list[Event]]], None],
) -> None:
    """By the mean over its tokens, not by their sum; the other one is among the details."""
    scripted(
        [
            [with_top("a", -0.9), finished("stop_sequence", stop_sequence="!")],
            [with_top("b", -0.8), with_top("c", -0.2), finished("length", generated=2)],
        ]
    )
    parameters = {"best_of": 2, "temperature": 0.7, "details": True, "return_full_text": True}
    reply = await client.post("/generate", json={"inputs": "x", "parameters": parameters})
    assert reply.headers["x-generated-tokens"] == "2"
    body = reply.json()
    first, second = (request.sampling.seed for request in engine.requests)
    assert body["generated_text"] == "xbc"
    assert (body["details"]["generated_tokens"], body["details"]["seed"]) == (2, second)
    others: list[dict[str, Any]] = body["details"]["best_of_sequences"]
    assert [other["generated_text"] for other in others] == ["xa!"]
    assert others[0]["finish_reason"] == "stop_sequence"
    assert others[0]["seed"] == first
    assert [one["text"] for one in others[0]["tokens"]] == ["a"]
    assert engine.leaders == [None, 1]


async def test_a_sample_that_failed_fails_the_request(
    client: httpx.AsyncClient,
    engine: FakeEngine,
    scripted: Callable[[list[list[Event]]], None],
) -> None:
    scripted([[token("a"), finished("length")], [finished("error", error="out of memory")]])
    parameters = {"best_of": 2, "do_sample": True}
    reply = await client.post("/generate", json={"inputs": "x", "parameters": parameters})
    assert (reply.status_code, reply.json()["error_type"]) == (424, "generation")
    assert [handle.num_aborts for handle in engine.handles] == [0, 0]


async def test_both_names_of_the_stop_texts_count(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    parameters = {"stop": ["a", "b"], "stop_sequences": ["b", "c"]}
    await client.post("/generate", json={"inputs": "x", "parameters": parameters})
    assert engine.requests[0].stop == ("a", "b", "c")


async def test_sampling_fields_reach_the_engine(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    parameters = {"typical_p": 0.3, "watermark": True, "frequency_penalty": 0.5}
    await client.post("/generate", json={"inputs": "x", "parameters": parameters})
    sampling = engine.requests[0].sampling
    assert (sampling.typical_p, sampling.watermark, sampling.frequency_penalty) == (0.3, True, 0.5)
    await client.post("/", json={"inputs": "x", "parameters": {"typical_p": 1.0}})
    assert engine.requests[1].sampling.greedy


@pytest.mark.parametrize("details", [True, False])
async def test_a_stream_tells_its_end_unless_told_not_to(
    client: httpx.AsyncClient, details: bool
) -> None:
    body = {"inputs": "x", "parameters": {"details": details}}
    events = sse_values((await client.post("/generate_stream", json=body)).text)
    assert (events[-1]["details"] is not None) == details
    assert events[-1]["generated_text"] == "hi"
