"""`/infill`: the reply and stream of docs/protocol.md, limits, refusals in llama.cpp's form."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from midfill_engine.serve.served import Served
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.serve.conftest import client_of, sse_values
from tests.engine.serve.fakes import FakeEngine, finished, token

BODY: dict[str, Any] = {"input_prefix": "def add(a, b):\n    return ", "input_suffix": "\n"}


async def test_the_reply(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.script = (
        token("a", token_id=10),
        token(" + b", token_id=11),
        token("\n", token_id=12, delta=""),
        finished("stop_sequence", generated=3, stop_sequence="\n"),
    )
    body = {**BODY, "stop": ["\n"], "session": "w/add.py/typing", "cache_prompt": False}
    reply = (await client.post("/infill", json=body)).json()
    settings = reply.pop("generation_settings")
    assert (settings["n_ctx"], settings["n_predict"], settings["stop"]) == (200, 100, ["\n"])
    assert reply == {
        "index": 0,
        "content": "a + b",
        "tokens": [10, 11],
        "stop": True,
        "stop_type": "word",
        "stopping_word": "\n",
        "model": "owner/tiny",
        "tokens_cached": 3,
        "tokens_evaluated": 7,
        "tokens_predicted": 3,
        "truncated": False,
        "timings": {
            "cache_n": 3,
            "prompt_n": 4,
            "prompt_ms": 2.0,
            "prompt_per_token_ms": 0.5,
            "prompt_per_second": 2000.0,
            "predicted_n": 3,
            "predicted_ms": 4.0,
            "predicted_per_token_ms": 1.333,
            "predicted_per_second": 750.0,
            "draft_n": 6,
            "draft_n_accepted": 2,
            "queue_ms": 0.5,
        },
    }
    request = engine.requests[0]
    assert request.session == "w/add.py/typing"
    assert request.stop == ("\n",)
    assert request.max_new_tokens == 100  # half of the context, where 128 would leave no room
    assert request.sampling.greedy
    assert not request.cache_prompt
    assert len(request.stop_token_ids) == 2


async def test_the_stream(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.script = (
        token("a", token_id=10),
        token("\n", token_id=11, delta=""),
        token("b", token_id=12, delta="\nb"),
        token("▁<EOT>", token_id=13, special=True),
        finished("eos_token", generated=4),
    )
    reply = await client.post("/infill", json={**BODY, "stream": True})
    events = sse_values(reply.text)
    assert events[0] == {"index": 0, "content": "a", "tokens": [10], "stop": False}
    assert events[1] == {"index": 0, "content": "\nb", "tokens": [11, 12], "stop": False}
    last = events[2]
    assert (last["content"], last["tokens"], last["stop"]) == ("", [], True)
    assert (last["stop_type"], last["stopping_word"]) == ("eos", "")
    assert last["timings"]["predicted_n"] == 4


async def test_superseded_is_an_answer(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.script = (token("a"), finished("superseded"))
    reply = (await client.post("/infill", json=BODY)).json()
    assert (reply["stop_type"], reply["superseded"], reply["content"]) == ("none", True, "a")


async def test_warm_up_and_no_limit(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.script = (finished("length", generated=0),)
    reply = (await client.post("/infill", json={**BODY, "n_predict": 0})).json()
    assert (reply["content"], reply["stop_type"], reply["tokens"]) == ("", "limit", [])
    await client.post("/infill", json={**BODY, "n_predict": -1})
    assert engine.requests[0].max_new_tokens == 0
    assert engine.requests[1].max_new_tokens == 200 - len(engine.requests[1].prompt_ids)


async def test_a_long_document_is_cut_and_told(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    body = {"input_prefix": "x = 1\n" * 4000, "input_suffix": "y\n" * 4000, "n_predict": 20}
    reply = (await client.post("/infill", json=body)).json()
    assert reply["truncated"]
    assert len(engine.requests[0].prompt_ids) <= 180


async def test_fields_of_llama_cpp(
    client: httpx.AsyncClient, engine: FakeEngine, tokenizer: Tokenizer
) -> None:
    body = {
        **BODY,
        "prompt": "  m",
        "input_extra": [{"filename": "b.py", "text": "extra"}],
        "temperature": 0.7,
        "top_k": 40,
        "top_p": 0.9,
        "repeat_penalty": 1.1,
        "seed": 4,
        "order": "psm",
        "samplers": ["top_k"],
        "t_max_predict_ms": 500,
    }
    assert (await client.post("/infill", json=body)).status_code == 200
    request = engine.requests[0]
    text = b"".join(tokenizer.token_bytes(token_id) for token_id in request.prompt_ids).decode()
    assert text == "# b.py\nextra\ndef add(a, b):\n    return \n  m"
    sampling = request.sampling
    chosen = (sampling.temperature, sampling.top_k, sampling.top_p, sampling.seed)
    assert chosen == (0.7, 40, 0.9, 4)
    assert sampling.repetition_penalty == 1.1


_REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"input_prefix": None}, "missing field `input_prefix`"),
    ({"input_suffix": None}, "missing field `input_suffix`"),
    ({"input_suffix": 1}, "`input_suffix` must be a string"),
    ({"prompt": ["a"]}, "`prompt` must be a string"),
    ({"input_extra": {}}, "`input_extra` must be a list"),
    ({"input_extra": ["a"]}, "`input_extra` must be a list"),
    ({"input_extra": [{"filename": "a"}]}, "missing field `text`"),
    ({"filename": 1}, "`filename` must be a string"),
    ({"repo_name": []}, "`repo_name` must be a string"),
    ({"n_predict": -2}, "`n_predict` must be >= -1"),
    ({"temperature": -0.1}, "`temperature` must be >= 0.0"),
    ({"top_k": -2}, "`top_k` must be >= -1"),
    ({"top_p": 2}, "`top_p` must be >= 0.0 and <= 1.0"),
    ({"repeat_penalty": 0}, "`repeat_penalty` must be strictly positive"),
    ({"seed": -2}, "`seed` must be >= -1"),
    ({"stop": ["x"] * 17}, "`stop` supports up to 16"),
    ({"draft": 3}, "`draft` must be a string"),
    ({"draft": "d" * 16_385}, "`draft` must have at most 16384 characters"),
    ({"session": "s" * 513}, "`session` must have at most 512 characters"),
    ({"order": "mps"}, '`order` must be "spm" or "psm"'),
    ({"stream": 1}, "`stream` must be true or false"),
    ({"cache_prompt": "no"}, "`cache_prompt` must be true or false"),
]


@pytest.mark.parametrize(("change", "message"), _REFUSED)
async def test_wrong_values_are_named(
    client: httpx.AsyncClient, engine: FakeEngine, change: dict[str, Any], message: str
) -> None:
    reply = await client.post("/infill", json={**BODY, **change})
    assert reply.status_code == 422
    error = reply.json()["error"]
    assert message in error["message"]
    assert (error["code"], error["type"]) == (422, "invalid_request_error")
    assert not engine.requests


async def test_a_model_without_infill_says_so(plain_client: httpx.AsyncClient) -> None:
    reply = await plain_client.post("/infill", json=BODY)
    assert reply.status_code == 422
    assert "owner/tiny has no infill tokens" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("prefix", "draft", "ahead"),
    [
        ("x = ", "print(a)", "print(a)"),
        ("x = pri", "print(a)", "nt(a)"),
        ("x = pro", "print(a)", "print(a)"),
        ("x = ", "", ""),
        ("print(", "print(", ""),
    ],
)
async def test_a_draft_goes_along_without_what_was_typed_of_it(
    client: httpx.AsyncClient,
    engine: FakeEngine,
    tokenizer: Tokenizer,
    prefix: str,
    draft: str,
    ahead: str,
) -> None:
    body = {**BODY, "input_prefix": prefix, "draft": draft, "heal": False}
    assert (await client.post("/infill", json=body)).status_code == 200
    assert list(engine.requests[0].draft) == tokenizer.encode(ahead, bos=False, leading_space=False)


async def test_a_draft_begins_with_what_healing_repeats(
    client: httpx.AsyncClient, engine: FakeEngine, tokenizer: Tokenizer
) -> None:
    body = {**BODY, "input_prefix": "x = pr", "draft": "int(a)", "heal": True}
    assert (await client.post("/infill", json=body)).status_code == 200
    request = engine.requests[0]
    assert request.healing is not None
    text = request.healing.text.decode() + "int(a)"
    assert list(request.draft) == tokenizer.encode(text, bos=False, leading_space=False)


async def test_a_request_without_a_draft_has_none(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    assert (await client.post("/infill", json={**BODY, "draft": None})).status_code == 200
    assert engine.requests[0].draft == ()


async def test_a_prompt_is_cut_to_the_tokens_that_infill_may_have(
    served: Served, engine: FakeEngine
) -> None:
    """Which may be fewer than the context has; typing on only appends all the same."""
    engine.script = (finished("length"),)
    lines = "".join(f"value{idx} = {idx}\n" for idx in range(60))
    seen: list[tuple[int, ...]] = []
    async with client_of(replace(served, max_infill_tokens=64)) as client:
        for typed in ("", "a", "ab"):
            body = {"input_prefix": lines + typed, "input_suffix": lines, "n_predict": 8}
            reply = (await client.post("/infill", json=body)).json()
            assert reply["truncated"]
            seen.append(tuple(engine.requests[-1].prompt_ids))
    assert all(32 < len(ids) <= 64 for ids in seen)
    assert seen[1][: len(seen[0])] == seen[0]
    assert seen[2][: len(seen[1]) - 1] == seen[1][:-1]
