"""Who shares a step and who gets the next slot: prompts in turn, typing first, nobody starves."""

from __future__ import annotations

import queue
from collections import Counter

import pytest

from midfill_engine.errors import OutOfMemory
from midfill_engine.runtime.loop import EngineLoop
from midfill_engine.runtime.request import Event, Finished, TokenEvent
from midfill_engine.runtime.schedule import CHUNK_STEPS, SESSIONLESS_STEPS, next_placed, pick
from midfill_engine.runtime.sequence import PREFILL_CHUNK, Sequence
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.runtime.conftest import Collector, request
from tests.engine.runtime.fake_runner import ENDLESS, FakeRunner, expected_tokens


class Sequences:
    """Makes sequences as the loop does."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._num_made = 0

    def make(self, prompt_len: int, step: int = 0, session: str | None = None) -> Sequence:
        self._num_made += 1
        return Sequence(
            request=request([1] * prompt_len, 8, session=session),
            sink=lambda _event: None,
            tokenizer=self._tokenizer,
            request_id=self._num_made,
            submitted_at=0.0,
            submitted_step=step,
        )

    def placed(self, prompt_len: int, step: int = 0, session: str | None = None) -> Sequence:
        sequence = self.make(prompt_len, step, session)
        sequence.place(self._num_made - 1, 0)
        return sequence

    def generating(self) -> Sequence:
        sequence = self.placed(4)
        sequence.computed_len = 4
        sequence.generated_ids.append(9)
        return sequence


@pytest.fixture
def sequences(tokenizer: Tokenizer) -> Sequences:
    return Sequences(tokenizer)


def test_all_that_generate_share_a_step_with_one_chunk(sequences: Sequences) -> None:
    first, long, second, other = (
        sequences.generating(),
        sequences.placed(3 * PREFILL_CHUNK),
        sequences.generating(),
        sequences.placed(PREFILL_CHUNK),
    )
    assert pick([first, long, second, other]) == [first, second, other]
    assert pick([first, long, second]) == [first, long, second]


def test_short_prompts_share_a_chunk(sequences: Sequences) -> None:
    short = [sequences.placed(PREFILL_CHUNK // 4) for _ in range(6)]
    assert pick(short) == short[:4]


def test_a_chunk_is_never_cut_to_fit(sequences: Sequences) -> None:
    """Where a prompt is split may not depend on who else is there."""
    large, small = sequences.placed(PREFILL_CHUNK), sequences.placed(10)
    assert pick([large, small]) == [large]
    small.submitted_step = -1
    assert pick([large, small]) == [small]
    assert len(large.next_work().token_ids) == PREFILL_CHUNK


def test_a_short_prompt_passes_long_ones_until_they_are_due(sequences: Sequences) -> None:
    long = sequences.placed(20 * PREFILL_CHUNK, step=0)
    late = 19 * CHUNK_STEPS
    assert pick([long, sequences.placed(PREFILL_CHUNK, step=late - 1)]) != [long]
    assert pick([long, sequences.placed(PREFILL_CHUNK, step=late + 1)]) == [long]


def test_typing_goes_first_until_the_others_are_due(sequences: Sequences) -> None:
    plain = sequences.make(5, step=0)
    early = sequences.make(5, step=SESSIONLESS_STEPS - 1, session="a")
    late = sequences.make(5, step=SESSIONLESS_STEPS + 1, session="b")
    assert next_placed([plain, late, early]) is early
    assert next_placed([plain, late]) is plain
    assert next_placed([late]) is late


def test_a_short_request_is_not_behind_twenty_long_ones(tokenizer: Tokenizer) -> None:
    runner = FakeRunner(num_slots=32)
    loop = EngineLoop(runner, tokenizer)
    runner.before_run = loop.check_integrity
    runner.gate.clear()
    loop.start()
    long = [Collector() for _ in range(20)]
    handles = [
        loop.submit(request([i + 1] * 40 * PREFILL_CHUNK, ENDLESS), collector)
        for i, collector in enumerate(long)
    ]
    short = Collector()
    loop.submit(request([99] * 8, 4, session="typing"), short)
    runner.gate.set()
    short.finished()
    assert loop.num_steps < 20
    for handle in handles:
        handle.abort()
    assert {collector.finished().reason for collector in long} == {"aborted"}
    loop.close()
    assert short.token_ids == expected_tokens([99] * 8, 4)


def test_long_generations_leave_a_slot_to_typing(tokenizer: Tokenizer) -> None:
    runner = FakeRunner(num_slots=4)
    loop = EngineLoop(runner, tokenizer)
    runner.before_run = loop.check_integrity
    loop.start()
    long = [Collector() for _ in range(5)]
    handles = [loop.submit(request([idx + 1], ENDLESS), each) for idx, each in enumerate(long)]
    for each in long[:3]:
        each.next_token()
    for key in range(3):
        typing = Collector()
        loop.submit(request([50, 60 + key], 4, session="typing"), typing)
        assert typing.finished().reason == "length"
        assert typing.token_ids == expected_tokens([50, 60 + key], 4)
    assert max(len(batch) for batch in runner.batches) == 4
    handles[0].abort()
    long[3].next_token()
    for handle in handles:
        handle.abort()
    assert {each.finished().reason for each in long} == {"aborted"}
    loop.close()


def test_sixteen_editors_take_turns_on_four_slots(tokenizer: Tokenizer) -> None:
    """Nobody is two requests ahead of another, and each reply is the same as alone."""
    runner = FakeRunner(num_slots=4)
    loop = EngineLoop(runner, tokenizer)
    runner.before_run = loop.check_integrity
    runner.gate.clear()
    loop.start()
    num_keys, order = 6, queue.SimpleQueue[int]()

    class Editor:
        """Asks again at the end of each reply, as at the next key."""

        def __init__(self, idx: int) -> None:
            self.idx, self.replies, self.ids = idx, list[list[int]](), list[int]()

        def ask(self) -> None:
            loop.submit(
                request(self.prompt(len(self.replies)), 5, session=f"window {self.idx}"), self
            )

        def prompt(self, key: int) -> list[int]:
            return [self.idx + 1] * 20 + list(range(100, 101 + key))

        def __call__(self, event: Event) -> None:
            if isinstance(event, TokenEvent):
                self.ids.append(event.token_id)
            if isinstance(event, Finished):
                self.replies.append(self.ids)
                self.ids = []
                order.put(self.idx)
                if len(self.replies) < num_keys:
                    self.ask()

    editors = [Editor(idx) for idx in range(16)]
    for editor in editors:
        editor.ask()
    runner.gate.set()
    ends = [order.get(timeout=30) for _ in range(16 * num_keys)]
    loop.close()
    for editor in editors:
        assert editor.replies == [expected_tokens(editor.prompt(key), 5) for key in range(num_keys)]
    seen = Counter[int]({editor.idx: 0 for editor in editors})
    for idx in ends:
        seen[idx] += 1
        assert max(seen.values()) - min(seen.values()) <= 2


def test_a_step_holds_one_token_of_everybody(loop: EngineLoop, runner: FakeRunner) -> None:
    collectors = [Collector() for _ in range(3)]
    handles = [loop.submit(request([i + 1], ENDLESS), c) for i, c in enumerate(collectors)]
    for collector in collectors:
        collector.next_token()
    runner.in_step.clear()
    assert runner.in_step.wait(30)
    seen = {len(batch) for batch in runner.batches}
    for handle, collector in zip(handles, collectors, strict=True):
        handle.abort()
        collector.finished()
        count = len(collector.token_ids)
        assert collector.token_ids == expected_tokens([1 + collectors.index(collector)], count)
    assert max(seen) == 3


def test_a_failure_in_a_shared_step_ends_the_one_that_fails(
    loop: EngineLoop, runner: FakeRunner
) -> None:
    def fail(prompt: object) -> None:
        if prompt == (66,):
            raise OutOfMemory("out of memory: shorten the prompt")

    runner.fail = fail
    runner.gate.clear()
    good, bad = Collector(), Collector()
    loop.submit(request([1], 6), good)
    loop.submit(request([66], 6), bad)
    runner.gate.set()
    assert (bad.finished().reason, good.finished().reason) == ("error", "length")
    assert good.token_ids == expected_tokens([1], 6)
