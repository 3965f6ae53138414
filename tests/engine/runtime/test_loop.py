"""The engine thread over a fake runner: reuse, abort, supersede, failure, fairness."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import pytest

from midfill_engine.errors import EngineDied, EngineError, OutOfMemory, Overloaded, ValidationError
from midfill_engine.runtime.loop import EngineLoop
from midfill_engine.runtime.request import GenerationRequest, TokenEvent
from midfill_engine.runtime.sequence import PREFILL_CHUNK
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.runtime.conftest import Collector, request, run
from tests.engine.runtime.fake_runner import ENDLESS, FIRST_BYTE_TOKEN, FakeRunner, expected_tokens

EOS = 2


def test_a_request_gets_its_tokens_and_one_end(loop: EngineLoop) -> None:
    collector = Collector()
    loop.submit(request([1, 50, 60], 5), collector)
    end = collector.finished()
    assert collector.token_ids == expected_tokens([1, 50, 60], 5)
    assert end.reason == "length"
    assert end.timings.prompt_tokens == 3
    assert end.timings.generated_tokens == 5
    assert loop.num_open == 0


def test_a_first_text_and_an_end_leave_before_the_next_step(
    loop: EngineLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's thread gives way behind them, and behind no other token."""
    collector, counts = Collector(), list[int]()
    sleep = time.sleep

    def slept(seconds: float) -> None:
        if seconds == 0:
            counts.append(sum(isinstance(each, TokenEvent) for each in collector.arrived))
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", slept)
    loop.submit(request([1, 50, 60], 5), collector)
    collector.finished()
    loop.close()
    assert counts == [1, 5]


def test_an_extended_prompt_computes_only_the_new_tokens(
    loop: EngineLoop, runner: FakeRunner
) -> None:
    prompt = list(range(10, 110))
    run(loop, request(prompt, 1))
    before = runner.computed
    collector = Collector()
    loop.submit(request([*prompt, 7], 1), collector)
    assert collector.finished().timings.cached_tokens == 100
    assert runner.computed - before == 1


def test_generated_tokens_are_reused_too(loop: EngineLoop, runner: FakeRunner) -> None:
    first = run(loop, request([5, 6, 7], 6))
    before = runner.computed
    run(loop, request([5, 6, 7, *first.token_ids], 1))
    assert runner.computed - before == 1


def test_without_cache_prompt_nothing_is_reused_or_left(
    loop: EngineLoop, runner: FakeRunner
) -> None:
    for _ in range(2):
        before = runner.computed
        run(loop, request([5, 6, 7], 1, cache_prompt=False))
        assert runner.computed - before == 3


def test_long_prompts_run_in_chunks(loop: EngineLoop, runner: FakeRunner) -> None:
    prompt = [i % 200 for i in range(PREFILL_CHUNK * 3 + 5)]
    collector = run(loop, request(prompt, 2))
    assert collector.token_ids == expected_tokens(prompt, 2)
    assert runner.longest_input == PREFILL_CHUNK


def test_a_warm_up_fills_the_cache_and_says_nothing(loop: EngineLoop, runner: FakeRunner) -> None:
    assert run(loop, request([1, 2, 3, 4], 0)).tokens == []
    before = runner.computed
    run(loop, request([1, 2, 3, 4], 1))
    assert runner.computed - before == 1


def test_abort_stops_by_the_next_step(loop: EngineLoop, runner: FakeRunner) -> None:
    collector = Collector()
    handle = loop.submit(request([1, 2], ENDLESS), collector)
    collector.next_token()
    runner.in_step.clear()
    runner.gate.clear()
    assert runner.in_step.wait(30)  # a step is under way
    handle.abort()
    steps = loop.num_steps
    runner.gate.set()
    assert collector.finished().reason == "aborted"
    assert loop.num_steps - steps <= 1
    handle.abort()  # harmless


def test_abort_of_a_waiting_request(runner: FakeRunner, tokenizer: Tokenizer) -> None:
    loop = EngineLoop(FakeRunner(num_slots=1), tokenizer)
    loop.start()
    running, waiting = Collector(), Collector()
    first = loop.submit(request([1, 2], ENDLESS), running)
    running.next_token()
    loop.submit(request([3, 4], 5), waiting).abort()
    assert waiting.finished().reason == "aborted"
    first.abort()
    assert running.finished().reason == "aborted"
    loop.close()


def test_a_session_supersedes_only_itself(loop: EngineLoop) -> None:
    old, bystander, new = Collector(), Collector(), Collector()
    loop.submit(request([1, 2], ENDLESS, session="a"), old)
    handle = loop.submit(request([3, 4], ENDLESS, session="b"), bystander)
    old.next_token()
    bystander.next_token()
    loop.submit(request([1, 2, 3], 4, session="a"), new)
    assert old.finished().reason == "superseded"
    assert new.finished().reason == "length"
    handle.abort()
    assert bystander.finished().reason == "aborted"


def test_a_session_supersedes_its_samples_even_those_that_outlived_the_first(
    loop: EngineLoop,
) -> None:
    first, second, third, new = (Collector() for _ in range(4))
    leader = loop.submit(request([1, 2], 1, session="a"), first)
    sample = request([1, 2], ENDLESS, ends_with="a")
    loop.submit(sample, second, after=leader.request_id)
    loop.submit(sample, third, after=leader.request_id)
    assert first.finished().reason == "length"
    second.next_token()
    third.next_token()
    loop.submit(request([1, 2, 3], 4, session="a"), new)
    assert [one.finished().reason for one in (second, third)] == ["superseded"] * 2
    assert new.finished().reason == "length"


def test_requests_share_the_engine_fairly(loop: EngineLoop, runner: FakeRunner) -> None:
    long, short = Collector(), Collector()
    handle = loop.submit(request([1], ENDLESS), long)
    long.next_token()
    loop.submit(request([2], 3), short)
    short.finished()
    handle.abort()
    assert long.finished().reason == "aborted"
    assert short.token_ids == expected_tokens([2], 3)
    assert long.token_ids == expected_tokens([1], len(long.token_ids))


def test_a_step_says_once_that_it_told(runner: FakeRunner, tokenizer: Tokenizer) -> None:
    loop = EngineLoop(runner, tokenizer)
    said: list[int] = []

    def on_told() -> None:
        said.append(loop.num_steps)

    collectors = [Collector() for _ in range(3)]
    for idx, collector in enumerate(collectors):
        loop.submit(request([idx + 1], 4), collector, on_told=on_told)
    loop.submit(request([9], 4), Collector())  # nobody waits for word of this one
    loop.start()
    for collector in collectors:
        assert len(collector.finished().delta + collector.text) > 0
        assert len(collector.tokens) == 4
    loop.close()
    assert said == [1, 2, 3, 4]


def test_stop_text_over_two_tokens_is_held_back(loop: EngineLoop, runner: FakeRunner) -> None:
    script = [FIRST_BYTE_TOKEN + byte for byte in b"abSTcSTOPd"]
    runner.choose = lambda tokens: script[len(tokens) - 1]
    collector = Collector()
    loop.submit(request([1], 50, stop=("STOP",)), collector)
    end = collector.finished()
    assert (end.reason, end.stop_sequence) == ("stop_sequence", "STOP")
    assert collector.text + end.delta == "abSTc"


def test_held_back_text_is_given_at_the_end(loop: EngineLoop, runner: FakeRunner) -> None:
    script = [FIRST_BYTE_TOKEN + byte for byte in b"abST"]
    runner.choose = lambda tokens: script[len(tokens) - 1]
    collector = Collector()
    loop.submit(request([1], 4, stop=("STOP",)), collector)
    end = collector.finished()
    assert collector.text + end.delta == "abST"


def test_a_split_character_is_never_sent_broken(loop: EngineLoop, runner: FakeRunner) -> None:
    script = [FIRST_BYTE_TOKEN + byte for byte in "é🙂".encode()] + [EOS]
    runner.choose = lambda tokens: script[len(tokens) - 1]
    collector = Collector()
    loop.submit(request([1], 50, stop_token_ids=frozenset({EOS})), collector)
    end = collector.finished()
    assert end.reason == "eos_token"
    assert [event.delta for event in collector.tokens] == ["", "é", "", "", "", "🙂", ""]
    assert collector.tokens[-1].special


def test_a_character_that_the_limit_cuts_is_left_out(loop: EngineLoop, runner: FakeRunner) -> None:
    script = [FIRST_BYTE_TOKEN + byte for byte in "a🙂".encode()]
    runner.choose = lambda tokens: script[len(tokens) - 1]
    collector = Collector()
    loop.submit(request([1], 4), collector)
    end = collector.finished()
    assert (end.reason, collector.text + end.delta) == ("length", "a")


def test_tokens_outside_of_the_embedding_are_refused(loop: EngineLoop, runner: FakeRunner) -> None:
    """On a GPU such an index ends the process, on the CPU it was an internal error."""
    with pytest.raises(ValidationError, match=f"token {runner.vocab_size}"):
        loop.submit(request([1, runner.vocab_size], 1), Collector())
    assert loop.num_open == 0


def test_a_failing_step_ends_one_request_only(loop: EngineLoop, runner: FakeRunner) -> None:
    def fail(prompt: Sequence[int]) -> None:
        if prompt[0] == 66:
            raise OutOfMemory("out of memory: shorten the prompt")
        if prompt[0] == 70:
            raise EngineError("the model's logits are not numbers; try --dtype float32")
        if prompt[0] == 77:
            raise RuntimeError("bug")

    runner.fail = fail
    messages = {66: "out of memory: shorten", 70: "try --dtype float32", 77: "internal error"}
    for first, message in messages.items():
        collector = Collector()
        loop.submit(request([first], 3), collector)
        end = collector.finished()
        assert end.reason == "error"
        assert end.error is not None
        assert message in end.error
    assert run(loop, request([1], 2)).token_ids == expected_tokens([1], 2)


def test_a_full_engine_refuses(loop: EngineLoop, runner: FakeRunner) -> None:
    collectors = [Collector() for _ in range(16)]
    handles = [loop.submit(request([i + 1], ENDLESS), c) for i, c in enumerate(collectors)]
    with pytest.raises(Overloaded):
        loop.submit(request([1], 1), Collector())
    for handle, collector in zip(handles, collectors, strict=True):
        handle.abort()
        assert collector.finished().reason == "aborted"


def test_a_full_engine_takes_who_supersedes_its_own(tokenizer: Tokenizer) -> None:
    runner = FakeRunner()
    loop = EngineLoop(runner, tokenizer, max_requests=2)
    loop.start()
    old, other, new, newest = (Collector() for _ in range(4))
    loop.submit(request([1], ENDLESS, session="a"), old)
    handle = loop.submit(request([2], ENDLESS, session="b"), other)
    old.next_token()
    other.next_token()
    with pytest.raises(Overloaded):
        loop.submit(request([3], 1, session="c"), Collector())
    runner.in_step.clear()
    runner.gate.clear()
    assert runner.in_step.wait(30)  # nobody ends meanwhile
    loop.submit(request([4], 1, session="a"), new)
    with pytest.raises(Overloaded):  # two of them wait for their end already
        loop.submit(request([5], 1, session="c"), Collector())
    runner.gate.set()
    assert old.finished().reason == "superseded"
    assert new.finished().reason == "length"
    loop.submit(request([6], 1), newest)
    assert newest.finished().reason == "length"
    handle.abort()
    assert other.finished().reason == "aborted"
    loop.close()


def test_close_finishes_what_is_open_and_refuses_the_rest(
    loop: EngineLoop, runner: FakeRunner
) -> None:
    collectors = [Collector() for _ in range(6)]
    for i, collector in enumerate(collectors):
        loop.submit(request([i + 1], ENDLESS), collector)
    loop.close()
    assert [collector.finished().reason for collector in collectors] == ["aborted"] * 6
    assert not loop.alive
    with pytest.raises(EngineDied):
        loop.submit(request([1], 1), Collector())


def test_random_traffic_gives_every_request_its_own_answer(loop: EngineLoop) -> None:
    rng = random.Random(3)
    for _ in range(40):
        open_requests: list[tuple[GenerationRequest, Collector]] = []
        for _ in range(rng.randrange(1, 8)):
            prompt = [rng.randrange(1, 4) for _ in range(rng.randrange(1, 20))]
            asked = request(prompt, rng.randrange(1, 12), session=rng.choice([None, "a", "b"]))
            collector = Collector()
            handle = loop.submit(asked, collector)
            if rng.random() < 0.2:
                handle.abort()
            open_requests.append((asked, collector))
        for asked, collector in open_requests:
            reason = collector.finished().reason
            assert reason in ("length", "aborted", "superseded")
            count = len(collector.token_ids)
            assert collector.token_ids == expected_tokens(asked.prompt_ids, count)
            assert reason != "length" or count == asked.max_new_tokens
        loop.check_integrity()
