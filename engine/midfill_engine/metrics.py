"""Counts and distributions that `/metrics` tells: plain numbers, so that noting one costs nothing.

Knows neither HTTP nor a metrics library. `runtime` notes steps on the engine thread, `serve` notes
requests on the event loop; any thread may read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

DURATION_BOUNDS_S = tuple(0.0001 * 1.5**power for power in range(1, 36))
"""TGI's: 0.15 ms to 146 s."""
TOKEN_BOUNDS = tuple(2.0**power for power in range(18))

Method: TypeAlias = Literal["prefill", "decode"]


class Distribution:
    """How often values fell at or below each bound."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """Count by these bounds, ascending."""
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def note(self, value: float) -> None:
        """One more value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def add(self, other: Distribution) -> None:
        """All values of another one with the same bounds."""
        self._counts = [mine + its for mine, its in zip(self._counts, other._counts, strict=True)]
        self.total += other.total

    def cumulative(self) -> list[tuple[str, float]]:
        """Bounds as text with the number of values up to each; the last is all of them."""
        names = [f"{bound:.6g}" for bound in self._bounds] + ["+Inf"]
        reached, found = 0, list[tuple[str, float]]()
        for name, count in zip(names, self._counts, strict=True):
            reached += count
            found.append((name, float(reached)))
        return found


def _durations() -> Distribution:
    return Distribution(DURATION_BOUNDS_S)


def _tokens() -> Distribution:
    return Distribution(TOKEN_BOUNDS)


@dataclass(slots=True)
class StepMetrics:
    """Steps of a model, or of several, by method: prefill if any part of a prompt was in it.

    Attributes:
        started: steps that were begun.
        succeeded: those that did not fail.
        durations: seconds of those.
    """

    started: Counter[Method] = field(default_factory=Counter[Method])
    succeeded: Counter[Method] = field(default_factory=Counter[Method])
    durations: dict[Method, Distribution] = field(
        default_factory=lambda: {"prefill": _durations(), "decode": _durations()}
    )

    def note(self, method: Method, seconds: float) -> None:
        """A step that succeeded."""
        self.succeeded[method] += 1
        self.durations[method].note(seconds)

    def add(self, other: StepMetrics) -> None:
        """All steps of another model, which may make more meanwhile."""
        for method, durations in other.durations.items():
            self.started[method] += other.started[method]
            self.succeeded[method] += other.succeeded[method]
            self.durations[method].add(durations)


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """What an engine thread holds at the moment.

    Attributes:
        num_waiting: requests that wait for a slot.
        num_running: those that have one.
        max_tokens: tokens that these may come to at most, prompts included.
    """

    num_waiting: int
    num_running: int
    max_tokens: int


@dataclass(slots=True)
class RequestMetrics:
    """Requests of all models.

    Attributes:
        received: requests that passed the access checks.
        succeeded: those that were answered.
        failed: the others, by TGI's name of the cause.
        total_s: from a request to the end of its reply.
        validation_s: from a request to its queueing.
        queue_s: until a slot was free.
        inference_s: in the slot.
        token_s: the same per generated token.
        prompt_tokens: of a prompt.
        max_new_tokens: that a request could have got.
        generated_tokens: that it got.
        skipped_tokens: of those, drafted ones that stood.
        cached_tokens: of all prompts, those that were in the cache.
    """

    received: int = 0
    succeeded: int = 0
    failed: Counter[str] = field(default_factory=Counter[str])
    total_s: Distribution = field(default_factory=_durations)
    validation_s: Distribution = field(default_factory=_durations)
    queue_s: Distribution = field(default_factory=_durations)
    inference_s: Distribution = field(default_factory=_durations)
    token_s: Distribution = field(default_factory=_durations)
    prompt_tokens: Distribution = field(default_factory=_tokens)
    max_new_tokens: Distribution = field(default_factory=_tokens)
    generated_tokens: Distribution = field(default_factory=_tokens)
    skipped_tokens: Distribution = field(default_factory=_tokens)
    cached_tokens: int = 0
