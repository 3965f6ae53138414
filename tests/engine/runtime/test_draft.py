"""Guesses from the text, how sure they are, and how many of them pay."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from midfill_engine.exec.sampling_params import SamplingParams
from midfill_engine.runtime.draft import AcceptanceRates, Drafter
from midfill_engine.runtime.sequence import Sequence
from midfill_engine.runtime.speculate import MAX_DRAFT, Speculation
from midfill_engine.runtime.step_costs import StepCosts
from midfill_engine.text.heal import Healing, PieceIndex
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.runtime.conftest import request
from tests.engine.runtime.fake_runner import FakeRunner


def drafter(prompt: list[int], hint: list[int] | None = None) -> Drafter:
    return Drafter(prompt, hint or [], AcceptanceRates())


def test_what_followed_the_same_tokens_is_guessed() -> None:
    assert drafter([1, 2, 3, 4, 5, 9, 2, 3]).guess(3) == [4, 5, 9]


def test_the_latest_of_the_longest_match_wins() -> None:
    longer_first = [7, 8, 9, 1, 2, 30, 5, 8, 9, 1, 2, 40, 6, 9, 1, 2, 50, 7, 8, 9, 1, 2]
    assert drafter(longer_first).guess(1) == [40]


def test_nothing_known_is_no_guess() -> None:
    assert drafter([1, 2, 3, 4]).guess(8) == []
    assert drafter([5]).guess(8) == []
    assert drafter([5]).rates(8) == []


def test_a_repetition_goes_on() -> None:
    assert drafter([1, 2, 1, 2]).guess(5) == [1, 2, 1, 2, 1]


def test_the_hint_is_the_first_guess_and_stays_while_it_agrees() -> None:
    guessing = drafter([1, 2, 3, 1, 2], [10, 11, 12])
    assert guessing.guess(8) == [10, 11, 12]
    guessing.accept(10)
    assert guessing.guess(8) == [11, 12]


def test_the_hint_is_found_again_behind_a_difference() -> None:
    guessing = drafter([1, 2], [10, 11, 12, 13, 14])
    for token_id in (10, 99, 98, 12):
        guessing.guess(8)
        guessing.accept(token_id)
    assert guessing.guess(8) == [13, 14]


def test_a_hint_that_is_used_up_gives_way_to_the_text() -> None:
    guessing = drafter([10, 11, 12, 13], [10, 11])
    for token_id in (10, 11):
        guessing.guess(8)
        guessing.accept(token_id)
    assert guessing.guess(2) == [12, 13]


def test_generated_tokens_are_looked_up_too() -> None:
    guessing = drafter([1])
    for token_id in (5, 6, 7, 8, 5, 6):
        guessing.accept(token_id)
    assert guessing.guess(2) == [7, 8]


def test_random_texts_are_guessed_as_a_plain_search_does() -> None:
    rng = random.Random(1)
    for _ in range(300):
        text = [rng.randrange(3) for _ in range(rng.randrange(1, 60))]
        expected = next(
            (
                text[at + length]
                for length in (8, 4, 3, 2, 1)
                for at in reversed(range(len(text) - length))
                if text[at : at + length] == text[-length:]
            ),
            None,
        )
        assert drafter(text).guess(1) == ([] if expected is None else [expected])


def test_rates_follow_what_comes_true() -> None:
    rates = AcceptanceRates()
    for _ in range(200):
        guessing = Drafter([1, 2, 3, 4, 2, 3], [], rates)
        guessing.guess(1)
        assert guessing.rates(1)[0] > 0
        guessing.accept(4)
    assert rates.ahead(False, 2, 1)[0] > 0.9
    for _ in range(200):
        guessing = Drafter([1, 2, 3, 4, 2, 3], [], rates)
        guessing.guess(1)
        guessing.accept(5)
    assert rates.ahead(False, 2, 1)[0] < 0.05


def test_chances_rise_along_a_guess() -> None:
    """One chance for all of a draft once made it as short as its first token is doubtful."""
    rates = AcceptanceRates()
    for _ in range(300):
        rates.note(False, 2, right=False)
        for agreed in range(3, 12):
            rates.note(False, agreed, right=True)
    guessing = Drafter([1, 2, 3, 4, 5, 6, 7, 8, 2, 3], [], rates)
    assert guessing.guess(10) == [4, 5, 6, 7, 8, 2, 3, 4, 5, 6]
    chances = guessing.rates(10)
    assert chances[0] < 0.05
    assert min(chances[1:]) > 0.95
    assert len(chances) == 10
    assert rates.ahead(True, 2, 3) == [0.5] * 3


def test_costs_lie_on_lines_between_the_measured_sizes() -> None:
    costs = StepCosts({1: 2.0, 8: 9.0, 16: 9.0})
    assert [costs.ms(rows) for rows in (1, 4, 8, 12, 16, 32)] == [2.0, 5.0, 9.0, 9.0, 9.0, 9.0]
    for _ in range(500):
        costs.note(1, 4.0)
    assert costs.ms(1) == pytest.approx(4.0, rel=0.01)
    assert costs.ms(8) == 9.0


def test_a_disturbed_measurement_of_few_rows_is_mended() -> None:
    costs = StepCosts({1: 7.0, 2: 2.0, 8: 3.0, 16: 2.5})
    assert [costs.ms(rows) for rows in (1, 2, 8, 16)] == [2.0, 2.0, 2.5, 2.5]


def test_costs_are_measured_by_running_steps(fake: FakeRunner) -> None:
    costs = StepCosts.measure(fake)
    assert costs.ms(8) > 0
    assert {len(batch) for batch in fake.batches} == {1}


def test_only_what_one_step_holds_is_measured_and_more_takes_several(fake: FakeRunner) -> None:
    """Rows beyond the first step looked free, so that a crowd drafted as if it were one user."""
    fake.max_rows = 16
    measured = StepCosts.measure(fake)
    assert measured.max_rows == 16
    assert max(measured.table[0]) == 16
    costs = StepCosts({1: 2.0, 8: 3.0, 16: 3.0}, 16)
    rows = (1, 4, 16, 17, 24, 32, 33, 40)
    assert [costs.ms(num) for num in rows] == pytest.approx(
        [2.0, 2.0 + 3 / 7, 3.0, 5.0, 6.0, 6.0, 8.0, 9.0]
    )


@pytest.fixture
def fake() -> FakeRunner:
    return FakeRunner()


class Fixed(Speculation):
    """With costs that a test sets."""

    def __init__(self, costs: StepCosts) -> None:
        super().__init__()
        self._costs = costs


def sequence(tokenizer: Tokenizer, rates: AcceptanceRates, max_new_tokens: int = 30) -> Sequence:
    prompt = [3, 4, 5, 6, 7, 8] * 4
    made = Sequence(
        request=request(prompt, max_new_tokens),
        sink=lambda _event: None,
        tokenizer=tokenizer,
        request_id=1,
        submitted_at=0.0,
        drafter=Drafter(prompt, [], rates),
    )
    made.place(0, len(prompt) - 1)
    return made


@pytest.mark.parametrize(
    ("costs", "length"),
    [({1: 1.0, 32: 1.0}, MAX_DRAFT), ({1: 1.0, 2: 3.0, 32: 90.0}, 0)],
)
def test_drafts_are_as_long_as_they_pay(
    tokenizer: Tokenizer, costs: dict[int, float], length: int
) -> None:
    speculation = Fixed(StepCosts(costs))
    (work,) = speculation.plan([sequence(tokenizer, speculation.rates)])
    assert work.num_drafts == length
    assert len(work.token_ids) == 1 + length


def test_a_draft_and_its_input_fit_one_step(tokenizer: Tokenizer) -> None:
    speculation = Fixed(StepCosts({1: 1.0, 16: 1.0}, 16))
    (work,) = speculation.plan([sequence(tokenizer, speculation.rates)])
    assert len(work.token_ids) == 16


def test_more_certain_drafts_are_longer(tokenizer: Tokenizer) -> None:
    lengths: list[int] = []
    speculation = Fixed(StepCosts({1: 1.0, 32: 6.0}))
    for _ in range(3):
        lengths.append(speculation.plan([sequence(tokenizer, speculation.rates)])[0].num_drafts)
        for _ in range(20):
            for agreed in range(9):
                speculation.rates.note(False, agreed, right=True)
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]


def test_no_draft_is_longer_than_the_answer(tokenizer: Tokenizer) -> None:
    speculation = Fixed(StepCosts({1: 1.0, 32: 1.0}))
    for max_new_tokens, length in ((1, 0), (2, 1), (4, 3), (100, MAX_DRAFT)):
        made = sequence(tokenizer, speculation.rates, max_new_tokens)
        assert speculation.plan([made])[0].num_drafts == length


def test_nothing_is_drafted_before_costs_are_known(tokenizer: Tokenizer) -> None:
    speculation = Speculation()
    assert speculation.plan([sequence(tokenizer, speculation.rates)])[0].num_drafts == 0


def test_a_draft_ends_where_healing_forbids_it(tokenizer: Tokenizer) -> None:
    pieces = PieceIndex(tokenizer, tokenizer.vocab_size)
    made = sequence(tokenizer, AcceptanceRates())
    made.request = replace(made.request, healing=Healing(b"pr", pieces), sampling=SamplingParams())
    made.__post_init__()
    ids = {text: tokenizer.token_id(text) for text in ("p", "r", "print", "x")}
    assert None not in ids.values()
    good = [ids["p"], ids["r"], ids["x"]]
    work = made.with_drafts(made.next_work(), good)  # type: ignore[arg-type]  # checked above
    assert (work.num_drafts, len(work.allowed)) == (3, 4)
    assert [entry is None for entry in work.allowed] == [False, False, True, True]
    for bad, kept in (([ids["x"]], 0), ([ids["p"], 2], 1), ([ids["print"], 2], 2)):
        work = made.with_drafts(made.next_work(), bad)  # type: ignore[arg-type]  # checked above
        assert (work.num_drafts, len(work.allowed)) == (kept, kept + 1)
