"""llama.cpp's `n_probs`: what is told of tokens, and what it costs the engine."""

from __future__ import annotations

from dataclasses import replace

import httpx

from midfill_engine.exec.sampling_params import TokenLogprob
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.serve.conftest import sse_values
from tests.engine.serve.fakes import FakeEngine, finished, token


async def test_probabilities_of_the_tokens_that_are_shown(
    client: httpx.AsyncClient, engine: FakeEngine, tokenizer: Tokenizer
) -> None:
    (held,) = tokenizer.encode("import", bos=False, leading_space=False)[:1]
    likely = (TokenLogprob(held, -0.25), TokenLogprob(7, float("-inf")))
    engine.script = (
        token("é", token_id=8),
        replace(token("b"), top=likely),
        token("\n", delta=""),
        finished("stop_sequence", stop_sequence="\n"),
    )
    body = {"input_prefix": "a", "input_suffix": "", "stop": ["\n"], "n_probs": 1}
    reply = (await client.post("/infill", json=body)).json()
    first, second = reply["completion_probabilities"]
    alone = {"id": 8, "token": "é", "bytes": [195, 169], "logprob": -0.5}
    assert first == {**alone, "top_logprobs": [alone]}
    assert [(one["id"], one["logprob"]) for one in second["top_logprobs"]] == [
        (held, -0.25),
        (7, -9999.0),
    ]
    assert reply["tokens"] == [8, 5]
    stream = await client.post("/infill", json={**body, "stream": True})
    events = sse_values(stream.text)
    told = [one for event in events for one in event["completion_probabilities"]]
    assert told == reply["completion_probabilities"]
    short = (await client.post("/infill", json={**body, "n_probs": 0, "logprobs": True})).json()
    assert short["logprobs"] == [[1, -0.5], [1, -0.5]]
    assert "completion_probabilities" not in short
    plain = (await client.post("/infill", json={**body, "n_probs": 0})).json()
    assert not {"completion_probabilities", "logprobs"} & set(plain)


async def test_the_engine_looks_for_the_likeliest_only_where_it_must(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    for body in ({"n_probs": 1}, {"n_probs": 3}, {"n_probs": 1, "temperature": 0.5}, {}):
        await client.post("/infill", json={"input_prefix": "a", "input_suffix": "", **body})
        await client.post("/completion", json={"prompt": "a", "temperature": 0, **body})
    assert [request.top_n for request in engine.requests] == [0, 0, 3, 3, 1, 1, 0, 0]
