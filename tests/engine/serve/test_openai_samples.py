"""`/v1/completions` with several prompts and samples, echo and log-probabilities."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from midfill_engine.config import EngineConfig, ModelConfig
from midfill_engine.serve.load import load_served
from midfill_engine.serve.served import Served
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.serve.conftest import client_of, sse_values
from tests.engine.serve.fakes import FakeEngine


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> Iterator[Served]:
    model = ModelConfig(source=str(tiny_folder), device="cpu", max_context=128)
    served = load_served(EngineConfig(model=model))
    yield served
    served.engine.close()


async def _ask(served: Served, **body: Any) -> Any:  # noqa: ANN401
    async with client_of(served) as client:
        reply = await client.post("/v1/completions", json=body)
    assert reply.status_code == 200, reply.text
    return reply.json() if "stream" not in body else sse_values(reply.text)


async def test_every_form_of_prompt(
    client: httpx.AsyncClient, engine: FakeEngine, tokenizer: Tokenizer
) -> None:
    one = tokenizer.encode("a", bos=True)
    for prompt in ("a", ["a", "a"], one, [one, one]):
        engine.requests.clear()
        reply = await client.post("/v1/completions", json={"prompt": prompt})
        num_prompts = 2 if prompt in (["a", "a"], [one, one]) else 1
        assert [choice["index"] for choice in reply.json()["choices"]] == [*range(num_prompts)]
        assert {request.prompt_ids for request in engine.requests} == {tuple(one)}
        assert reply.json()["usage"]["prompt_tokens"] == 7 * num_prompts


async def test_n_samples_are_those_of_the_seeds_that_follow(tiny: Served) -> None:
    body: dict[str, Any] = {"prompt": ["x =", "def "], "max_tokens": 6, "temperature": 1.0}
    together = await _ask(tiny, **body, n=2, seed=7)
    alone = [await _ask(tiny, **body, seed=seed) for seed in (7, 8)]
    texts = [choice["text"] for choice in together["choices"]]
    expected = [alone[idx % 2]["choices"][idx // 2]["text"] for idx in range(4)]
    assert texts == expected
    streamed = ["", "", "", ""]
    events = await _ask(tiny, **body, n=2, seed=7, stream=True)
    assert events.pop() == "[DONE]"
    for event in events:
        streamed[event["choices"][0]["index"]] += event["choices"][0]["text"]
    assert streamed == texts


async def test_best_of_shows_the_likeliest(tiny: Served) -> None:
    body: dict[str, Any] = {
        "prompt": "x =",
        "max_tokens": 5,
        "temperature": 1.0,
        "seed": 3,
        "logprobs": 0,
    }
    every = (await _ask(tiny, **body, n=4))["choices"]
    ranked = (await _ask(tiny, **body, n=3, best_of=4))["choices"]
    shown = (await _ask(tiny, **body, best_of=4))["choices"]

    def mean(choice: Any) -> float:  # noqa: ANN401
        logprobs = choice["logprobs"]["token_logprobs"]
        return math.fsum(logprobs) / len(logprobs)

    # None ended early: the end's token has no text, counts for the likelihood and is not told.
    assert [choice["finish_reason"] for choice in every] == ["length"] * 4
    means = [mean(choice) for choice in every]
    assert len(set(means)) == 4
    assert [mean(choice) for choice in ranked] == sorted(means, reverse=True)[:3]
    best = max(every, key=mean)
    assert [choice["text"] for choice in shown] == [best["text"]] == [ranked[0]["text"]]


async def test_logprobs(tiny: Served) -> None:
    body: dict[str, Any] = {"prompt": "x =", "max_tokens": 5, "temperature": 0, "logprobs": 3}
    choice = (await _ask(tiny, **body))["choices"][0]
    table = choice["logprobs"]
    assert len({len(column) for column in table.values()}) == 1
    assert table["text_offset"][0] == 0
    assert table["text_offset"][-1] <= len(choice["text"])
    for name, logprob, top in zip(
        table["tokens"], table["token_logprobs"], table["top_logprobs"], strict=True
    ):
        assert top[name] == logprob == max(top.values())
        assert len(top) <= 3
    assert any(len(top) == 3 for top in table["top_logprobs"])  # some have no text at all
    events = (await _ask(tiny, **body, stream=True))[:-1]
    parts = [event["choices"][0]["logprobs"] for event in events]
    for name, column in table.items():
        assert [value for part in parts for value in part[name]] == column


async def test_echo_scores_the_prompt(tiny: Served) -> None:
    prompt = "def add(a, b):"
    body: dict[str, Any] = {"prompt": prompt, "temperature": 0, "echo": True}
    scored = await _ask(tiny, **body, max_tokens=0, logprobs=1)
    choice = scored["choices"][0]
    assert (choice["text"], choice["finish_reason"]) == (prompt, "length")
    assert scored["usage"]["completion_tokens"] == 0
    ids = tiny.tokenizer.encode(prompt, bos=True)
    table = choice["logprobs"]
    assert len(table["tokens"]) == len(ids) - 1
    assert all(logprob < 0 for logprob in table["token_logprobs"])
    longer = (await _ask(tiny, **body, max_tokens=3, logprobs=1))["choices"][0]
    plain = (await _ask(tiny, prompt=prompt, temperature=0, max_tokens=3))["choices"][0]
    assert longer["text"] == prompt + plain["text"]
    again = longer["logprobs"]["token_logprobs"][: len(ids) - 1]
    assert again == pytest.approx(table["token_logprobs"], abs=1e-4)
    by_ids = (await _ask(tiny, **{**body, "prompt": ids}, max_tokens=0))["choices"][0]
    assert by_ids["text"] == prompt
    events = await _ask(tiny, **body, max_tokens=3, stream=True)
    assert "".join(event["choices"][0]["text"] for event in events[:-1]) == longer["text"]


@pytest.mark.parametrize("prompt", ["def add(a, b):", "größe = '☺漢'"])
@pytest.mark.parametrize("num_made", [2, 4])
async def test_every_choice_has_the_prompts_scores(
    tiny: Served, prompt: str, num_made: int
) -> None:
    """Once only the first sample's had, and the others' offsets pointed into the prompt."""
    body: dict[str, Any] = {"prompt": prompt, "echo": True, "logprobs": 1, "max_tokens": 4}
    body |= {"temperature": 1.0, "seed": 5, "n": 2}
    choices = (await _ask(tiny, **body, best_of=num_made))["choices"]
    for choice in choices:
        table = choice["logprobs"]
        assert {len(column) for column in table.values()} == {len(table["tokens"])}
        num_scored = len(tiny.tokenizer.encode(prompt, bos=True)) - 1
        assert table["token_logprobs"][:num_scored] == pytest.approx(
            choices[0]["logprobs"]["token_logprobs"][:num_scored], abs=1e-6
        )
        assert table["text_offset"][:1] == [0]
        assert table["text_offset"] == sorted(table["text_offset"])
        _check_places(choice, num_scored, len(prompt))


async def test_streamed_choices_have_the_prompts_scores(tiny: Served) -> None:
    body: dict[str, Any] = {"prompt": ["x = 'é'", "def "], "echo": True, "logprobs": 1}
    body |= {"temperature": 1.0, "seed": 5, "n": 2, "max_tokens": 4}
    whole = (await _ask(tiny, **body))["choices"]
    columns: list[dict[str, list[Any]]] = [{name: [] for name in one["logprobs"]} for one in whole]
    for event in (await _ask(tiny, **body, stream=True))[:-1]:
        choice = event["choices"][0]
        for name, part in choice["logprobs"].items():
            columns[choice["index"]][name] += part
    for choice, streamed in zip(whole, columns, strict=True):
        assert streamed["tokens"] == choice["logprobs"]["tokens"]
        assert streamed["text_offset"] == choice["logprobs"]["text_offset"]


def _check_places(choice: Any, num_scored: int, prompt_len: int) -> None:  # noqa: ANN401
    """Every whole token stands where its offset says; what was generated follows the prompt."""
    table = choice["logprobs"]
    assert table["text_offset"][num_scored] == prompt_len
    for name, offset in zip(table["tokens"], table["text_offset"], strict=True):
        if not name.startswith("bytes:"):
            assert choice["text"].startswith(name, offset), (name, offset)
