"""When steps follow each other in one call, and that nobody waits for their end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from midfill_engine.exec.sampling_params import SamplingParams
from midfill_engine.exec.work import Work
from midfill_engine.model.ahead import Ahead, RunAhead, StepMade
from midfill_engine.runtime import ahead as ahead_module
from midfill_engine.runtime import tell
from midfill_engine.runtime.ahead import BUDGET_MS
from midfill_engine.runtime.loop import EngineLoop
from midfill_engine.runtime.request import GenerationRequest
from midfill_engine.text.heal import Healing, PieceIndex
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.runtime.conftest import Collector, request
from tests.engine.runtime.fake_runner import (
    ENDLESS,
    FIRST_BYTE_TOKEN,
    FakeRunner,
    expected_tokens,
)

NEWLINE = FIRST_BYTE_TOKEN + ord("\n")


class AheadRunner(FakeRunner):
    """Runs ahead step by step; notes what was asked for and made."""

    def __init__(self) -> None:
        super().__init__(max_total_tokens=10**9)
        self.calls: list[tuple[Ahead, list[int]]] = []
        self.most = 5
        self.hold = False
        self.is_ahead = threading.Event()

    @property
    def vocab_size(self) -> int:
        return 300

    @property
    def run_ahead(self) -> RunAhead:  # type: ignore[override]  # the plain one has none
        return self._run_ahead

    def _run_ahead(self, ahead: Ahead) -> list[StepMade]:
        made: list[StepMade] = []
        last = ahead.last
        while True:
            self.is_ahead.set()
            at = ahead.position + len(made)
            before = self.slots[ahead.slot][:at]
            assert len(before) == at, "a hole in the cache"
            work = Work(ahead.slot, [last], at, 0, SamplingParams(), before, [last])
            last = self.run([work])[0][0].token_id
            made.append(StepMade(1, 0.1, [last], [-1.0]))
            over = len(made) >= ahead.most_tokens or (len(made) >= self.most and not self.hold)
            if over or ahead.interrupt[0] or (ahead.ends is not None and ahead.ends[last]):
                self.calls.append((ahead, [step.token_ids[0] for step in made]))
                return made


class StepClock:
    """A clock on which every step takes a millisecond, and nothing else any time."""

    def __init__(self, runner: AheadRunner) -> None:
        self._runner = runner
        self.sleep = time.sleep

    def perf_counter(self) -> float:
        return sum(len(made) for _, made in self._runner.calls) / 1e3


@pytest.fixture
def runner() -> AheadRunner:
    return AheadRunner()


@pytest.fixture
def loop(runner: AheadRunner, tokenizer: Tokenizer) -> Iterator[EngineLoop]:
    loop = EngineLoop(runner, tokenizer)
    loop.start()
    yield loop
    runner.hold = False
    loop.close()
    loop.check_integrity()


def run(loop: EngineLoop, asked: GenerationRequest) -> Collector:
    collector = Collector()
    loop.submit(asked, collector)
    collector.finished()
    return collector


def test_the_first_token_is_told_alone_and_then_several(
    loop: EngineLoop, runner: AheadRunner
) -> None:
    told: list[int] = []
    collector = Collector()
    loop.submit(request([1, 2], 12), collector, on_told=lambda: told.append(len(collector.arrived)))
    collector.finished()
    assert collector.token_ids == expected_tokens([1, 2], 12)
    assert [len(tokens) for _, tokens in runner.calls] == [5, 5, 1]
    assert told == [1, 6, 11, 13]  # the last one with the end
    assert loop.num_steps == 12
    assert loop.steps.started["decode"] == 11


def test_text_waits_no_longer_than_it_has_been_coming(
    loop: EngineLoop, runner: AheadRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = StepClock(runner)
    monkeypatch.setattr(ahead_module, "time", clock)
    monkeypatch.setattr(tell, "time", clock)
    runner.most = 1
    run(loop, request([1], 8))
    budgets = [round(ahead.budget_ms, 6) for ahead, _ in runner.calls]
    assert budgets == [0.0, 1.0, 2.0, 3.0, BUDGET_MS, BUDGET_MS, BUDGET_MS]


def test_whoever_comes_waits_for_one_step(loop: EngineLoop, runner: AheadRunner) -> None:
    runner.hold = True
    long, short = Collector(), Collector()
    handle = loop.submit(request([1], ENDLESS), long)
    assert runner.is_ahead.wait(30)
    loop.submit(request([2], 3), short)
    assert short.finished().reason == "length"
    assert short.token_ids == expected_tokens([2], 3)
    handle.abort()
    assert long.finished().reason == "aborted"
    assert long.token_ids == expected_tokens([1], len(long.token_ids))


def test_an_abort_a_newer_request_and_the_end_interrupt(
    loop: EngineLoop, runner: AheadRunner, tokenizer: Tokenizer
) -> None:
    runner.hold = True
    old, new = Collector(), Collector()
    loop.submit(request([1], ENDLESS, session="a"), old)
    assert runner.is_ahead.wait(30)
    handle = loop.submit(request([1, 2], ENDLESS, session="a"), new)
    assert old.finished().reason == "superseded"
    new.next_token()
    handle.abort()
    assert new.finished().reason == "aborted"
    last = Collector()
    loop.submit(request([3], ENDLESS), last)
    last.next_token()
    loop.close()
    assert last.finished().reason == "aborted"


def test_two_sequences_take_turns_in_steps(loop: EngineLoop, runner: AheadRunner) -> None:
    collectors = [Collector(), Collector()]
    gate = runner.gate
    gate.clear()
    for idx, collector in enumerate(collectors):
        loop.submit(request([idx + 1], 6), collector)
    gate.set()
    for idx, collector in enumerate(collectors):
        collector.finished()
        assert collector.token_ids == expected_tokens([idx + 1], 6)
    assert sum(len(tokens) for _, tokens in runner.calls) <= 6


@pytest.mark.parametrize("stop", [("\n",), ("x\n",), ("never", "\n\n")])
def test_nothing_is_made_behind_what_may_end_it(
    loop: EngineLoop, runner: AheadRunner, stop: tuple[str, ...]
) -> None:
    script = [FIRST_BYTE_TOKEN + byte for byte in b"abcd\nef\n\nghx\nij"]
    runner.choose = lambda tokens: script[len(tokens) - 1]
    runner.most = 20
    end = Collector()
    loop.submit(request([1], 15, stop=stop), end)
    assert end.finished().stop_sequence in stop
    for _, tokens in runner.calls:
        assert NEWLINE not in tokens[:-1]


def test_stop_tokens_end_it(loop: EngineLoop, runner: AheadRunner) -> None:
    runner.choose = lambda tokens: FIRST_BYTE_TOKEN + ord("a") + len(tokens)
    ends = FIRST_BYTE_TOKEN + ord("a") + 4
    collector = Collector()
    loop.submit(request([1], 15, stop_token_ids=frozenset({ends, 10**5})), collector)
    assert collector.finished().reason == "eos_token"
    assert runner.calls[-1][1][-1] == ends


@pytest.mark.parametrize(
    "fields",
    [
        {"sampling": SamplingParams(temperature=1.0)},
        {"sampling": SamplingParams(repetition_penalty=1.3)},
        {"sampling": SamplingParams(watermark=True)},
        {"top_n": 2},
    ],
)
def test_what_takes_more_than_the_best_is_made_step_by_step(
    loop: EngineLoop, runner: AheadRunner, fields: dict[str, object]
) -> None:
    run(loop, request([1], 8, **fields))
    assert not runner.calls


def test_healed_text_is_repeated_step_by_step(
    loop: EngineLoop, runner: AheadRunner, tokenizer: Tokenizer
) -> None:
    pieces = PieceIndex(tokenizer, runner.vocab_size)
    runner.choose = lambda tokens: FIRST_BYTE_TOKEN + ord("a") + len(tokens) - 1
    collector = run(loop, request([1], 6, healing=Healing(b"abc", pieces)))
    assert collector.text == "defghi"
    assert all(ahead.position >= 4 for ahead, _ in runner.calls)
