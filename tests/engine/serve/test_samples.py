"""Several samples of one prompt, as the dialects ask for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from midfill_engine.config import Limits
from midfill_engine.errors import Overloaded
from midfill_engine.exec.sampling_params import SamplingParams
from midfill_engine.runtime.loop import EngineLoop
from midfill_engine.runtime.request import Finished, GenerationRequest
from midfill_engine.serve.samples import Samples
from midfill_engine.serve.served import Served
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.runtime.fake_runner import FakeRunner, expected_tokens
from tests.engine.serve.conftest import client_of, serve_with
from tests.engine.serve.fakes import FakeEngine

PROMPT = tuple(range(3, 40))
SEEDED = SamplingParams(temperature=1.0, seed=2**64 - 1)


async def test_every_sample_has_a_seed_of_its_own(engine: FakeEngine, tokenizer: Tokenizer) -> None:
    """And only the first belongs to the session, which a second would end, and scores."""
    request = GenerationRequest(PROMPT, 4, SEEDED, session="one", prompt_logprobs=True, top_n=2)
    samples = Samples(serve_with(engine, tokenizer), request, 3, dialect="test", started_at=0.0)
    await samples.results()
    samples.close()
    assert [asked.sampling.seed for asked in engine.requests] == [2**64 - 1, 0, 1]
    assert [asked.session for asked in engine.requests] == ["one", None, None]
    assert [asked.prompt_logprobs for asked in engine.requests] == [True, False, False]
    assert [asked.top_n for asked in engine.requests] == [2, 2, 2]
    assert engine.leaders == [None, 1, 1]
    assert [handle.num_aborts for handle in engine.handles] == [0, 0, 0]


async def test_events_of_all_come_to_their_ends(
    loop: EngineLoop, runner: FakeRunner, tokenizer: Tokenizer
) -> None:
    served = serve_with(loop, tokenizer)
    request = GenerationRequest(PROMPT, 5, prompt_logprobs=True)
    samples = Samples(served, request, 3, dialect="test", started_at=0.0)
    ends: list[int] = []
    tokens: list[list[int]] = [[], [], []]
    async for idx, event in samples.events():
        assert samples.generations[0].prompt_tokens, "told before the first token"
        if isinstance(event, Finished):
            ends.append(idx)
        else:
            tokens[idx].append(event.token_id)
    samples.close()
    assert sorted(ends) == [0, 1, 2]
    assert tokens == [expected_tokens(PROMPT, 5)] * 3
    assert runner.computed == len(PROMPT) + 2 + 3 * 4
    assert [len(one.prompt_tokens) for one in samples.generations] == [len(PROMPT) - 1, 0, 0]


async def test_all_or_none(engine: FakeEngine, tokenizer: Tokenizer) -> None:
    """The third is refused: the two before it are aborted."""
    engine.script = None
    engine.refuse = lambda: Overloaded("full") if len(engine.requests) == 2 else None
    served = serve_with(engine, tokenizer)
    with pytest.raises(Overloaded):
        Samples(served, GenerationRequest(PROMPT, 4), 3, dialect="test", started_at=0.0)
    assert [handle.num_aborts for handle in engine.handles] == [1, 1]


async def test_close_aborts_each_once(engine: FakeEngine, tokenizer: Tokenizer) -> None:
    engine.script = None
    request = GenerationRequest(PROMPT, 4)
    samples = Samples(serve_with(engine, tokenizer), request, 2, dialect="test", started_at=0.0)
    samples.close()
    samples.close()
    assert [handle.num_aborts for handle in engine.handles] == [1, 1]


_TOO_MANY: list[tuple[str, dict[str, Any], str]] = [
    ("/generate", {"inputs": "x", "parameters": {"best_of": 2, "do_sample": True}}, "1 x 2"),
    ("/", {"inputs": "x", "parameters": {"best_of": 2, "do_sample": True}}, "1 x 2"),
    ("/invocations", {"prompt": "x", "n": 2}, "1 x 2"),
    ("/infill", {"input_prefix": "x", "input_suffix": "", "n_cmpl": 2}, "1 x 2"),
    ("/infill", {"input_prefix": "", "input_suffix": "", "n_cmpl": 2, "stream": True}, "1 x 2"),
    ("/completion", {"prompt": "x", "n_cmpl": 2}, "1 x 2"),
    ("/v1/completions", {"prompt": "x", "best_of": 2}, "1 x 2"),
    ("/v1/completions", {"prompt": ["x", "y"]}, "2 x 1"),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "n": 2}, "1 x 2"),
]


@pytest.mark.parametrize(("path", "body", "given"), _TOO_MANY)
async def test_more_than_the_engine_ever_takes(
    chatting: Served, engine: FakeEngine, path: str, body: dict[str, Any], given: str
) -> None:
    """Once 429 with Retry-After, which an idle engine answered for ever."""
    served = replace(chatting, limits=Limits(max_concurrent=1))
    async with client_of(served) as client:
        reply = await client.post(path, json=body)
    assert reply.status_code == 422
    assert "must be <= 1, the requests that this engine takes at once" in reply.text
    assert f"Given: {given}; ask for fewer" in reply.text
    assert "higher --max-concurrent" in reply.text
    assert not engine.requests
