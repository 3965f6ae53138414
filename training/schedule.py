"""The learning rate over the steps: warm up, hold, decay to zero.

The decay is 1 - sqrt(share of it that is over): Haegele et al. 2024, arXiv 2405.18392. Pure
arithmetic on the step, so a resumed run computes what the first one would have, and a longer or
shorter run shares all steps before the decay. Called by ``training.train``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """Trapezoid (WSD): ``peak`` between warm-up and decay, 0 at ``num_steps``."""

    num_steps: int
    warmup_steps: int = 60
    decay_share: float = 0.65
    peak: float = 1.0

    @property
    def decay_start(self) -> int:
        """The step at which the decay begins."""
        return round(self.num_steps * (1 - self.decay_share))

    def factor(self, step: int) -> float:
        """Returns the share of the base rate at ``step``, in [0, peak]."""
        warm = min(1.0, (step + 1) / self.warmup_steps)
        late = (step - self.decay_start) / max(1, self.num_steps - self.decay_start)
        return self.peak * warm * (1 - math.sqrt(min(1.0, max(0.0, late))))
