"""`/v1/completions`: replies, streams, infill with `suffix`, refusals in OpenAI's form."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from midfill_engine.errors import Overloaded
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.serve.conftest import sse_values
from tests.engine.serve.fakes import FakeEngine, finished, token


async def test_a_completion(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.script = (
        token("a"),
        token("\n", delta=""),
        finished("stop_sequence", generated=2, stop_sequence="\n"),
    )
    body = {"model": "owner/tiny", "prompt": "x", "stop": "\n"}
    reply = (await client.post("/v1/completions", json=body)).json()
    assert reply["object"] == "text_completion"
    assert reply["model"] == "owner/tiny"
    assert reply["id"].startswith("cmpl-")
    assert reply["choices"] == [
        {"index": 0, "text": "a", "logprobs": None, "finish_reason": "stop"}
    ]
    assert reply["usage"] == {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    request = engine.requests[0]
    assert request.max_new_tokens == 16
    assert request.sampling.temperature == 1.0
    assert request.stop == ("\n",)


@pytest.mark.parametrize("include_usage", [True, False])
async def test_a_stream(client: httpx.AsyncClient, engine: FakeEngine, include_usage: bool) -> None:
    engine.script = (token("a"), token("b", delta=""), finished("length", generated=2, delta="b"))
    body = {
        "prompt": "x",
        "stream": True,
        "temperature": 0,
        "stream_options": {"include_usage": include_usage},
    }
    reply = await client.post("/v1/completions", json=body)
    events = sse_values(reply.text)
    assert events.pop() == "[DONE]"
    if include_usage:
        assert events.pop()["usage"]["total_tokens"] == 9
    assert [event["choices"][0]["text"] for event in events] == ["a", "b"]
    assert [event["choices"][0]["finish_reason"] for event in events] == [None, "length"]
    assert len({event["id"] for event in events}) == 1
    assert engine.requests[0].sampling.greedy


async def test_suffix_means_infill(
    client: httpx.AsyncClient,
    plain_client: httpx.AsyncClient,
    engine: FakeEngine,
    tokenizer: Tokenizer,
) -> None:
    body = {"prompt": "a", "suffix": "b", "max_tokens": 8}
    assert (await client.post("/v1/completions", json=body)).status_code == 200
    ids = engine.requests[0].prompt_ids
    assert {tokenizer.token_id(f"▁<{name}>") for name in ("PRE", "SUF", "MID")} <= set(ids)
    assert tokenizer.token_id("▁<EOT>") in engine.requests[0].stop_token_ids
    reply = await plain_client.post("/v1/completions", json=body)
    assert reply.status_code == 422
    assert "`suffix` needs an infill model" in reply.json()["error"]["message"]


async def test_an_infill_prompt_of_the_editors_own(
    client: httpx.AsyncClient, engine: FakeEngine, tokenizer: Tokenizer
) -> None:
    stops = [str(number) for number in range(14)]  # as many as Zed sends
    body = {"prompt": "<PRE> a <SUF>b <MID>", "stop": stops}
    assert (await client.post("/v1/completions", json=body)).status_code == 200
    body = {"prompt": "plain"}
    assert (await client.post("/v1/completions", json=body)).status_code == 200
    infill, plain = engine.requests
    assert list(infill.stop) == stops
    assert tokenizer.token_id("▁<MID>") == infill.prompt_ids[-1]
    assert infill.stop_token_ids - plain.stop_token_ids == {tokenizer.token_id("▁<EOT>")}


async def test_a_long_infill_prompt_is_cut(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    body = {"prompt": "abc\n" * 9000, "suffix": "b" * 9000, "max_tokens": 8}
    assert (await client.post("/v1/completions", json=body)).status_code == 200
    assert len(engine.requests[0].prompt_ids) <= 192


_REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"prompt": None}, "missing field `prompt`"),
    ({"prompt": []}, "`prompt` must hold 1 to 16 prompts. Given: 0"),
    ({"prompt": ["a"] * 17}, "`prompt` must hold 1 to 16 prompts. Given: 17"),
    ({"prompt": ["a", 5]}, "`prompt` must be a string, token ids, or a list of either"),
    ({"prompt": [[1], [True]]}, "`prompt` must be a string, token ids, or a list of either"),
    ({"prompt": [512]}, "`prompt` must hold token ids below"),
    ({"prompt": [[]]}, "`prompt` cannot be empty"),
    ({"prompt": [5], "suffix": "a"}, "`suffix` needs a `prompt` of text"),
    ({"suffix": "a", "echo": True, "logprobs": 0}, "`echo` with `logprobs` is not supported"),
    ({"n": 9}, "`n` must be >= 1 and <= 8"),
    ({"n": 0}, "`n` must be >= 1 and <= 8"),
    ({"n": 3, "best_of": 2}, "`best_of` must be >= `n`. Given: 2 and 3"),
    ({"best_of": 2, "stream": True}, "`best_of` over `n` is not supported when streaming"),
    ({"logprobs": 6}, "`logprobs` must be >= 0 and <= 5"),
    ({"logit_bias": [0.5]}, "`logit_bias` must be an object"),
    ({"logit_bias": {"999": 1}}, "`logit_bias` must name token ids below"),
    ({"presence_penalty": 2.5}, "`presence_penalty` must be >= -2.0 and <= 2.0"),
    ({"temperature": 2.5}, "`temperature` must be >= 0.0 and <= 2.0"),
    ({"top_p": 0}, "`top_p` must be > 0.0 and <= 1.0"),
    ({"seed": 2**70}, "`seed` must fit 64 bits"),
    ({"max_tokens": 199, "suffix": "y"}, "`max_tokens` must be <= 168 with `suffix`. Given: 199"),
    ({"max_tokens": 0}, "`max_tokens` must be > 0 and < 200"),
    ({"stop": ["a"] * 17}, "`stop` supports up to 16"),
    ({"stream": "yes"}, "`stream` must be true or false"),
    ({"prompt": "x" * 100_000}, "`prompt` must have less than 200 tokens. Given: at least"),
    ({"prompt": "x" * 300}, "`prompt` tokens + `max_tokens` must be <= 200. Given: 301"),
]


@pytest.mark.parametrize(("change", "message"), _REFUSED)
async def test_wrong_values_are_named(
    client: httpx.AsyncClient, engine: FakeEngine, change: dict[str, Any], message: str
) -> None:
    reply = await client.post("/v1/completions", json={"prompt": "x", **change})
    assert reply.status_code == 422
    error = reply.json()["error"]
    assert message in error.pop("message")
    assert error == {"type": "invalid_request_error", "param": None, "code": None}
    assert not engine.requests


async def test_harmless_fields_pass(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    body: dict[str, Any] = {
        "prompt": "x",
        "n": 1,
        "best_of": 1,
        "echo": False,
        "logprobs": None,
        "presence_penalty": 0,
        "top_p": 1,
        "user": "me",
        "logit_bias": [],
    }
    assert (await client.post("/v1/completions", json=body)).status_code == 200
    assert engine.requests[0].sampling.top_p is None


async def test_errors_have_openais_form(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.script = (finished("error", error="out of memory"),)
    reply = await client.post("/v1/completions", json={"prompt": "x"})
    assert reply.status_code == 424
    assert reply.json()["error"]["type"] == "server_error"
    body = {"prompt": "x", "stream": True}
    events = sse_values((await client.post("/v1/completions", json=body)).text)
    assert "out of memory" in events[-1]["error"]["message"]
    engine.refuse = lambda: Overloaded("Model is overloaded")
    reply = await client.post("/v1/completions", json={"prompt": "x"})
    assert reply.status_code == 429
    assert reply.json()["error"]["type"] == "overloaded_error"
