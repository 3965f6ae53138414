"""Drafts change nothing: the engine thread over a model that is a table, with the real sampler.

Hundreds of requests with penalties, biases, every way to narrow the choice, stop texts, healing,
grammars and limits, greedy and seeded, with and without speculation, alone and in company; and a
chi-square of what speculation makes against the model's own distribution.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import pytest
import torch

from midfill_engine.exec.constrain import GrammarCompiler
from midfill_engine.exec.grammar_source import GrammarSource
from midfill_engine.exec.sampling_params import SampledToken, SamplingParams
from midfill_engine.exec.verify import choose
from midfill_engine.exec.work import Work
from midfill_engine.runtime.interface import ModelRunner
from midfill_engine.runtime.loop import EngineLoop
from midfill_engine.runtime.request import GenerationRequest, TokenEvent
from midfill_engine.runtime.step_costs import StepCosts
from midfill_engine.serve.vocabulary import grammar_vocabulary
from midfill_engine.text.heal import Healing, PieceIndex
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.runtime.conftest import Collector
from tests.engine.runtime.fake_runner import FIRST_BYTE_TOKEN, FakeRunner

NUM_REQUESTS = 300
NUM_SEEDS = 1200
EOS = 2
LETTERS = [FIRST_BYTE_TOKEN + ord(letter) for letter in "abcdef"]
CHI_SQUARE_LIMIT = 66.6
"""Of 35 degrees of freedom, exceeded once in a thousand; the seeds are fixed, so never here."""

Reply: TypeAlias = tuple[list[TokenEvent], str, str, str | None]


class TableRunner(FakeRunner):
    """A model of the last two tokens: six letters are likely, the end now and then."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__(num_slots=8)
        self.step_s = 0.0
        self._vocab_size = vocab_size
        self._table: dict[tuple[int, ...], torch.Tensor] = {}

    @property
    def vocab_size(self) -> int:
        return self._vocab_size

    def logits(self, text: Sequence[int]) -> torch.Tensor:
        key = tuple(text[-2:])
        if key not in self._table:
            noise = np.random.default_rng(key).normal(size=len(LETTERS) + 1)
            row = torch.full((self._vocab_size,), -30.0)
            row[[*LETTERS, EOS]] = torch.tensor(2.0 * noise, dtype=torch.float32)
            row[EOS] -= 3.0
            self._table[key] = row
        return self._table[key]

    def _choose(self, held: list[int], work: Work, num_inputs: int) -> list[SampledToken]:
        end = work.start + num_inputs
        rows = [self.logits(held[: end + idx]) for idx in range(1 + work.num_drafts)]
        return choose(torch.stack(rows), work)


class Requests:
    """Random requests that repeat what stands in their prompts, so that drafts come true."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._pieces = PieceIndex(tokenizer, tokenizer.vocab_size)
        self._compiler = GrammarCompiler(
            lambda: grammar_vocabulary(tokenizer, tokenizer.vocab_size)
        )

    def make(self, rng: random.Random) -> GenerationRequest:
        prompt = rng.choices(LETTERS, k=rng.randrange(1, 30))
        hint = rng.choices(LETTERS, k=rng.randrange(12)) if rng.random() < 0.7 else []
        healed = ""
        if rng.random() < 0.3:
            healed = "".join(rng.choices("abcdef", k=rng.randrange(1, 4)))
        regex = rng.choice((None, None, None, "[abc]{2,9}", "(ab|cd|f[ea]){1,8}", "[a-f]*e"))
        grammar = self._compiler.compile(GrammarSource("regex", regex), healed) if regex else None
        return GenerationRequest(
            prompt_ids=tuple(prompt),
            max_new_tokens=rng.randrange(1, 20),
            sampling=self._sampling(rng),
            stop=rng.choice(((), (), ("ab",), ("fe", "cad"))),
            stop_token_ids=frozenset({EOS}),
            cache_prompt=rng.random() < 0.8,
            healing=Healing(healed.encode(), self._pieces) if healed else None,
            grammar=grammar,
            draft=tuple(hint),
        )

    @staticmethod
    def _sampling(rng: random.Random) -> SamplingParams:
        return SamplingParams(
            temperature=rng.choice((0.0, 0.0, 0.3, 1.0, 1.5)),
            top_k=rng.choice((None, None, 4)),
            top_p=rng.choice((None, None, 0.9)),
            min_p=rng.choice((None, None, 0.05)),
            typical_p=rng.choice((None, None, 0.9)),
            repetition_penalty=rng.choice((1.0, 1.0, 1.3)),
            frequency_penalty=rng.choice((0.0, 0.0, 0.4)),
            presence_penalty=rng.choice((0.0, 0.0, 0.6)),
            logit_bias=rng.choice(((), (), ((LETTERS[0], 2.0), (LETTERS[3], -100.0)))),
            watermark=rng.random() < 0.1,
            seed=rng.randrange(2**40),
        )


@pytest.fixture(autouse=True)
def free_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows cost nothing, so that whatever is known is drafted."""

    def free(_runner: ModelRunner) -> StepCosts:
        return StepCosts({1: 1.0, 64: 1.0})

    def learn_nothing(_costs: StepCosts, _num_rows: int, _took_ms: float) -> None:
        """The drafts hang on no clock."""

    monkeypatch.setattr(StepCosts, "measure", free)
    monkeypatch.setattr(StepCosts, "note", learn_nothing)


def replies(
    tokenizer: Tokenizer, requests: Sequence[GenerationRequest], *, speculate: bool, at_once: int
) -> Iterator[Reply]:
    """Each one's tokens with their log-probabilities and texts, and its end."""
    runner = TableRunner(tokenizer.vocab_size)
    loop = EngineLoop(runner, tokenizer, speculate=speculate)
    runner.before_run = loop.check_integrity
    loop.start()
    num_accepted = 0
    for begin in range(0, len(requests), at_once):
        collectors = [Collector() for _ in requests[begin : begin + at_once]]
        for asked, collector in zip(requests[begin:], collectors, strict=False):
            loop.submit(asked, collector)
        for collector in collectors:
            end = collector.finished()
            assert end.error is None
            num_accepted += end.timings.accepted_tokens
            yield collector.tokens, end.delta, end.reason, end.stop_sequence
    loop.close()
    loop.check_integrity()
    assert (num_accepted > len(requests) / 10) == speculate


def test_drafts_and_company_change_nothing(tokenizer: Tokenizer) -> None:
    rng, made = random.Random(30), Requests(tokenizer)
    requests = [made.make(rng) for _ in range(NUM_REQUESTS)]
    expected = list(replies(tokenizer, requests, speculate=False, at_once=1))
    assert {reason for _, _, reason, _ in expected} == {"length", "eos_token", "stop_sequence"}
    for at_once in (1, 16):
        found = replies(tokenizer, requests, speculate=True, at_once=at_once)
        for asked, reply, wanted in zip(requests, found, expected, strict=True):
            assert reply == wanted, asked


def test_the_distribution_is_the_models(tokenizer: Tokenizer) -> None:
    """Pairs of tokens over seeds, with hints that often stand."""
    rng = random.Random(31)
    prompt = (LETTERS[0], LETTERS[1])
    requests = [
        GenerationRequest(
            prompt_ids=prompt,
            max_new_tokens=2,
            sampling=SamplingParams(temperature=1.0, seed=seed, logit_bias=((EOS, -100.0),)),
            draft=tuple(rng.choices(LETTERS, k=2)),
        )
        for seed in range(NUM_SEEDS)
    ]
    counts: Counter[tuple[int, ...]] = Counter()
    for tokens, *_ in replies(tokenizer, requests, speculate=True, at_once=16):
        counts[tuple(token.token_id for token in tokens)] += 1
    model = TableRunner(tokenizer.vocab_size)
    chi_square = 0.0
    for one in LETTERS:
        for two in LETTERS:
            chance = chance_of(model, prompt, one) * chance_of(model, (*prompt, one), two)
            chi_square += (counts[one, two] - chance * NUM_SEEDS) ** 2 / (chance * NUM_SEEDS)
    assert sum(counts.values()) == NUM_SEEDS
    assert chi_square < CHI_SQUARE_LIMIT


def chance_of(model: TableRunner, text: Sequence[int], token_id: int) -> float:
    row = model.logits(text)[LETTERS].double()
    return float(torch.softmax(row, -1)[LETTERS.index(token_id)])
