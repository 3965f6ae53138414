"""The counts of one day and one language. Pure."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, cast, get_args

Event = Literal[
    "shown",
    "accepted",
    "partly_accepted",
    "kept",
    "mostly_kept",
    "gone",
    "shown_chars",
    "accepted_chars",
]
EVENTS: frozenset[str] = frozenset(get_args(Event))

# Classes of latency, each 10 % above the one before: percentiles are at most 5 % off, and classes
# of different days and processes add up.
_STEP = math.log(1.1)
_LAST_CLASS = 130  # 240 s
_MAX_NUMBER = 2**53
"""More is no count of ours, and no float holds it."""
_LANGUAGE = re.compile(r"[a-z0-9+#._-]{1,40}")


@dataclass(frozen=True, slots=True)
class Key:
    """What is counted apart: a day, as ISO 8601 has it, and a language id."""

    day: str
    language: str

    @classmethod
    def of(cls, day: date, language_id: str) -> Key:
        """Return the key; an id that looks like no language is `other`."""
        known = _LANGUAGE.fullmatch(language_id) is not None
        return cls(day.isoformat(), language_id if known else "other")


@dataclass(slots=True)
class Tally:
    """Counts that add up.

    Attributes:
        counts: by `Event`.
        latencies: how many answers took how long, by class (see `class_of`).
    """

    counts: Counter[str] = field(default_factory=Counter[str])
    latencies: Counter[int] = field(default_factory=Counter[int])

    def count(self, event: Event, number: int = 1) -> None:
        """Count something."""
        self.counts[event] += number

    def time(self, latency_ms: float) -> None:
        """Count an answer that took so long."""
        self.latencies[class_of(latency_ms)] += 1

    def add(self, other: Tally) -> None:
        """Take another tally's counts in."""
        self.counts.update(other.counts)
        self.latencies.update(other.latencies)

    def percentile_ms(self, share: float) -> float | None:
        """Return the latency that this share of the answers did not exceed, None without one."""
        wanted = share * self.latencies.total()
        so_far = 0
        for name in sorted(self.latencies):
            so_far += self.latencies[name]
            if so_far >= wanted:
                return round(math.exp((name - 0.5) * _STEP), 1)
        return None


def class_of(latency_ms: float) -> int:
    """Return the class: 0 up to 1 ms, then one for each 10 % more."""
    return min(_LAST_CLASS, math.ceil(math.log(latency_ms) / _STEP)) if latency_ms > 1 else 0


def dump(key: Key, tally: Tally) -> str:
    """Return a line of JSON."""
    facts = {
        "day": key.day,
        "language": key.language,
        "counts": dict(tally.counts),
        "latencies": {str(name): number for name, number in tally.latencies.items()},
    }
    return json.dumps(facts, separators=(",", ":"))


def load(line: str) -> tuple[Key, Tally] | None:
    """Return what a line says, None if it is not one of `dump`'s."""
    try:
        facts: dict[str, Any] = json.loads(line)
        key = Key.of(date.fromisoformat(facts["day"]), facts["language"])
        counts = _numbers(facts["counts"])
        latencies = _numbers(facts["latencies"])
        classes = {int(name): number for name, number in latencies.items()}
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if not all(0 <= name <= _LAST_CLASS for name in classes):
        return None
    known = {name: number for name, number in counts.items() if name in EVENTS}
    return key, Tally(Counter(known), Counter(classes))


def _numbers(value: object) -> dict[str, int]:
    if not isinstance(value, Mapping):
        raise TypeError("no counts")
    facts = cast("Mapping[str, object]", value)
    if not all(type(number) is int and 0 <= number <= _MAX_NUMBER for number in facts.values()):
        raise ValueError("no counts")
    return cast("dict[str, int]", dict(facts))
