"""Healing end to end, with a random and the bundled model."""

from __future__ import annotations

import codecs
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import torch

from midfill_engine.config import EngineConfig, ModelConfig
from midfill_engine.serve.load import load_served
from midfill_engine.serve.served import Served
from midfill_engine.text.fim import build_infill
from midfill_engine.text.infill_defaults import InfillDefaults
from midfill_engine.text.tokenizer import Tokenizer
from midfill_engine.text.window import prompt_budget
from tests.engine.serve.conftest import client_of, sse_values

CODE = """import os


class Reader:
    def __init__(self, path: str) -> None:
        self.path = path
        self.name = "é😀" + os.path.basename(path)

    def read_lines(self):
        with open(self.path) as lines:
            return [line.strip() for line in lines if line]
"""


@pytest.fixture(scope="module", params=["random", "starter"])
def model(request: pytest.FixtureRequest, tiny_folder: Path) -> Iterator[tuple[Served, Path]]:
    """A real engine, and the folder of its model; healing is on."""
    import midfill_engine

    starter = Path(midfill_engine.__file__).parent / "starter"
    folder = starter if request.param == "starter" else tiny_folder
    config = EngineConfig(
        model=ModelConfig(source=str(folder), device="cpu", dtype="float32", num_threads=1)
    )
    served = load_served(config)
    yield replace(served, infill_defaults=InfillDefaults(heal=True)), folder
    served.engine.close()


@pytest.fixture
async def real(model: tuple[Served, Path]) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(model[0]) as found:
        yield found


def _cuts(count: int) -> list[int]:
    return random.Random(0).sample(range(1, len(CODE)), count)


async def _infill(client: httpx.AsyncClient, cut: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    body = {"input_prefix": CODE[:cut], "input_suffix": CODE[cut + 5 :], "n_predict": 6, **fields}
    reply = await client.post("/infill", json=body)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


@pytest.mark.parametrize("order", ["spm", "psm"])
async def test_the_text_is_that_of_a_plain_search_over_transformers_logits(
    model: tuple[Served, Path], real: httpx.AsyncClient, order: str
) -> None:
    from transformers import AutoModelForCausalLM

    served, folder = model
    loader = cast("Any", AutoModelForCausalLM)
    reference = loader.from_pretrained(folder, dtype=torch.float32).eval()
    num_healed = 0
    for cut in _cuts(8):
        assert served.family is not None
        prompt = build_infill(
            served.tokenizer,
            served.family,
            prefix=CODE[:cut],
            suffix=CODE[cut + 5 :],
            order="spm" if order == "spm" else "psm",
            heal=served.pieces,
            budget_tokens=prompt_budget(served.max_total_tokens, 6),
        )
        healed = b"" if prompt.healing is None else prompt.healing.text
        num_healed += bool(healed)
        stops = served.family.stop_ids
        expected = _search(reference, served.tokenizer, prompt.ids, healed, stops)
        reply = await _infill(real, cut, order=order)
        assert reply["content"] == expected
    assert num_healed > 1


def _search(
    model: Any,  # noqa: ANN401  # untyped in transformers
    tokenizer: Tokenizer,
    prompt_ids: Sequence[int],
    healed: bytes,
    stops: frozenset[int],
) -> str:
    """Six greedy tokens behind `healed`; each looks at every piece of the vocabulary."""
    size = model.config.vocab_size  # a random model also writes ids that are no text
    pieces = [tokenizer.token_bytes(token_id) for token_id in range(size)]
    ids, text, num_new = list(prompt_ids), b"", 0
    while num_new < 6:
        with torch.no_grad():
            logits: torch.Tensor = model(torch.tensor([ids])).logits[0, -1]
        ranked = [int(token_id) for token_id in logits.argsort(descending=True)]
        left = healed[len(text) :]
        token_id = next(idx for idx in ranked if _agrees(pieces[idx], left))
        piece = pieces[token_id]
        ids.append(token_id)
        text += piece
        num_new += not left or len(piece) > len(left)
        if token_id in stops:
            break
    return codecs.getincrementaldecoder("utf-8")("replace").decode(text[len(healed) :])


def _agrees(piece: bytes, left: bytes) -> bool:
    return not left or (piece != b"" and (piece.startswith(left) or left.startswith(piece)))


async def test_the_stream_is_the_reply(real: httpx.AsyncClient) -> None:
    for cut in _cuts(6):
        whole = await _infill(real, cut, stop=["\n"])
        body = {"input_prefix": CODE[:cut], "input_suffix": CODE[cut + 5 :], "n_predict": 6}
        reply = await real.post("/infill", json={**body, "stop": ["\n"], "stream": True})
        events = sse_values(reply.text)
        assert "".join(event["content"] for event in events) == whole["content"]
        assert [idx for event in events for idx in event["tokens"]] == whole["tokens"]
        assert all(event["content"] for event in events[:-1])
        assert events[-1]["tokens_predicted"] == whole["tokens_predicted"]


async def test_one_token_gives_new_text(real: httpx.AsyncClient) -> None:
    for cut in _cuts(6):
        reply = await _infill(real, cut, n_predict=1)
        assert reply["tokens_predicted"] == 1
        if reply["stop_type"] == "limit" and "\ufffd" not in reply["content"]:
            assert len(reply["tokens"]) == 1


async def test_sampled_text_is_that_of_its_seed(real: httpx.AsyncClient) -> None:
    cut = CODE.index("lines(self)")
    fields = {"temperature": 0.8, "seed": 7, "top_p": 0.95}
    first = await _infill(real, cut, **fields)
    again = await _infill(real, cut, **fields, cache_prompt=False)
    assert first["content"] == again["content"]
    others = [await _infill(real, cut, **{**fields, "seed": seed}) for seed in range(8)]
    assert len({other["content"] for other in others}) > 1


async def test_one_more_character_computes_a_few_tokens(real: httpx.AsyncClient) -> None:
    start, end = CODE.index("        with open"), CODE.index("            return")
    computed: list[int] = []
    suffix = CODE[end:]
    for cut in range(start, end - 1):
        body = {"input_prefix": CODE[:cut], "input_suffix": suffix, "session": "w", "n_predict": 4}
        reply = (await real.post("/infill", json=body)).json()
        assert reply["timings"]["prompt_n"] == reply["tokens_evaluated"] - reply["tokens_cached"]
        computed.append(reply["timings"]["prompt_n"])
    assert max(computed[1:]) <= 6


@pytest.mark.parametrize("order", ["spm", "psm"])
async def test_a_full_context_still_has_room_to_repeat(
    model: tuple[Served, Path], real: httpx.AsyncClient, order: str
) -> None:
    total = model[0].max_total_tokens
    prefix = (CODE * 40)[: -len("lines if line]\n")]
    for end in range(12):
        body = {"input_prefix": prefix[: len(prefix) - end], "input_suffix": CODE * 40}
        reply = (await real.post("/infill", json={**body, "n_predict": -1, "order": order})).json()
        assert reply["truncated"]
        assert reply["tokens_evaluated"] + reply["tokens_predicted"] <= total


async def test_completions_with_a_suffix_heal_too(real: httpx.AsyncClient) -> None:
    cut = len("impo")
    body = {"prompt": CODE[:cut], "suffix": CODE[cut + 5 :], "max_tokens": 6, "temperature": 0}
    healed = (await real.post("/v1/completions", json=body)).json()
    plain = (await real.post("/v1/completions", json={**body, "heal": False})).json()
    assert healed["choices"][0]["text"] == (await _infill(real, cut))["content"]
    assert plain["choices"][0]["text"] == (await _infill(real, cut, heal=False))["content"]
    assert healed["usage"]["prompt_tokens"] < plain["usage"]["prompt_tokens"]
    assert healed["usage"]["completion_tokens"] <= 6
