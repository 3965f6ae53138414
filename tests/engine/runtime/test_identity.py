"""The bundled model says the same with and without speculation, alone and in company.

On the native kernels to the token and the logprob, of tokens, alternatives and prompts, for greedy
and seeded requests, with penalties, stop texts, healing and limits. Without the library there is
nothing to compare (torch drafts only when asked to).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import pytest

from midfill_engine.exec.runner import Runner
from midfill_engine.exec.sampling_params import SampledToken, SamplingParams
from midfill_engine.exec.threads import set_threads
from midfill_engine.kernels.library import Library
from midfill_engine.model.ahead import Ahead, RunAhead, StepMade
from midfill_engine.model.native import open_library
from midfill_engine.model.source import resolve
from midfill_engine.runtime.loop import EngineLoop
from midfill_engine.runtime.request import GenerationRequest, TokenEvent
from midfill_engine.text.families import InfillFamily, find_family
from midfill_engine.text.fim import build_infill
from midfill_engine.text.heal import PieceIndex
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.runtime.conftest import Collector

pytestmark = pytest.mark.skipif(
    not isinstance(open_library(), Library), reason="the native library cannot be had here"
)
NUM_REQUESTS = 320
Reply: TypeAlias = tuple[
    list[TokenEvent], str, str, str | None, int, tuple[SampledToken, ...] | None
]

_LINES = (
    "def total(items):",
    "    result = 0",
    "    for item in items:",
    "        result += item.price",
    "    return result",
    "class Reader:",
    "    def __init__(self, path):",
    "        self.path = path",
    "        self.lines = []",
    '        self.name = "größe 🙂"',
    "    def read(self):",
    "        with open(self.path) as handle:",
    "            self.lines = handle.readlines()",
    "",
    "import os",
)


@pytest.fixture(scope="module")
def runner() -> Runner:
    return Runner.load("starter", kernels="native", max_total_tokens=512, num_threads=1)


class Starter:
    """The bundled model's vocabulary, and random requests in it."""

    def __init__(self, vocab_size: int) -> None:
        self.tokenizer = Tokenizer.load(resolve("starter"))
        family = find_family(self.tokenizer, vocab_size=vocab_size, wanted=None)
        assert family is not None
        self._family: InfillFamily = family
        self._pieces = PieceIndex(self.tokenizer, vocab_size)

    def request(self, rng: random.Random) -> GenerationRequest:
        text = "\n".join(rng.choices(_LINES, k=rng.randrange(4, 24)))
        cut = rng.randrange(len(text))
        prompt = build_infill(
            self.tokenizer,
            self._family,
            prefix=text[:cut],
            suffix=text[cut + rng.randrange(40) :],
            budget_tokens=400,
            order=rng.choice(self._family.orders),
            heal=rng.choice((None, self._pieces, self._pieces)),
        )
        draft = text[cut + rng.randrange(-4, 4) :][: rng.randrange(60)]
        return GenerationRequest(
            prompt_ids=prompt.ids,
            max_new_tokens=rng.randrange(1, 41),
            sampling=_sampling(rng),
            stop=rng.choice(((), (), ("\n",), ("self", "):"), (" r", "🙂", "res"))),
            stop_token_ids=rng.choice((frozenset(), self._family.stop_ids)),
            cache_prompt=rng.random() < 0.8,
            healing=prompt.healing,
            draft=tuple(self.tokenizer.encode(draft, bos=False)) if rng.random() < 0.7 else (),
            prompt_logprobs=rng.random() < 0.1,
            top_n=rng.choice((0, 0, 0, 3)),
        )


def _sampling(rng: random.Random) -> SamplingParams:
    return SamplingParams(
        temperature=rng.choice((0.0, 0.0, 0.2, 0.8, 1.3)),
        top_k=rng.choice((None, 5, 40)),
        top_p=rng.choice((None, 0.9)),
        repetition_penalty=rng.choice((1.0, 1.0, 1.3)),
        frequency_penalty=rng.choice((0.0, 0.0, 0.4)),
        typical_p=rng.choice((None, None, 0.8)),
        watermark=rng.random() < 0.1,
        seed=rng.randrange(2**40),
    )


@pytest.fixture(scope="module")
def starter(runner: Runner) -> Starter:
    return Starter(runner.vocab_size)


@pytest.fixture(scope="module")
def requests(starter: Starter) -> list[GenerationRequest]:
    rng = random.Random(20)
    return [starter.request(rng) for _ in range(NUM_REQUESTS)]


class _Checked:
    """A runner before every call of which the books are checked; plain: it runs nothing ahead."""

    def __init__(self, runner: Runner, *, plain: bool) -> None:
        self._runner = runner
        self._plain = plain
        self.loop: EngineLoop | None = None

    def __getattr__(self, name: str) -> object:
        if name == "run":
            self._check()
        return getattr(self._runner, name)

    @property
    def run_ahead(self) -> RunAhead | None:
        run_ahead = self._runner.run_ahead
        assert run_ahead is not None

        def run(ahead: Ahead) -> list[StepMade]:
            self._check()
            steps = run_ahead(ahead)
            Totals.ahead += len(steps) - 1
            return steps

        return None if self._plain else run

    def _check(self) -> None:
        assert self.loop is not None
        self.loop.check_integrity()


def _open(runner: Runner, starter: Starter, *, speculate: bool, plain: bool = False) -> EngineLoop:
    checked = _Checked(runner, plain=plain)
    loop = EngineLoop(checked, starter.tokenizer, speculate=speculate)  # type: ignore[arg-type]  # passes everything on
    checked.loop = loop
    loop.start()
    return loop


def _replies(loop: EngineLoop, requests: Sequence[GenerationRequest], at_once: int) -> list[Reply]:
    replies: list[Reply] = []
    for begin in range(0, len(requests), at_once):
        collectors = [Collector() for _ in requests[begin : begin + at_once]]
        for asked, collector in zip(requests[begin:], collectors, strict=False):
            loop.submit(asked, collector)
        for collector in collectors:
            end = collector.finished()
            prompt = None if collector.prompt is None else collector.prompt.tokens
            num_generated = end.timings.generated_tokens
            text = collector.text + end.delta
            replies.append(
                (collector.tokens, text, end.reason, end.stop_sequence, num_generated, prompt)
            )
            assert end.error is None
            Totals.drafted += end.timings.drafted_tokens
            Totals.accepted += end.timings.accepted_tokens
    return replies


class Totals:
    """Over a test: that something was drafted at all, and steps followed each other in one call."""

    drafted = 0
    accepted = 0
    ahead = 0


@pytest.fixture(scope="module")
def alone(
    runner: Runner, starter: Starter, requests: list[GenerationRequest]
) -> Iterator[list[Reply]]:
    """One request after the other, step by step, without any draft."""
    loop = _open(runner, starter, speculate=False, plain=True)
    yield _replies(loop, requests, 1)
    loop.close()


@pytest.mark.parametrize("at_once", [1, 16])
def test_speculation_and_company_change_nothing(
    runner: Runner,
    starter: Starter,
    requests: list[GenerationRequest],
    alone: list[Reply],
    at_once: int,
) -> None:
    Totals.drafted = Totals.accepted = 0
    loop = _open(runner, starter, speculate=True)
    found = _replies(loop, requests, at_once)
    loop.close()
    for asked, reply, expected in zip(requests, found, alone, strict=True):
        assert reply == expected, asked.sampling
    assert Totals.drafted > NUM_REQUESTS / 4
    assert Totals.accepted > NUM_REQUESTS / 8


def test_steps_that_follow_each_other_change_nothing(
    runner: Runner, starter: Starter, requests: list[GenerationRequest], alone: list[Reply]
) -> None:
    for speculate in (False, True):
        Totals.ahead = 0
        loop = _open(runner, starter, speculate=speculate)
        found = _replies(loop, requests, 1)
        loop.close()
        for asked, reply, expected in zip(requests, found, alone, strict=True):
            assert reply == expected, asked.sampling
        assert Totals.ahead > NUM_REQUESTS / 8


def test_threads_change_nothing(
    starter: Starter, requests: list[GenerationRequest], alone: list[Reply]
) -> None:
    """More threads than most machines have cores free: a step must end with whoever comes."""
    several = Runner.load("starter", kernels="native", max_total_tokens=512, num_threads=3)
    set_threads(None)  # for the other tests; this runner has its threads
    loop = _open(several, starter, speculate=True)
    found = _replies(loop, requests, 16)
    loop.close()
    assert found == alone


def test_the_answer_as_draft_takes_few_steps(
    runner: Runner, starter: Starter, requests: list[GenerationRequest]
) -> None:
    asked = replace(requests[0], max_new_tokens=32, stop=(), stop_token_ids=frozenset(), draft=())
    asked = replace(asked, healing=None, sampling=SamplingParams(), top_n=0)
    loop = _open(runner, starter, speculate=True)
    first = Collector()
    loop.submit(asked, first)
    first.finished()
    before = loop.num_steps
    again = Collector()
    loop.submit(replace(asked, draft=tuple(first.token_ids)), again)
    end = again.finished()
    assert again.token_ids == first.token_ids
    assert end.timings.accepted_tokens >= 16
    assert loop.num_steps - before <= 16
    loop.close()
