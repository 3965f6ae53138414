"""Drafts in the engine thread, over the fake runner: same text, one end, books that agree."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from midfill_engine.runtime.interface import ModelRunner
from midfill_engine.runtime.loop import EngineLoop
from midfill_engine.runtime.request import GenerationRequest
from midfill_engine.runtime.step_costs import StepCosts
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.runtime.conftest import Collector, request
from tests.engine.runtime.fake_runner import ENDLESS, FIRST_BYTE_TOKEN, FakeRunner, expected_tokens

EOS = 2
PROMPT = [1, 50, 60]


@pytest.fixture
def speculating(
    runner: FakeRunner, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EngineLoop]:
    """A loop in which rows cost nothing, so that whatever is known is drafted."""

    def free(_runner: ModelRunner) -> StepCosts:
        return StepCosts({1: 1.0, 64: 1.0})

    def learn_nothing(_costs: StepCosts, _num_rows: int, _took_ms: float) -> None:
        """The drafts hang on no clock."""

    monkeypatch.setattr(StepCosts, "measure", free)
    monkeypatch.setattr(StepCosts, "note", learn_nothing)
    loop = EngineLoop(runner, tokenizer, max_requests=16, speculate=True)
    runner.before_run = loop.check_integrity
    loop.start()
    yield loop
    runner.gate.set()
    loop.close()
    loop.check_integrity()


def script(runner: FakeRunner, text: bytes, prompt_len: int = len(PROMPT)) -> list[int]:
    """Makes the runner write the text and then the end."""
    tokens = [*(FIRST_BYTE_TOKEN + byte for byte in text), *[EOS] * 64]
    runner.choose = lambda held: tokens[len(held) - prompt_len]
    return tokens[: len(text)]


def run_one(loop: EngineLoop, asked: GenerationRequest) -> tuple[Collector, str, str]:
    collector = Collector()
    loop.submit(asked, collector)
    end = collector.finished()
    return collector, collector.text + end.delta, end.reason


def test_a_right_hint_is_taken_in_few_steps(speculating: EngineLoop, runner: FakeRunner) -> None:
    answer = expected_tokens(PROMPT, 12)
    collector = Collector()
    speculating.submit(request(PROMPT, 12, draft=tuple(answer)), collector)
    end = collector.finished()
    assert collector.token_ids == answer
    assert (end.timings.drafted_tokens, end.timings.accepted_tokens) == (11, 11)
    assert speculating.num_steps == 1, "drafts go along with the prompt"


def test_a_wrong_hint_changes_nothing(speculating: EngineLoop, runner: FakeRunner) -> None:
    answer = expected_tokens(PROMPT, 12)
    for wrong_at in range(12):
        hint = tuple(answer[:wrong_at]) + (7,) * (12 - wrong_at)
        collector = Collector()
        speculating.submit(request(PROMPT, 12, draft=hint), collector)
        end = collector.finished()
        assert collector.token_ids == answer
        assert end.timings.accepted_tokens >= min(wrong_at, 11)


def test_what_was_rejected_is_not_reused(speculating: EngineLoop, runner: FakeRunner) -> None:
    answer = expected_tokens(PROMPT, 6)
    hint = (*answer[:3], 7, 7, 7)
    first = Collector()
    speculating.submit(request(PROMPT, 4, draft=hint), first)
    first.finished()
    second = Collector()
    speculating.submit(request([*PROMPT, *answer[:3], 7, 7, 9], 2), second)
    assert second.finished().timings.cached_tokens == len(PROMPT) + 3
    assert second.token_ids == expected_tokens([*PROMPT, *answer[:3], 7, 7, 9], 2)


def test_nothing_leaks_behind_a_stop_text(speculating: EngineLoop, runner: FakeRunner) -> None:
    tokens = script(runner, b"abSTOPcdef")
    asked = request(PROMPT, 50, stop=("STOP",), draft=tuple(tokens))
    collector, text, reason = run_one(speculating, asked)
    assert (text, reason) == ("ab", "stop_sequence")
    assert collector.token_ids == tokens[:6]


def test_nothing_leaks_behind_the_end(speculating: EngineLoop, runner: FakeRunner) -> None:
    tokens = script(runner, b"ab")
    hint = (*tokens, EOS, EOS, EOS)
    asked = request(PROMPT, 50, stop_token_ids=frozenset({EOS}), draft=hint)
    collector, text, reason = run_one(speculating, asked)
    assert (text, reason) == ("ab", "eos_token")
    assert collector.token_ids == [*tokens, EOS]


def test_characters_arrive_whole_out_of_drafts(speculating: EngineLoop, runner: FakeRunner) -> None:
    tokens = script(runner, "aé🙂b".encode())
    asked = request(PROMPT, len(tokens), draft=tuple(tokens))
    collector, text, _ = run_one(speculating, asked)
    assert text == "aé🙂b"
    assert [event.delta for event in collector.tokens] == ["a", "", "é", "", "", "", "🙂", "b"]


@pytest.mark.parametrize("limit", range(1, 9))
def test_the_limit_holds_inside_of_a_draft(
    speculating: EngineLoop, runner: FakeRunner, limit: int
) -> None:
    tokens = script(runner, "aé🙂b".encode())
    collector, text, reason = run_one(speculating, request(PROMPT, limit, draft=tuple(tokens)))
    assert (collector.token_ids, reason) == (tokens[:limit], "length")
    assert text == bytes(t - FIRST_BYTE_TOKEN for t in tokens[:limit]).decode(errors="ignore")


def test_an_abort_between_drafts(speculating: EngineLoop, runner: FakeRunner) -> None:
    runner.choose = lambda _held: FIRST_BYTE_TOKEN + ord("a")
    collector = Collector()
    handle = speculating.submit(request(PROMPT, ENDLESS), collector)
    for _ in range(40):
        collector.next_token()
    handle.abort()
    end = collector.finished()
    assert end.reason == "aborted"
    assert end.timings.accepted_tokens > 0
    assert set(collector.token_ids) == {FIRST_BYTE_TOKEN + ord("a")}


def test_a_failed_measurement_only_ends_the_drafts(
    runner: FakeRunner, tokenizer: Tokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_prompt: object) -> None:
        raise RuntimeError("bug")

    runner.fail = fail
    loop = EngineLoop(runner, tokenizer, speculate=True)
    loop.start()
    collector = Collector()
    loop.submit(request(PROMPT, 3), collector)
    assert collector.finished().reason == "error"
    runner.fail = lambda _prompt: None
    again = Collector()
    loop.submit(request(PROMPT, 3), again)
    again.finished()
    loop.close()
    assert again.token_ids == expected_tokens(PROMPT, 3)
    assert "nothing will be drafted" in caplog.text


def test_random_traffic_with_drafts(speculating: EngineLoop) -> None:
    rng = random.Random(5)
    for _ in range(40):
        open_requests: list[tuple[GenerationRequest, Collector]] = []
        for _ in range(rng.randrange(1, 8)):
            prompt = [rng.randrange(1, 4) for _ in range(rng.randrange(1, 20))]
            hint = [
                token if rng.random() < 0.8 else rng.randrange(99)
                for token in expected_tokens(prompt, 12)
            ]
            asked = request(
                prompt,
                rng.randrange(1, 12),
                session=rng.choice([None, "a", "b"]),
                draft=tuple(hint[rng.randrange(2) :]),
            )
            collector = Collector()
            handle = speculating.submit(asked, collector)
            if rng.random() < 0.2:
                handle.abort()
            open_requests.append((asked, collector))
        for asked, collector in open_requests:
            reason = collector.finished().reason
            assert reason in ("length", "aborted", "superseded")
            count = len(collector.token_ids)
            assert collector.token_ids == expected_tokens(asked.prompt_ids, count)
            assert reason != "length" or count == asked.max_new_tokens
        speculating.check_integrity()
