"""Sequences that share a prompt, and prompts whose log-probabilities are told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midfill_engine.exec.sampling_params import SamplingParams
from midfill_engine.runtime.loop import EngineLoop
from midfill_engine.runtime.sequence import PREFILL_CHUNK
from tests.engine.runtime.conftest import Collector, request, run
from tests.engine.runtime.fake_runner import ENDLESS, FakeRunner, expected_tokens

LONG = [3 + idx % 90 for idx in range(2 * PREFILL_CHUNK + 40)]


def submit(loop: EngineLoop, count: int, **fields: object) -> list[Collector]:
    """Several requests of one prompt, submitted together behind the first."""
    collectors = [Collector() for _ in range(count)]
    leader = loop.submit(request(LONG, **fields), collectors[0])  # type: ignore[arg-type]  # test shorthand
    follower = replace(request(LONG, **fields), prompt_logprobs=False)  # type: ignore[arg-type]  # test shorthand
    for collector in collectors[1:]:
        loop.submit(follower, collector, leader.request_id)
    return collectors


@pytest.mark.parametrize("cache_prompt", [True, False])
@pytest.mark.parametrize("prompt_logprobs", [True, False])
def test_a_shared_prompt_is_computed_once(
    loop: EngineLoop, runner: FakeRunner, cache_prompt: bool, prompt_logprobs: bool
) -> None:
    """Each of the others computes its last token only: for the logits."""
    fields = {"cache_prompt": cache_prompt, "prompt_logprobs": prompt_logprobs}
    runner.gate.clear()
    collectors = submit(loop, 3, **fields)
    runner.gate.set()
    for collector in collectors:
        end = collector.finished()
        assert collector.token_ids == expected_tokens(LONG, 8)
        assert end.timings.cached_tokens == (0 if collector is collectors[0] else len(LONG) - 1)
    assert runner.computed == len(LONG) + 2 + 3 * 7
    assert [collector.prompt is not None for collector in collectors] == [
        prompt_logprobs,
        False,
        False,
    ]


def test_the_leaders_end_frees_the_others(loop: EngineLoop, runner: FakeRunner) -> None:
    """Aborted before its prompt is computed: the next one computes it."""
    runner.gate.clear()
    collectors = [Collector() for _ in range(3)]
    leader = loop.submit(request(LONG), collectors[0])
    assert runner.in_step.wait(30)
    for collector in collectors[1:]:
        loop.submit(request(LONG), collector, leader.request_id)
    leader.abort()
    runner.gate.set()
    assert collectors[0].finished().reason == "aborted"
    for collector in collectors[1:]:
        assert collector.finished().reason == "length"
        assert collector.token_ids == expected_tokens(LONG, 8)


def test_a_leader_that_failed_frees_the_others(loop: EngineLoop, runner: FakeRunner) -> None:
    left = [2]

    def fail_twice(_: object) -> None:
        if left[0]:
            left[0] -= 1
            raise MemoryError

    runner.fail = fail_twice
    first, second = submit(loop, 2)
    assert first.finished().reason == "error"
    assert second.finished().reason == "length"
    assert second.token_ids == expected_tokens(LONG, 8)


def test_one_slot_is_enough(loop: EngineLoop, runner: FakeRunner) -> None:
    """Others hold the rest: the samples come one after the other."""
    busy = [Collector() for _ in range(2)]
    handles = [loop.submit(request([5, idx + 6], ENDLESS), busy[idx]) for idx in range(2)]
    for collector in busy:
        collector.next_token()
    for collector in submit(loop, 3):
        assert collector.finished().reason == "length"
        assert collector.token_ids == expected_tokens(LONG, 8)
    for handle, collector in zip(handles, busy, strict=True):
        handle.abort()
        collector.finished()


def test_a_leader_that_is_gone_is_no_obstacle(loop: EngineLoop) -> None:
    asked = request(LONG)
    collector = Collector()
    loop.submit(asked, collector, after=99)
    assert collector.finished().reason == "length"


@pytest.mark.parametrize("max_new_tokens", [0, 1, 5])
@pytest.mark.parametrize("prompt_len", [1, 2, PREFILL_CHUNK, PREFILL_CHUNK + 1, len(LONG)])
def test_every_token_of_the_prompt_is_told(
    loop: EngineLoop, runner: FakeRunner, max_new_tokens: int, prompt_len: int
) -> None:
    """Though the whole of it is in the cache."""
    asked = request(LONG[:prompt_len], max_new_tokens, prompt_logprobs=True, top_n=2)
    run(loop, request(LONG, 1))
    before = runner.computed
    found = run(loop, asked)
    assert found.prompt is not None
    assert [token.token_id for token in found.prompt.tokens] == LONG[1:prompt_len]
    assert len(found.tokens) == max_new_tokens
    assert runner.computed - before >= prompt_len


def test_a_step_that_failed_tells_the_prompt_once(loop: EngineLoop, runner: FakeRunner) -> None:
    left = [1]

    def fail_once(_: object) -> None:
        if left[0] and len(runner.batches) == 1:
            left[0] = 0
            raise MemoryError

    runner.fail = fail_once
    found = run(loop, request(LONG, 2, prompt_logprobs=True, sampling=SamplingParams()))
    assert left == [0]
    assert found.prompt is not None
    assert [token.token_id for token in found.prompt.tokens] == LONG[1:]
