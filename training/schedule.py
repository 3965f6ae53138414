"""The learning rate over time: warm up, hold, decay to zero; told in shares of a time budget.

The decay is 1 - sqrt(share of it that is over): Haegele et al. 2024, arXiv 2405.18392.

The decay can be brought forward. Pure arithmetic on (step, elapsed seconds), so a resumed run
computes what the first one would have. Called by ``training.train``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """Trapezoid (WSD): the rate is 1 between warm-up and decay, and 0 at ``budget_s``."""

    budget_s: float
    warmup_steps: int = 60
    decay_share: float = 0.55

    def decay_start_s(self) -> float:
        """Returns when the decay begins, in seconds of training."""
        return self.budget_s * (1 - self.decay_share)

    def factor(self, step: int, elapsed_s: float) -> float:
        """Returns the share of the peak rate, in [0, 1]."""
        warm = min(1.0, (step + 1) / self.warmup_steps)
        late = (elapsed_s - self.decay_start_s()) / (self.budget_s - self.decay_start_s())
        return warm * (1 - math.sqrt(min(1.0, max(0.0, late))))

    def decaying(self, elapsed_s: float) -> bool:
        """Whether the decay has begun."""
        return elapsed_s >= self.decay_start_s()

    def done(self, elapsed_s: float) -> bool:
        """Whether the budget is spent."""
        return elapsed_s >= self.budget_s
