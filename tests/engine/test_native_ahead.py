"""Steps that follow each other in one call, against the same steps one by one."""

from __future__ import annotations

import random
from array import array
from dataclasses import replace
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pytest
import torch
from bench.torch_native import TorchNative

from midfill_engine.kernels.library import Library
from midfill_engine.model.ahead import Ahead, StepMade
from midfill_engine.model.native import NativeDecoder
from midfill_engine.model.native_cache import NativeCache
from midfill_engine.model.native_rows import Rows
from midfill_engine.model.native_weights import WeightKind
from midfill_engine.runtime.draft import AcceptanceRates, Drafter
from midfill_engine.runtime.speculate import LENGTHS, MAX_DRAFT, SMALLEST_RATE, best_length
from midfill_engine.runtime.step_costs import StepCosts
from tests.engine.native_models import library_or_skip, mapped, random_model, random_model_of

Floats: TypeAlias = npt.NDArray[np.float32]
SLOT = 1
LONG_MS = 1e9


class Model:
    """A decoder, its cache, and what it says step by step."""

    def __init__(self, decoder: NativeDecoder, max_len: int = 400) -> None:
        self.decoder = decoder
        self.cache = NativeCache(decoder.spec, 3, max_len, decoder.cache_kind)

    def ahead(self, prompt: list[int], **fields: object) -> Ahead:
        """What goes on behind a prompt, which is computed but for its last token."""
        rows = Rows(prompt[:-1], range(len(prompt) - 1), [SLOT] * (len(prompt) - 1), [])
        self.decoder.step(rows, self.cache, keep_logits=False)
        ahead = Ahead(SLOT, prompt[-1], len(prompt) - 1, 40, None, array("i", [0]), LONG_MS, None)
        return replace(ahead, **fields)  # type: ignore[arg-type]  # test shorthand

    def one_by_one(self, prompt: list[int], count: int) -> tuple[list[int], list[float]]:
        """The best tokens, each from a step of its own."""
        ids, logprobs = list(prompt), list[float]()
        rows = Rows(prompt, range(len(prompt)), [SLOT] * len(prompt), [len(prompt) - 1])
        for _ in range(count):
            outcome = self.decoder.step(rows, self.cache, keep_logits=False)
            ids += outcome.best
            logprobs += outcome.logprobs
            rows = Rows(ids[-1:], [len(ids) - 1], [SLOT], [0])
        return ids[len(prompt) :], logprobs

    def run(self, ahead: Ahead) -> list[StepMade]:
        return self.decoder.run_ahead(ahead, self.cache)


@pytest.fixture(scope="module")
def library() -> Library:
    return library_or_skip()


@pytest.fixture(scope="module")
def model(library: Library) -> Model:
    return make(library)


def make(
    library: Library,
    kind: WeightKind = "float32",
    isa: str | None = None,
    cache: torch.dtype = torch.float32,
) -> Model:
    made = random_model_of({"vocab_size": 40})  # so few that it repeats itself
    native = TorchNative(
        made.spec,
        made.weights,
        library,
        kind=kind,
        cache_dtype=cache,
        num_threads=2,
        instruction_set=isa,
    )
    return Model(native.native)


def prompts(model: Model, seed: int, count: int) -> list[list[int]]:
    rng = random.Random(seed)
    vocab = model.decoder.spec.vocab_size
    return [[rng.randrange(vocab) for _ in range(rng.randrange(2, 80))] for _ in range(count)]


def flat(steps: list[StepMade]) -> tuple[list[int], list[float]]:
    ids = [token_id for step in steps for token_id in step.token_ids]
    return ids, [logprob for step in steps for logprob in step.logprobs]


def drafting(
    model: Model, prompt: list[int], hint: list[int], rng: random.Random
) -> tuple[Ahead, Drafter, StepCosts]:
    """Steps that draft, and in Python what they draft from."""
    rates = AcceptanceRates()
    for _ in range(200):
        rates.note(rng.random() < 0.5, rng.randrange(12), right=rng.random() < 0.8)
    costs = StepCosts({1: 1.0, 2: 1.0 + rng.random() / 4, 8: 2.0, 16: 3.5})
    drafter = Drafter(prompt, hint, rates)
    return model.ahead(prompt, guesses=drafter.guesses(costs)), drafter, costs


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "int8", "int6", "int4"])
def test_they_make_what_steps_one_by_one_make(library: Library, kind: WeightKind) -> None:
    for isa in library.instruction_sets():
        model = make(library, kind, isa, torch.int8 if kind == "int8" else torch.float32)
        for num, prompt in enumerate(prompts(model, 1, 8)):
            expected = model.one_by_one(prompt, 40)
            assert flat(model.run(model.ahead(prompt))) == expected
            rng = random.Random(num)
            hint = [*expected[0][: rng.randrange(12)], 3, *expected[0][5 : rng.randrange(5, 40)]]
            ahead, _, _ = drafting(model, prompt, hint, rng)
            steps = model.run(ahead)
            assert flat(steps) == expected
            assert sum(step.num_rows for step in steps) >= len(expected[0])
        model.decoder.close()


def test_the_cache_holds_what_steps_one_by_one_leave_there(model: Model) -> None:
    (prompt,) = prompts(model, 2, 1)
    ids, _ = model.one_by_one(prompt, 30)
    length = len(prompt) + 29  # the last token is not computed
    keys, values = (part[:, SLOT, :, :length].copy() for part in halves(model))
    for part in halves(model):
        part[:] = 9.0
    model.run(replace(drafting(model, prompt, ids, random.Random(0))[0], most_tokens=30))
    assert np.array_equal(halves(model)[0][:, SLOT, :, :length], keys)
    assert np.array_equal(halves(model)[1][:, SLOT, :, :length], values)


def halves(model: Model) -> tuple[Floats, Floats]:
    return cast("Floats", model.cache.keys), cast("Floats", model.cache.values)


def test_drafts_are_those_of_the_plain_drafter(model: Model) -> None:
    """The same guesses, as many of them, while rates and costs are the same."""
    num_drafted = 0
    for num, prompt in enumerate(prompts(model, 3, 60)):
        rng = random.Random(num)
        expected, _ = model.one_by_one(prompt, 40)
        begin, end = rng.randrange(20), rng.randrange(20, 40)
        hint = [*expected[begin:end], rng.randrange(40)] if num % 3 else []
        ahead, drafter, costs = drafting(model, prompt, hint, rng)
        steps = model.run(ahead)
        done = 0
        for step in steps:
            most = min(MAX_DRAFT, 40 - done - 1)
            guess = drafter.guess(most) if most else []
            length, _ = best_length(costs, drafter.rates(len(guess)), 1, 1.0)
            assert step.num_rows == 1 + length, (num, done)
            for token_id in step.token_ids:
                drafter.accept(token_id)
            stood = step.token_ids[:-1]
            assert stood == guess[: len(stood)]
            done += len(step.token_ids)
            num_drafted += length
    assert num_drafted > 300


def test_lengths_of_drafts_are_those_that_are_weighed_there() -> None:
    """drafter.h has them over again."""
    assert LENGTHS == (1, 2, 3, 4, 6, 8, 12, 16)
    assert (MAX_DRAFT, SMALLEST_RATE) == (16, 0.05)


def test_what_ends_them(model: Model) -> None:
    (prompt,) = prompts(model, 4, 1)
    expected, _ = model.one_by_one(prompt, 40)
    ends = np.zeros(40, np.uint8)
    ends[expected[5]] = 1
    first = expected.index(expected[5])
    assert flat(model.run(model.ahead(prompt, ends=ends)))[0] == expected[: first + 1]
    ahead = drafting(model, prompt, expected, random.Random(0))[0]
    assert flat(model.run(replace(ahead, ends=ends)))[0] == expected[: first + 1]
    assert flat(model.run(model.ahead(prompt, most_tokens=7)))[0] == expected[:7]
    assert flat(model.run(replace(ahead, most_tokens=7)))[0] == expected[:7]
    assert flat(model.run(model.ahead(prompt, most_tokens=1)))[0] == expected[:1]
    assert len(model.run(model.ahead(prompt, budget_ms=0.0))) == 1
    assert len(model.run(model.ahead(prompt, interrupt=array("i", [1])))) == 1
    assert len(flat(model.run(model.ahead(prompt, most_tokens=300)))[0]) == 64


def test_a_token_that_is_none_is_the_last(library: Library) -> None:
    made = random_model("grouped")
    broken = mapped(made.weights, lambda matrix: torch.full_like(matrix, float("nan")))
    model = Model(TorchNative(made.spec, broken, library).native)
    (step,) = model.run(model.ahead([1, 2, 3]))
    assert len(step.token_ids) == 1
    assert np.isnan(step.logprobs[0])


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"last": 40}, "token id 40 is outside"),
        ({"slot": 3}, "slot 3 is outside"),
        ({"position": -1}, "position -1 is outside"),
        ({"position": 400}, "position 400 is outside"),
        ({"position": 390, "most_tokens": 11}, "11 tokens ahead; there is room for 10"),
        ({"most_tokens": 0}, "0 tokens ahead"),
        ({"ends": np.zeros(41, np.uint8)}, "this vocabulary has 40"),
        ({"ends": np.zeros(40, np.int64)}, "ends of int64"),
    ],
)
def test_what_does_not_fit_is_refused(model: Model, fields: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        model.run(model.ahead([1, 2], **fields))


@pytest.mark.parametrize("wrong", [{"at": 2}, {"at": 0, "in_hint": True}, {"cost_rows": (1,)}])
def test_guesses_that_do_not_fit_are_refused(model: Model, wrong: dict[str, object]) -> None:
    ahead = drafting(model, [1, 2], [], random.Random(0))[0]
    assert ahead.guesses is not None
    guesses = replace(ahead.guesses, **wrong)  # type: ignore[arg-type]  # test shorthand
    with pytest.raises(ValueError, match="a guess is read where there is nothing"):
        model.run(replace(ahead, guesses=guesses))
