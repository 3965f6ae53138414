"""How many tokens of each guess are worth verifying in the next step.

A step of n rows costs `StepCosts.ms(n)` and yields one token per sequence, and of a draft whose
tokens come true with the chances p1, p2, ... another p1 + p1 p2 + ... For one sequence after the
other the length is taken that yields the most tokens per millisecond of the whole step, 0 where no
draft pays. Neither the text nor its distribution depends on it (`exec.verify`). Called by
`batcher`.
"""

from __future__ import annotations

from collections.abc import Sequence as Seq

from midfill_engine.exec.work import Work
from midfill_engine.model.ahead import Guesses, StepMade
from midfill_engine.runtime.draft import AcceptanceRates
from midfill_engine.runtime.interface import ModelRunner
from midfill_engine.runtime.sequence import Sequence
from midfill_engine.runtime.step_costs import StepCosts

MAX_DRAFT = 16
LENGTHS = (1, 2, 3, 4, 6, 8, 12, 16)
SMALLEST_RATE = 0.05
"""A draft whose first token is less likely is not even weighed."""


class Speculation:
    """Drafts for the steps of one engine."""

    def __init__(self) -> None:
        """Begin without any measurement."""
        self.rates = AcceptanceRates()
        self._costs: StepCosts | None = None

    def measure(self, runner: ModelRunner) -> None:
        """Time steps of an idle runner; nothing is drafted before that."""
        self._costs = StepCosts.measure(runner)

    def plan(self, batch: Seq[Sequence]) -> list[Work]:
        """Return everybody's part of the next step, with the drafts that pay."""
        works = [sequence.next_work() for sequence in batch]
        if self._costs is None:
            return works
        num_rows = sum(len(work.token_ids) for work in works)
        expected = float(sum(work.sampling is not None for work in works))
        for idx, (sequence, work) in enumerate(zip(batch, works, strict=True)):
            most = min(self._longest, sequence.most_drafts)
            if work.sampling is None or sequence.drafter is None or most < 1:
                continue
            guess = sequence.drafter.guess(most)
            rates = sequence.drafter.rates(len(guess))
            length, gain = best_length(self._costs, rates, num_rows, expected)
            if length:
                works[idx] = sequence.with_drafts(work, guess[:length])
                num_rows += length
                expected += gain
        return works

    @property
    def _longest(self) -> int:
        """Tokens of a draft at most: behind its input it must fit one step."""
        max_rows = None if self._costs is None else self._costs.max_rows
        return MAX_DRAFT if max_rows is None else min(MAX_DRAFT, max_rows - 1)

    def guesses(self, sequence: Sequence) -> Guesses | None:
        """Return what drafts of a sequence rest on, None where nothing can be drafted."""
        if self._costs is None or sequence.drafter is None:
            return None
        return sequence.drafter.guesses(self._costs)

    def note_ahead(self, step: StepMade) -> None:
        """Learn from a step that was run ahead."""
        if self._costs is not None:
            self._costs.note(step.num_rows, step.ms)

    def note(self, works: Seq[Work], took_ms: float) -> None:
        """Learn from a step; those with a part of a prompt tell nothing of the others."""
        if self._costs is not None and all(
            len(work.token_ids) == 1 + work.num_drafts for work in works
        ):
            self._costs.note(sum(len(work.token_ids) for work in works), took_ms)


def best_length(
    costs: StepCosts, rates: Seq[float], num_rows: int, expected: float
) -> tuple[int, float]:
    """Return the draft length that pays best and the tokens that it may gain.

    Args:
        costs: of steps.
        rates: the chance of each guessed token, given that those before it stood.
        num_rows: what the step has without the draft.
        expected: the tokens that it makes without it.
    """
    best, best_gain = 0, 0.0
    if not rates or rates[0] < SMALLEST_RATE:
        return best, best_gain
    best_speed = expected / costs.ms(num_rows)
    gain, chance = 0.0, 1.0
    for length, rate in enumerate(rates, start=1):
        chance *= rate
        gain += chance
        if length not in LENGTHS and length < len(rates):
            continue
        speed = (expected + gain) / costs.ms(num_rows + length)
        if speed > best_speed:
            best, best_gain, best_speed = length, gain, speed
    return best, best_gain
