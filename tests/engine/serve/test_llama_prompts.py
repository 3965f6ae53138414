"""Several prompts in one `/completion`, as llama.cpp answers them, and ids that are no text."""

from __future__ import annotations

import httpx
import pytest

from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.serve.conftest import sse_values
from tests.engine.serve.fakes import FakeEngine, finished, token


async def test_a_list_of_texts_is_several_prompts(
    client: httpx.AsyncClient, engine: FakeEngine, tokenizer: Tokenizer
) -> None:
    """They were joined to one prompt, and the reply was that to none of them."""
    body = {"prompt": ["import", "def", [1, 9], ["x", 10]], "n_predict": 2}
    replies = (await client.post("/completion", json=body)).json()
    assert [(reply["index"], reply["content"]) for reply in replies] == [
        (idx, "hi") for idx in range(4)
    ]
    prompts = [list(request.prompt_ids) for request in engine.requests]
    x = tokenizer.encode_with_specials("x")
    texts = [tokenizer.encode_with_specials(text) for text in ("import", "def")]
    assert prompts == [*texts, [1, 9], [*x, 10]]


@pytest.mark.parametrize("prompt", [["import"], [[1, 9]], [1, "x", 9, "y"]])
async def test_one_prompt_gets_one_reply(
    client: httpx.AsyncClient, engine: FakeEngine, prompt: list[object]
) -> None:
    reply = (await client.post("/completion", json={"prompt": prompt})).json()
    assert reply["content"] == "hi"
    assert len(engine.requests) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_the_samples_of_each_prompt_follow_each_other(
    client: httpx.AsyncClient, engine: FakeEngine, stream: bool
) -> None:
    engine.script = (token("hi"), finished("eos_token"))
    body = {"prompt": ["a", "b"], "n_cmpl": 2, "seed": 7, "session": "s", "stream": stream}
    reply = await client.post("/completion", json=body)
    found = sse_values(reply.text) if stream else reply.json()
    ends = [event["index"] for event in found if event["stop"]]
    assert sorted(ends) == [0, 1, 2, 3]
    assert [request.sampling.seed for request in engine.requests] == [7, 8, 7, 8]
    assert engine.leaders == [None, 1, None, 3]
    assert engine.requests[0].prompt_ids == engine.requests[1].prompt_ids
    # One of them is of the session: two would end each other. Its next request ends them all.
    assert [request.session for request in engine.requests] == ["s", None, None, None]
    assert [request.superseded_by for request in engine.requests] == ["s"] * 4


async def test_ids_that_are_no_text_come_back(
    client: httpx.AsyncClient, engine: FakeEngine, tokenizer: Tokenizer
) -> None:
    """Of rows that an embedding has beyond the vocabulary: replies held them, no request might."""
    token_id = 500
    assert tokenizer.vocab_size < token_id
    reply = await client.post("/detokenize", json={"tokens": [token_id]})
    assert reply.json() == {"content": ""}
    body = {"prompt": [1, token_id], "logit_bias": {str(token_id): -100}}
    for route in ("/completion", "/v1/completions"):
        assert (await client.post(route, json=body)).status_code == 200
        assert engine.requests[-1].prompt_ids == (1, token_id)
        assert dict(engine.requests[-1].sampling.logit_bias) == {token_id: -100.0}
