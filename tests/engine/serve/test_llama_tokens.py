"""llama.cpp's `/tokenize`, `/apply-template`, and what `/props` tells of templates and defaults."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from midfill_engine.serve.served import Served
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.serve.chat_models import load_chat
from tests.engine.serve.conftest import client_of, serve_with
from tests.engine.serve.fakes import FakeEngine
from tests.engine.text.chat_vocabularies import CHATML

MESSAGES = [{"role": "user", "content": "hi"}]


async def _tokens(client: httpx.AsyncClient, **body: Any) -> Any:  # noqa: ANN401
    return (await client.post("/tokenize", json=body)).json()["tokens"]


async def test_tokens_of_a_content(client: httpx.AsyncClient, tokenizer: Tokenizer) -> None:
    plain = tokenizer.encode("def x", bos=False)
    assert await _tokens(client, content="def x") == plain
    assert await _tokens(client, content="def x", add_special=True) == [tokenizer.bos_id, *plain]
    assert await _tokens(client, content="") == []
    long = "def x\n" * 2000
    assert await _tokens(client, content=long) == tokenizer.encode(long, bos=False)


async def test_names_of_special_tokens(client: httpx.AsyncClient, tokenizer: Tokenizer) -> None:
    (end,) = tokenizer.eos_ids
    name = tokenizer.token_text(end)
    assert end in await _tokens(client, content=f"a{name}b")
    text = await _tokens(client, content=f"a{name}b", parse_special=False)
    assert text == tokenizer.encode(f"a{name}b", bos=False)
    assert end not in text


async def test_pieces(client: httpx.AsyncClient, tokenizer: Tokenizer) -> None:
    told = await _tokens(client, content="def 🙂", with_pieces=True, add_special=True)
    assert told[0] == {"id": tokenizer.bos_id, "piece": "<s>"}
    data = b"".join(
        piece.encode() if isinstance(piece, str) else bytes(piece)
        for piece in (entry["piece"] for entry in told[1:])
    )
    assert data.decode().strip() == "def 🙂"
    assert any(isinstance(entry["piece"], list) for entry in told)


async def test_a_body_with_inputs_is_tgis(client: httpx.AsyncClient) -> None:
    reply = await client.post("/tokenize", json={"inputs": "x", "content": "y"})
    assert [token["text"] for token in reply.json()][-1] == "x"


@pytest.mark.parametrize("name", ["content", "add_special", "parse_special", "with_pieces"])
async def test_wrong_values(client: httpx.AsyncClient, name: str) -> None:
    reply = await client.post("/tokenize", json={"content": "x", name: 1})
    assert (reply.status_code, f"`{name}` must be" in reply.json()["error"]) == (422, True)


@pytest.fixture
def chatting(tmp_path: Path) -> Served:
    tokenizer, chat = load_chat(tmp_path)
    return replace(serve_with(FakeEngine(), tokenizer), chat=chat)


async def test_one_template_for_all(chatting: Served) -> None:
    async with client_of(chatting) as client:
        props = (await client.get("/props")).json()
        applied = (await client.post("/apply-template", json={"messages": MESSAGES})).json()
        tokenized = (await client.post("/chat_tokenize", json={"messages": MESSAGES})).json()
        wrong = await client.post("/apply-template", json={"messages": []})
    assert props["chat_template"] == CHATML
    assert applied == {"prompt": tokenized["templated_text"]}
    assert "hi" in applied["prompt"]
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, 422)


async def test_a_model_without_a_template(client: httpx.AsyncClient) -> None:
    assert (await client.get("/props")).json()["chat_template"] == ""
    refused = await client.post("/apply-template", json={"messages": MESSAGES})
    assert refused.status_code == 422
    assert "cannot chat" in refused.json()["error"]["message"]


async def test_the_defaults_are_completions(client: httpx.AsyncClient) -> None:
    told = (await client.get("/props")).json()["default_generation_settings"]
    reply = (await client.post("/completion", json={"prompt": "x"})).json()
    held = reply["generation_settings"]
    for name in set(held) - {"seed", "n_predict"}:
        assert (told[name], told["params"][name]) == (held[name], held[name])
    assert (told["n_predict"], told["seed"], told["temperature"]) == (-1, 2**32 - 1, 0.8)
