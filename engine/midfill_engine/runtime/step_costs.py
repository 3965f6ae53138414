"""What a step costs by its number of rows: measured at the start, corrected by every later step.

The text does not depend on it, only the length of drafts does. Called by `speculate`.
"""

from __future__ import annotations

import time
from bisect import bisect_right

from midfill_engine.exec.sampling_params import SamplingParams
from midfill_engine.exec.work import Work
from midfill_engine.runtime.interface import ModelRunner

SIZES = (1, 8, 16, 4, 2, 32)
"""Rows that are measured, the most telling first: the rest is read off the line between them."""
BUDGET_MS = 50.0
_CONTEXT = 64
_MEMORY = 0.05


class StepCosts:
    """Milliseconds by rows, linear between the measured sizes.

    Attributes:
        max_rows: what one step holds: more rows cost as many steps as they take; None: one.
    """

    def __init__(self, measured: dict[int, float], max_rows: int | None = None) -> None:
        """Take at least two sizes of one step and their milliseconds."""
        assert len(measured) > 1, "a line needs two points"
        assert max_rows is None or max(measured) <= max_rows, "more than one step"
        self.max_rows = max_rows
        self._sizes = sorted(measured)
        # Fewer rows never cost more: what says so was disturbed.
        self._ms = [
            min(measured[larger] for larger in self._sizes[idx:]) for idx in range(len(self._sizes))
        ]

    @classmethod
    def measure(cls, runner: ModelRunner) -> StepCosts:
        """Time steps of an idle runner in slot 0, whose contents are lost.

        Takes BUDGET_MS, and where single steps are longer than that, four steps.
        """
        most = runner.max_total_tokens
        context = min(_CONTEXT, most // 2)
        _run(runner, context, 1)
        measured: dict[int, float] = {}
        began = time.perf_counter()
        for size in SIZES:
            spent = (time.perf_counter() - began) * 1e3
            if runner.max_rows is not None and size > runner.max_rows:
                continue
            if context + size > most or (len(measured) > 1 and spent > BUDGET_MS):
                break
            measured[size] = min(_run(runner, context, size) for _ in range(2))
        return cls(measured, runner.max_rows)

    @property
    def table(self) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """The sizes, ascending, and their milliseconds."""
        return tuple(self._sizes), tuple(self._ms)

    def ms(self, num_rows: int) -> float:
        """What so many rows cost."""
        if self.max_rows is None or num_rows <= self.max_rows:
            return self._step_ms(num_rows)
        num_full, rest = divmod(num_rows, self.max_rows)
        rest_ms = self._step_ms(rest) if rest else 0.0
        return num_full * self._step_ms(self.max_rows) + rest_ms

    def _step_ms(self, num_rows: int) -> float:
        idx = min(max(bisect_right(self._sizes, num_rows) - 1, 0), len(self._sizes) - 2)
        low, high = self._sizes[idx], self._sizes[idx + 1]
        share = (num_rows - low) / (high - low)
        return self._ms[idx] + max(self._ms[idx + 1] - self._ms[idx], 0.0) * share

    def note(self, num_rows: int, took_ms: float) -> None:
        """Correct the table by a step that ran; the nearest smaller size moves a little."""
        idx = max(bisect_right(self._sizes, num_rows) - 1, 0)
        if num_rows <= self._sizes[-1]:
            ratio = min(took_ms / self.ms(num_rows), 4.0)  # a machine that stalled is no news
            self._ms[idx] *= 1 + _MEMORY * (ratio - 1)


def _run(runner: ModelRunner, context: int, num_rows: int) -> float:
    """Run and time one verification; returns milliseconds."""
    prompt = [0] * context
    drafts = [0] * (num_rows - 1)
    if num_rows == 1 and context > 1:
        runner.run([Work(0, prompt[:-1], 0)])
    work = Work(
        slot=0,
        token_ids=[0, *drafts],
        start=context - 1,
        num_drafts=len(drafts),
        sampling=SamplingParams(),
        prompt_ids=prompt,
    )
    began = time.perf_counter()
    runner.run([work])
    return (time.perf_counter() - began) * 1e3
