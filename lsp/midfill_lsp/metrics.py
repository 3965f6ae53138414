"""Counts and latencies of this process. Holds numbers only, never text; nothing leaves here."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Outcome = Literal[
    "shown",
    "cached",
    "empty",
    "disabled",
    "skipped",
    "stale",
    "superseded",
    "cancelled",
    "error",
]
_NUM_LATENCIES = 512


@dataclass(frozen=True, slots=True)
class ContextFacts:
    """What went along with a completion from other files, and what the privacy gate did.

    Attributes:
        files: pieces of other files that were sent; `tokens` is an estimate.
        sources: how many came from which source.
        refused: how many the gate refused, by its reason.
        masked_lines: lines whose secrets were masked, the document's own included.
        took_ms: on the event loop; `waited_ms` for what is read in threads.
        left_out: why no other files were looked for.
        failures: how often a source or the gate failed since the start; what fails is left out.
    """

    files: int = 0
    tokens: int = 0
    sources: Mapping[str, int] = field(default_factory=dict[str, int])
    refused: Mapping[str, int] = field(default_factory=dict[str, int])
    masked_lines: int = 0
    took_ms: float = 0.0
    waited_ms: float = 0.0
    left_out: str | None = None
    failures: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of a completion; for `midfill.explain` and the log. Sizes and names, no text.

    Attributes:
        request_id: as the editor numbers it.
        uri: the document; `version`, `line` and `column` (code points) say where in it.
        outcome: `cancelled` until it is known better.
        detail: why, where the outcome alone does not say it.
        skip: why a request was skipped, by its name in docs/protocol.md.
        failure: the kind of error that ended it.
        mode: `line` or `block`; None where it was not decided.
        joined: a stream that ran already answered, or had nothing for this cursor.
        candidates: suggestions that an explicit request got to cycle through.
        cut_chars: code points that the trim took away; `cut_by` is the rule.
        confidence: how likely the model found the first line's tokens on average, 0 to 1.
        stream_end: the backend's reason, `trimmed` where the trim ended the stream, or `running`
            where the reply did not wait for the end.
        context: what of other files went along; None where the backend was not asked anew.
        timings_ms: since the request came; `stream_...` since the backend was asked, and
            `engine_...` are the engine's own.
    """

    request_id: str
    uri: str
    version: int
    line: int
    column: int
    outcome: Outcome = "cancelled"
    detail: str | None = None
    skip: str | None = None
    failure: str | None = None
    mode: str | None = None
    cache_hit: bool = False
    joined: bool = False
    prefix_chars: int = 0
    suffix_chars: int = 0
    shown_chars: int = 0
    candidates: int = 0
    cut_chars: int = 0
    cut_by: str | None = None
    confidence: float | None = None
    stream_end: str | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    generated_tokens: int | None = None
    context: ContextFacts | None = None
    timings_ms: dict[str, float] = field(default_factory=dict[str, float])

    def summary(self) -> str:
        """Return the one line that is logged of it."""
        facts: dict[str, object] = {
            "id": self.request_id,
            "outcome": self.outcome,
            "skip": self.skip,
            "failure": self.failure,
            "cache": "hit" if self.cache_hit else "miss",
            "joined": self.joined or None,
            "mode": self.mode,
            "prompt_tokens": self.prompt_tokens,
            "reused_tokens": self.cached_tokens,
            "generated_tokens": self.generated_tokens,
            "context_files": self.context and self.context.files,
            "context_ms": self.context and self.context.took_ms,
            "shown_chars": self.shown_chars,
            "cut_by": self.cut_by,
            "confidence": self.confidence,
            **{f"{name}_ms": value for name, value in self.timings_ms.items()},
        }
        return " ".join(f"{name}={value}" for name, value in facts.items() if value is not None)


class Trace:
    """The notes of one completion on its way, of which its explanation is made."""

    def __init__(self, explanation: Explanation) -> None:
        """Begin with what is known before anything was done."""
        self._explanation = explanation
        self._facts: dict[str, object] = {}
        self._timings_ms = dict(explanation.timings_ms)
        self._started_at = time.perf_counter()

    @property
    def explanation(self) -> Explanation:
        """What became of it so far; made anew each time."""
        # The names are checked by `replace` at run time; a typed overload per field would not pay.
        facts: dict[str, object] = {**self._facts, "timings_ms": dict(self._timings_ms)}
        return replace(self._explanation, **facts)  # type: ignore[arg-type]

    def note(self, **facts: object) -> None:
        """Set fields of the explanation."""
        self._facts.update(facts)

    def has_timing(self, name: str) -> bool:
        """Whether a time was noted under this name."""
        return name in self._timings_ms

    def clock(self, name: str) -> None:
        """Note the milliseconds since the request came."""
        elapsed_ms = round((time.perf_counter() - self._started_at) * 1000, 1)
        self.timings({name: elapsed_ms})

    def timings(self, timings_ms: dict[str, float]) -> None:
        """Note more timings."""
        self._timings_ms.update(timings_ms)


@dataclass(slots=True)
class Metrics:
    """What happened since the start; `server` reports it in `midfill.status`.

    Attributes:
        outcomes: completions by how they ended.
        events: `shown`, `accepted`, `partly_accepted`.
        streams: the backend's streams: `begun`, `joined` by a later request, `prefetched`, and how
            they ended, `aborted_...` for each reason of an abort; `warmed_up` are prompts that were
            read ahead.
        first_text_ms: request to first text, of the latest completions that asked the backend.
        total_ms: request to reply, of the latest completions that had something to show.
        on_count: is told of every completion.
    """

    outcomes: Counter[str] = field(default_factory=Counter[str])
    events: Counter[str] = field(default_factory=Counter[str])
    streams: Counter[str] = field(default_factory=Counter[str])
    first_text_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_NUM_LATENCIES))
    total_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_NUM_LATENCIES))

    on_count: Callable[[Explanation], None] | None = None

    def count(self, explanation: Explanation) -> None:
        """Count a completion that has ended."""
        if self.on_count is not None:
            self.on_count(explanation)
        self.outcomes[explanation.outcome] += 1
        timings = explanation.timings_ms
        if "first_text" in timings:
            self.first_text_ms.append(timings["first_text"])
        if explanation.outcome in ("shown", "cached"):
            self.total_ms.append(timings["total"])

    def report(self) -> dict[str, object]:
        """Return everything as JSON takes it, latencies as their middle and 95th percentile."""
        return {
            "outcomes": dict(self.outcomes),
            "events": dict(self.events),
            "streams": dict(self.streams),
            "firstTextMs": _percentiles(self.first_text_ms),
            "totalMs": _percentiles(self.total_ms),
        }


def _percentiles(values: deque[float]) -> dict[str, float] | None:
    if not values:
        return None
    ranked = sorted(values)
    return {
        "p50": round(ranked[len(ranked) // 2], 1),
        "p95": round(ranked[min(len(ranked) - 1, int(len(ranked) * 0.95))], 1),
    }
