"""How many tokens of each guess are worth verifying in the next step.

A step of n rows costs `StepCosts.ms(n)` and yields one token per sequence, and of a draft of k
tokens that come true with chance p each another p + p^2 + ... + p^k. For one sequence after the
other the k is taken that yields the most tokens per millisecond of the whole step, 0 where no draft
pays. Neither the text nor its distribution depends on k (`exec.verify`). Called by `loop`.
"""

from __future__ import annotations

from collections.abc import Sequence as Seq

from midfill_engine.exec.work import Work
from midfill_engine.runtime.draft import AcceptanceRates
from midfill_engine.runtime.interface import ModelRunner
from midfill_engine.runtime.sequence import Sequence
from midfill_engine.runtime.step_costs import StepCosts

MAX_DRAFT = 16
_LENGTHS = (1, 2, 3, 4, 6, 8, 12, 16)
_SMALLEST_RATE = 0.05
"""Below it no draft is even weighed."""


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
            most = min(MAX_DRAFT, sequence.most_drafts)
            if work.sampling is None or sequence.drafter is None or most < 1:
                continue
            guess = sequence.drafter.guess(most)
            rate = sequence.drafter.rate
            length, gain = self._best_length(len(guess), rate, num_rows, expected)
            if length:
                works[idx] = sequence.with_drafts(work, guess[:length])
                num_rows += length
                expected += gain
        return works

    def note(self, works: Seq[Work], took_ms: float) -> None:
        """Learn from a step; those with a part of a prompt tell nothing of the others."""
        if self._costs is not None and all(
            len(work.token_ids) == 1 + work.num_drafts for work in works
        ):
            self._costs.note(sum(len(work.token_ids) for work in works), took_ms)

    def _best_length(
        self, most: int, rate: float, num_rows: int, expected: float
    ) -> tuple[int, float]:
        """Return the draft length that pays best and the tokens that it may gain."""
        assert self._costs is not None
        best, best_gain = 0, 0.0
        if most < 1 or rate < _SMALLEST_RATE:
            return best, best_gain
        best_speed = expected / self._costs.ms(num_rows)
        for length in (*(length for length in _LENGTHS if length < most), most):
            gain = rate * (1 - rate**length) / (1 - rate) if rate < 1 else float(length)
            speed = (expected + gain) / self._costs.ms(num_rows + length)
            if speed > best_speed:
                best, best_gain, best_speed = length, gain, speed
        return best, best_gain
