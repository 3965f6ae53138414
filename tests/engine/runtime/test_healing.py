"""Healing in the engine thread: nothing is told of the repeated text, and nothing breaks on it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest

from midfill_engine.runtime.loop import EngineLoop
from midfill_engine.runtime.request import Finished
from midfill_engine.text.heal import Healing, PieceIndex
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.runtime.conftest import Collector, request, run
from tests.engine.runtime.fake_runner import FakeRunner, expected_tokens, next_token

PROMPT = [1, 50, 60]
EOS = 2


class Typist:
    """Chooses the tokens that a test lists, and then the end."""

    def __init__(self, runner: FakeRunner, tokens: Sequence[int]) -> None:
        self._tokens: Iterator[int] = iter([*tokens, EOS])
        runner.choose = self._next

    def _next(self, _held: Sequence[int]) -> int:
        return next(self._tokens)


@pytest.fixture
def pieces(tokenizer: Tokenizer) -> PieceIndex:
    return PieceIndex(tokenizer, tokenizer.vocab_size)


def _ids(tokenizer: Tokenizer, *texts: str) -> list[int]:
    found = [tokenizer.token_id(text) for text in texts]
    return [token_id for token_id in found if token_id is not None]


def _run(
    loop: EngineLoop, healing: Healing, max_new_tokens: int = 8, **fields: object
) -> tuple[Collector, Finished]:
    stop_ids = frozenset({EOS})
    asked = request(PROMPT, max_new_tokens, healing=healing, stop_token_ids=stop_ids, **fields)
    collector = Collector()
    loop.submit(asked, collector)
    return collector, collector.finished()


def test_the_reply_begins_at_the_cursor(
    loop: EngineLoop, runner: FakeRunner, tokenizer: Tokenizer, pieces: PieceIndex
) -> None:
    chosen = _ids(tokenizer, "p", "r", "print", "x")
    assert len(chosen) == 4
    Typist(runner, chosen)
    collector, end = _run(loop, Healing(b"prpr", pieces))
    assert [event.text for event in collector.tokens] == ["int", "x", "</s>"]
    assert collector.token_ids == [*chosen[2:], EOS]
    assert collector.text + end.delta == "intx"
    assert end.reason == "eos_token"
    assert end.timings.generated_tokens == 3
    assert end.timings.prompt_tokens == 3


def test_only_allowed_tokens_come(
    loop: EngineLoop, runner: FakeRunner, tokenizer: Tokenizer, pieces: PieceIndex
) -> None:
    """The model wants the end and a sentinel; it is asked to repeat the text first."""
    Typist(runner, [EOS, EOS, 3 + ord("z")])
    collector, end = _run(loop, Healing(b"pr", pieces), 1)
    assert runner.slots[0][: len(PROMPT)] == PROMPT
    written = runner.slots[0][len(PROMPT) :] + collector.token_ids
    text = b"".join(tokenizer.token_bytes(token_id) for token_id in written)
    assert text.startswith(b"pr")
    assert end.timings.generated_tokens == 1


def test_whatever_is_chosen_the_text_goes_on_at_the_cursor(
    loop: EngineLoop, runner: FakeRunner, tokenizer: Tokenizer, pieces: PieceIndex
) -> None:
    rng = random.Random(0)
    seen: list[Sequence[int]] = []
    num_healed = 0

    def choose(held: Sequence[int]) -> int:
        seen.append(tuple(held))
        return next_token(held)

    runner.choose = choose
    for _ in range(40):
        text = "".join(rng.choices(("impor", "  ", "def", " ret", "é", "😀", " i", "x"), k=4))
        ids = tokenizer.encode(text, bos=False)
        kept = ids[: len(ids) - pieces.take_back(ids)]
        taken = b"".join(tokenizer.token_bytes(token_id) for token_id in ids[len(kept) :])
        num_healed += bool(taken)
        asked = request([1, *kept], 5, healing=Healing(taken, pieces) if taken else None)
        collector = run(loop, asked)
        whole = [*seen[-1], collector.token_ids[-1]]
        written = b"".join(tokenizer.token_bytes(token_id) for token_id in whole).decode()
        assert written == text + collector.text
        assert len(collector.tokens) == 5
    assert 10 < num_healed < 40


def test_one_token_is_a_new_one(
    loop: EngineLoop, runner: FakeRunner, tokenizer: Tokenizer, pieces: PieceIndex
) -> None:
    Typist(runner, _ids(tokenizer, "p", "r", "x", "y"))
    collector, end = _run(loop, Healing(b"pr", pieces), 1)
    assert collector.text + end.delta == "x"
    assert end.reason == "length"


def test_nothing_to_insert_is_an_empty_answer(
    loop: EngineLoop, runner: FakeRunner, tokenizer: Tokenizer, pieces: PieceIndex
) -> None:
    Typist(runner, _ids(tokenizer, "pr"))
    collector, end = _run(loop, Healing(b"pr", pieces))
    assert collector.token_ids == [EOS]
    assert (collector.text + end.delta, end.reason) == ("", "eos_token")


def test_a_stop_text_does_not_begin_in_repeated_text(
    loop: EngineLoop, runner: FakeRunner, tokenizer: Tokenizer, pieces: PieceIndex
) -> None:
    Typist(runner, _ids(tokenizer, "print", "r", "i"))
    collector, end = _run(loop, Healing(b"pr", pieces), stop=("prin", "ri"))
    assert collector.text + end.delta == "int"
    assert (end.reason, end.stop_sequence) == ("stop_sequence", "ri")


def test_characters_of_several_tokens_are_repeated_and_written_whole(
    loop: EngineLoop, runner: FakeRunner, pieces: PieceIndex
) -> None:
    Typist(runner, [3 + byte for byte in "é😀".encode()])
    collector, end = _run(loop, Healing("é".encode(), pieces))
    assert [event.delta for event in collector.tokens] == ["", "", "", "😀", ""]
    assert collector.text + end.delta == "😀"


def test_the_slot_holds_what_was_run(
    loop: EngineLoop, runner: FakeRunner, tokenizer: Tokenizer, pieces: PieceIndex
) -> None:
    """The next key's prompt agrees with the repeated tokens too."""
    chosen = _ids(tokenizer, "pr", "i", "n", "t")
    Typist(runner, chosen)
    _run(loop, Healing(b"pr", pieces))
    before = runner.computed
    runner.choose = lambda _held: EOS
    collector = Collector()
    loop.submit(request([*PROMPT, *chosen, 99], 1), collector)
    assert collector.finished().timings.cached_tokens == len(PROMPT) + len(chosen)
    assert runner.computed - before == 1
    loop.check_integrity()


def test_an_abort_while_text_is_repeated(
    loop: EngineLoop, runner: FakeRunner, pieces: PieceIndex
) -> None:
    runner.gate.clear()
    runner.choose = lambda _held: 3 + ord("a")
    collector = Collector()
    handle = loop.submit(request(PROMPT, 8, healing=Healing(b"a" * 16, pieces)), collector)
    assert runner.in_step.wait(30)
    handle.abort()
    runner.gate.set()
    end = collector.finished()
    assert (end.reason, collector.tokens, end.delta) == ("aborted", [], "")
    assert end.timings.generated_tokens == 0
    assert run(loop, request([5, 6], 2)).token_ids == [3 + ord("a")] * 2


def test_a_warm_up_repeats_nothing(
    loop: EngineLoop, runner: FakeRunner, pieces: PieceIndex
) -> None:
    collector, end = _run(loop, Healing(b"pr", pieces), 0)
    assert (collector.tokens, end.reason) == ([], "length")
    assert runner.slots[0] == PROMPT


def test_a_request_without_healing_is_left_alone(loop: EngineLoop) -> None:
    assert run(loop, request(PROMPT, 6)).token_ids == expected_tokens(PROMPT, 6)
