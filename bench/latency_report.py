"""The figures of ``bench.latency``, from keystrokes and from what passed the tap.

A keystroke's time is cut at moments that two clocks know:

    key ─ debounce ─ language server ─ tap: asked … tap: event ─ language server ─ on the screen
        explanation                    the engine's own time

Knows no processes.
"""

from __future__ import annotations

import bisect
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.engine_tap import Exchange
from bench.keys import Key, Log

GOALS = {
    "first_text_p50_ms": 60.0,
    "first_text_p95_ms": 200.0,
    "stale": 0.0,
    "overhead_p50_ms": 3.0,
    "memory_mb": 150.0,
}
"""Of issue 6: two cores, the bundled model, nothing else running; the first two beyond debounce."""
_TAIL_CHARS = 400


def figures(log: Log, exchanges: Sequence[Exchange]) -> dict[str, object]:
    """Returns what one run measured."""
    generated = sum(exchange.num_tokens for exchange in exchanges)
    seen = sum(shown_tokens(exchange, log.displays) for exchange in exchanges)
    accepted = sum(len(accept.text) for accept in log.accepts)
    empty = [key for key in log.keys if key.explanation.get("outcome") == "empty"]
    return {
        "keys": len(log.keys),
        "keys_with_text": sum(key.first_at is not None for key in log.keys),
        "keys_overtaken": sum(key.first_at is None and key.final_at is None for key in log.keys),
        **_times(log, exchanges),
        "requests_to_engine": len(exchanges),
        "generated_tokens": generated,
        "shown_token_share": share(seen, generated),
        "chars_typed": log.num_typed,
        "chars_accepted": accepted,
        "chars_saved_share": share(accepted, accepted + log.num_typed),
        "accepts": {
            take: sum(accept.take == take for accept in log.accepts)
            for take in ("whole", "line", "word")
        },
        "outcomes": _counts([key.explanation.get("outcome", "overtaken") for key in log.keys]),
        "empty_because": _counts([key.explanation.get("detail") for key in empty]),
        "stale": len(log.stale),
        "flickers": log.num_flickers,
        "crossed": log.num_crossed,
        "failed": log.num_failed,
    }


def _times(log: Log, exchanges: Sequence[Exchange]) -> dict[str, object]:
    """Returns the percentiles of the keystrokes' times and their parts, and two shares of them.

    Where the part before the engine is not known, the median of those that are known stands in.
    """
    asked_at = [exchange.asked_at for exchange in exchanges]
    ways = [way for key in log.keys if (way := way_of(key, exchanges, asked_at)) is not None]
    asked = [way for way in ways if way.engine is not None]
    no_io = [way.after for way in ways if way.engine is None]
    known = [way.before for way in asked if way.before is not None and not way.joined]
    usual = statistics.median(known) if known else 0.0
    spent = [(usual if way.before is None else way.before) + way.after for way in asked]
    from_engine = [ms + (way.engine or 0.0) for ms, way in zip(spent, asked, strict=True)]
    waits = [wait for key in log.keys if key.first_at and (wait := debounce_ms(key))]
    times = {
        "first_text_ms": no_io + from_engine,
        "first_text_from_engine_ms": from_engine,
        "first_text_no_io_ms": no_io,
        "first_text_with_debounce_ms": _since_key(log, "first_at"),
        "final_ms": _since_key(log, "final_at"),
        "debounce_ms": waits,
        "engine_ms": [way.engine for way in asked if way.engine is not None],
        "overhead_ms": [ms for ms, way in zip(spent, asked, strict=True) if not way.joined],
        "overhead_before_ms": known,
        "overhead_after_ms": [way.after for way in asked],
    }
    return {
        **{name: percentiles(values) for name, values in times.items()},
        "no_io_share": share(len(no_io), len(ways)),
        "joined_share": share(sum(way.joined for way in ways), len(ways)),
    }


def _since_key(log: Log, name: Literal["first_at", "final_at"]) -> list[float]:
    """Returns the milliseconds to a moment of the keys that brought text."""
    moments = [(key.at, getattr(key, name)) for key in log.keys if key.first_at is not None]
    return [(moment - at) * 1000 for at, moment in moments if moment is not None]


def debounce_ms(key: Key) -> float | None:
    """Returns what the server waited on purpose, None where it is not known."""
    if not key.explanation:
        return None
    timings: dict[str, float] = key.explanation.get("timingsMs") or {}
    return timings.get("debounce", 0.0)


@dataclass(frozen=True, slots=True)
class Way:
    """The parts of a keystroke's time to its first text, in milliseconds.

    Attributes:
        before: until the engine was asked, without the debounce; None where that is not known,
            because the next key came before the reply and with it the explanation.
        engine: from there to the event that brought the text; None where none had to be waited
            for.
        after: from there to the screen; of a key without an engine, all of it.
        joined: the engine wrote already for an earlier key, and was not asked anew.
    """

    before: float | None
    engine: float | None
    after: float
    joined: bool = False


def way_of(key: Key, exchanges: Sequence[Exchange], asked_at: Sequence[float]) -> Way | None:
    """Returns the parts of a keystroke's time, None where it brought no text."""
    if key.first_at is None:
        return None
    wait_ms = debounce_ms(key)
    idx = bisect.bisect_left(asked_at, key.at)
    if idx < len(exchanges) and asked_at[idx] < key.first_at:
        event_at = _last_event(exchanges[idx], asked_at[idx], key.first_at)
        if event_at is not None:
            before_ms = (asked_at[idx] - key.at) * 1000
            return Way(
                None if wait_ms is None else before_ms - wait_ms,
                (event_at - asked_at[idx]) * 1000,
                (key.first_at - event_at) * 1000,
            )
    event_at = _last_event(exchanges[idx - 1], key.at, key.first_at) if idx else None
    if event_at is not None:
        return Way(0.0, (event_at - key.at) * 1000, (key.first_at - event_at) * 1000, joined=True)
    return Way(0.0, None, (key.first_at - key.at) * 1000 - (wait_ms or 0.0))


def _last_event(exchange: Exchange, start: float, end: float) -> float | None:
    """Returns when the last event of an exchange came between two moments, None if none did."""
    return max((at for at, _, _ in exchange.events if start < at <= end), default=None)


def shown_tokens(exchange: Exchange, displays: Sequence[tuple[str, str, float]]) -> int:
    """Returns how many of an exchange's tokens were ever on the screen.

    A display shows them where it goes on from the same text: ``before`` ends with what was typed
    of the exchange since, behind its prefix.
    """
    tail, text = exchange.prefix[-_TAIL_CHARS:], exchange.text
    most = 0
    for before, ghost, _ in displays:
        at = before.rfind(tail)
        if at < 0:
            continue
        typed = before[at + len(tail) :]
        if text.startswith(typed):
            most = max(most, len(typed) + _num_common(text[len(typed) :], ghost))
    num_chars = num_tokens = 0
    for _, piece, count in exchange.events:
        if num_chars >= most:
            break
        num_chars += len(piece)
        num_tokens += count
    return num_tokens


def _num_common(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((idx for idx, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _counts(names: Sequence[object]) -> dict[str, int]:
    counts = Counter(str(name) for name in names)
    return dict(sorted(counts.items()))


def percentiles(values: Sequence[float]) -> dict[str, float] | None:
    """Returns the middle and the 95th percentile, None of nothing."""
    if not values:
        return None
    ranked = sorted(values)
    return {
        "p50": round(ranked[len(ranked) // 2], 2),
        "p95": round(ranked[min(len(ranked) - 1, int(len(ranked) * 0.95))], 2),
        "num": len(ranked),
    }


def share(part: int, whole: int) -> float:
    """Returns a part of a whole, 0 of nothing."""
    return round(part / whole, 4) if whole else 0.0
