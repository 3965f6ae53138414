"""Grammars in the engine thread: with stop texts, healing, drafts, limits, and when they fail."""

from __future__ import annotations

import ctypes
import json
import random
import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from midfill_engine.exec.constrain import Grammar, GrammarCompiler
from midfill_engine.exec.grammar_source import GrammarSource
from midfill_engine.exec.guidance_abi import AbiTokenizer, library
from midfill_engine.exec.sampling_params import SamplingParams
from midfill_engine.runtime.interface import ModelRunner
from midfill_engine.runtime.loop import EngineLoop
from midfill_engine.runtime.request import Finished, GenerationRequest
from midfill_engine.runtime.step_costs import StepCosts
from midfill_engine.serve.vocabulary import grammar_vocabulary
from midfill_engine.text.heal import Healing, PieceIndex
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.runtime.conftest import Collector, request
from tests.engine.runtime.fake_runner import FakeRunner

PROMPT = [1, 50, 60]
EOS = 2
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 6}, "n": {"type": "integer"}},
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def compiler(tokenizer: Tokenizer) -> GrammarCompiler:
    return GrammarCompiler(lambda: grammar_vocabulary(tokenizer, tokenizer.vocab_size))


def _regex(compiler: GrammarCompiler, regex: str, prefix: str = "") -> Grammar:
    return compiler.compile(GrammarSource("regex", regex), prefix)


def _run(
    loop: EngineLoop,
    grammar: Grammar,
    max_new_tokens: int = 40,
    prompt: Sequence[int] = PROMPT,
    **fields: object,
) -> tuple[str, Finished]:
    fields = {"stop_token_ids": frozenset({EOS}), **fields}
    asked = request(prompt, max_new_tokens, grammar=grammar, **fields)
    collector = Collector()
    loop.submit(asked, collector)
    end = collector.finished()
    return collector.text + end.delta, end


def test_a_satisfied_grammar_that_lets_nothing_follow_ends_the_answer(
    loop: EngineLoop, compiler: GrammarCompiler
) -> None:
    text, end = _run(loop, _regex(compiler, "[0-9]{3}-(yes|no)"), 40)
    assert re.fullmatch("[0-9]{3}-(yes|no)", text)
    assert end.reason == "eos_token"
    assert end.timings.generated_tokens == len(text)  # no token of its own for the end
    text, end = _run(loop, _regex(compiler, "[0-9]{3}"), 3)
    assert (len(text), end.reason) == (3, "eos_token")


def test_without_a_stop_token_it_ends_as_well(loop: EngineLoop, compiler: GrammarCompiler) -> None:
    text, end = _run(loop, _regex(compiler, "[a-f]{4}"), stop_token_ids=frozenset[int]())
    assert (len(text), end.reason) == (4, "eos_token")


def test_the_end_comes_only_where_the_grammar_is_satisfied(
    loop: EngineLoop, runner: FakeRunner, compiler: GrammarCompiler
) -> None:
    runner.choose = lambda _held: EOS
    text, end = _run(loop, _regex(compiler, "ab(cd)*"))
    assert (text, end.reason) == ("ab", "eos_token")
    assert end.timings.generated_tokens == 3


def test_an_answer_that_cannot_be_finished_ends_at_its_limit(
    loop: EngineLoop, compiler: GrammarCompiler
) -> None:
    text, end = _run(loop, _regex(compiler, "[a-z]{50}"), 10)
    assert (len(text), end.reason) == (10, "length")


def test_a_stop_text_ends_it_earlier(
    loop: EngineLoop, runner: FakeRunner, compiler: GrammarCompiler
) -> None:
    runner.choose = lambda _held: EOS
    text, end = _run(loop, _regex(compiler, "abc;def"), stop=(";d",))
    assert (text, end.reason, end.stop_sequence) == ("abc", "stop_sequence", ";d")


def test_any_json_of_a_schema(loop: EngineLoop, compiler: GrammarCompiler) -> None:
    grammar = compiler.compile(GrammarSource.json_schema(SCHEMA))
    finished = 0
    for seed in range(20):
        text, end = _run(loop, grammar, 120, prompt=(1, seed + 20))
        if end.reason == "eos_token":
            assert set(json.loads(text)) <= {"name", "n"}
            finished += 1
    assert finished > 4


@pytest.mark.parametrize("healed", ["pr", " ", "é", "self"])
def test_healed_text_is_repeated_before_the_grammar(
    loop: EngineLoop, compiler: GrammarCompiler, tokenizer: Tokenizer, healed: str
) -> None:
    pieces = PieceIndex(tokenizer, tokenizer.vocab_size)
    grammar = _regex(compiler, "(int|ter|!){2}", healed)
    healing = Healing(healed.encode(), pieces)
    for seed in range(6):
        text, end = _run(loop, grammar, healing=healing, prompt=(1, seed + 20))
        assert re.fullmatch("(int|ter|!){2}", text)
        assert end.reason == "eos_token"


def test_a_token_may_reach_over_the_cursor_into_the_grammar(
    loop: EngineLoop, runner: FakeRunner, compiler: GrammarCompiler, tokenizer: Tokenizer
) -> None:
    token_id = tokenizer.token_id("print")
    assert token_id is not None
    runner.choose = lambda _held: token_id
    healing = Healing(b"pr", PieceIndex(tokenizer, tokenizer.vocab_size))
    text, end = _run(loop, _regex(compiler, "int", "pr"), healing=healing)
    assert (text, end.timings.generated_tokens) == ("int", 1)


def test_a_grammar_that_explodes_ends_its_own_request_only(
    loop: EngineLoop, runner: FakeRunner, compiler: GrammarCompiler
) -> None:
    runner.gate.clear()
    other, failing = Collector(), Collector()
    loop.submit(request(PROMPT, 60), other)
    bomb = _regex(compiler, r"(\p{L}{1,200}){1,200}")
    loop.submit(request(PROMPT, 300, grammar=bomb), failing)
    runner.gate.set()
    end = failing.finished()
    assert end.reason == "error"
    assert "the grammar cannot be followed any further (lexer error" in str(end.error)
    assert other.finished().reason == "length"


@pytest.fixture
def drafting(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineLoop]:
    """A loop of its own in which rows cost nothing: whatever is known is drafted, on no clock."""

    def free(_runner: ModelRunner) -> StepCosts:
        return StepCosts({1: 1.0, 64: 1.0})

    def learn_nothing(_costs: StepCosts, _num_rows: int, _took_ms: float) -> None:
        """What is drafted hangs on no clock."""

    monkeypatch.setattr(StepCosts, "measure", free)
    monkeypatch.setattr(StepCosts, "note", learn_nothing)
    runner = FakeRunner()
    loop = EngineLoop(runner, tokenizer, max_requests=16, speculate=True)
    runner.before_run = loop.check_integrity
    loop.start()
    yield loop
    loop.close()


def _random_request(
    rng: random.Random, compiler: GrammarCompiler, tokenizer: Tokenizer
) -> GenerationRequest:
    healed = rng.choice(("", "", "pr", "i"))
    source = rng.choice(
        (
            GrammarSource.json_schema(SCHEMA),
            GrammarSource("regex", "(def|return) [a-z_]{1,12}[(][)]:?"),
            GrammarSource("regex", "[0-9]+([.][0-9]*)?"),
            GrammarSource("gbnf", 'root ::= "[" (root ("," root){0,2})? "]" | "x"'),
        )
    )
    pieces = PieceIndex(tokenizer, tokenizer.vocab_size)
    return request(
        (1, *rng.choices(range(20, 90), k=5)),
        rng.randrange(1, 60),
        grammar=compiler.compile(source, healed),
        healing=Healing(healed.encode(), pieces) if healed else None,
        stop=rng.choice(((), (), ("}",), ("a", ")"))),
        stop_token_ids=rng.choice((frozenset[int](), frozenset({EOS}))),
        sampling=SamplingParams(),
    )


def _answer(loop: EngineLoop, asked: GenerationRequest) -> tuple[list[int], str, Finished]:
    collector = Collector()
    loop.submit(asked, collector)
    end = collector.finished()
    return collector.token_ids, collector.text + end.delta, end


def test_drafts_change_nothing(
    loop: EngineLoop, drafting: EngineLoop, compiler: GrammarCompiler, tokenizer: Tokenizer
) -> None:
    """The answer itself, damaged in places, is the draft."""
    rng = random.Random(11)
    num_accepted = num_rejected = 0
    for _ in range(150):
        asked = _random_request(rng, compiler, tokenizer)
        ids, text, end = _answer(loop, asked)
        draft = _damaged(ids, rng)
        again_ids, again, again_end = _answer(drafting, replace(asked, draft=draft))
        assert (again_ids, again) == (ids, text)
        assert (again_end.reason, again_end.stop_sequence) == (end.reason, end.stop_sequence)
        timings = again_end.timings
        assert timings.generated_tokens == end.timings.generated_tokens
        num_accepted += timings.accepted_tokens
        num_rejected += timings.drafted_tokens - timings.accepted_tokens
    assert num_accepted > 300
    assert num_rejected > 100


def _damaged(ids: Sequence[int], rng: random.Random) -> tuple[int, ...]:
    other = [3 + ord(letter) for letter in string.printable] + [EOS, 10**5]
    return tuple(token_id if rng.random() < 0.9 else rng.choice(other) for token_id in ids)


class _Watched:
    """The library's C interface; counts what another request's stream told during one call."""

    def __init__(self, c: ctypes.CDLL, stream: Collector) -> None:
        self._c, self._stream = c, stream
        self.num_told = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # a C function
        return getattr(self._c, name)

    def llg_new_tokenizer_v2(self, *arguments: object) -> object:
        before = len(self._stream.arrived)
        pointer = self._c.llg_new_tokenizer_v2(*arguments)
        self.num_told = len(self._stream.arrived) - before
        return pointer


def test_a_stream_flows_on_while_a_large_vocabulary_is_taken_in(loop: EngineLoop) -> None:
    """The library's Python class held Python's lock all the while: 0.7 s at 150,000 pieces."""
    c = library()
    assert c is not None, "the wheel of this system lacks the C interface"
    stream = Collector()
    handle = loop.submit(request(PROMPT, 10**8), stream)
    stream.next_token()
    watched = _Watched(c, stream)
    pieces = [number.to_bytes(3, "big") for number in range(40_000)]
    AbiTokenizer(cast("ctypes.CDLL", watched), [*pieces, b"<end>"], [40_000], 40_000)
    assert watched.num_told > 0
    handle.abort()
    assert stream.finished().reason == "aborted"
