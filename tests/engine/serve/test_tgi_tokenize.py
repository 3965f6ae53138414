"""`/tokenize` tells what `/generate` sees, and where it stands."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from midfill_engine.text.spans import token_spans
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.serve.fakes import FakeEngine

TEXTS = (
    "def add(a, b):\n    return a + b",
    "",
    " leading and trailing ",
    "größe 🙂 \ud800 \r\n\t名前",
    "<s>begins itself</s> and goes on",
    "<PRE> def f(): <SUF>\n    pass <MID>",
    "x <PRE> größe 🙂<SUF> tail <MID> middle <EOT>",
    "<PRE> <SUF>suffix first <MID> the prefix",
)


@pytest.mark.parametrize("text", TEXTS)
def test_spans_are_the_prompts_tokens(tokenizer: Tokenizer, text: str) -> None:
    spans = token_spans(tokenizer, text)
    assert [span.token_id for span in spans] == tokenizer.encode_with_specials(text)
    at = 0
    clean = text.replace("\ud800", "\ufffd")
    for span in spans:
        if span.start == span.stop:
            assert (span.start, span.token_id) == (0, tokenizer.bos_id)
            continue
        gap = clean[at : span.start]
        assert gap.strip(" ") == "", f"{gap!r} belongs to no token"
        assert span.stop >= at
        at = span.stop
        if tokenizer.is_special(span.token_id):
            name = tokenizer.token_text(span.token_id).strip("▁")
            assert clean[span.start : span.stop].strip() == name
    assert clean[at:] == ""


async def test_the_reply(client: httpx.AsyncClient, tokenizer: Tokenizer) -> None:
    reply = await client.post("/tokenize", json={"inputs": "def x"})
    tokens: list[dict[str, Any]] = reply.json()
    assert tokens[0] == {"id": tokenizer.bos_id, "text": "", "start": 0, "stop": 0}
    assert "".join(token["text"] for token in tokens) == "def x"
    assert [token["id"] for token in tokens] == tokenizer.encode_with_specials("def x")
    long = "def x\n" * 2000
    tokens = (await client.post("/tokenize", json={"inputs": long})).json()
    assert "".join(token["text"] for token in tokens) == long


@pytest.mark.parametrize("truncate", [1, 2, 5])
async def test_truncated_as_generate_does(
    client: httpx.AsyncClient, engine: FakeEngine, truncate: int
) -> None:
    body = {"inputs": "xy" * 20, "parameters": {"truncate": truncate, "max_new_tokens": 3}}
    tokens = (await client.post("/tokenize", json=body)).json()
    await client.post("/generate", json=body)
    assert [token["id"] for token in tokens] == list(engine.requests[0].prompt_ids)


async def test_refusals(client: httpx.AsyncClient) -> None:
    for body in ({}, {"inputs": 1}, {"inputs": "x", "parameters": {"truncate": 0}}):
        reply = await client.post("/tokenize", json=body)
        assert (reply.status_code, reply.json()["error_type"]) == (422, "validation")
