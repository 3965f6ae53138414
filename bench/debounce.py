"""How long an automatic request should wait: questions asked for nothing against delay.

    python bench/debounce.py

Simulated, no model and no server: typing rhythms (log-normal gaps, bursts and pauses; seeded) meet
a backend with a given time to first text. The editor asks and cancels at every key. A question
whose text does not come before the next key goes on if that key agrees with it, with a given
chance, as in-flight steering does; else it was for nothing. Delay is counted where somebody
waits for half a second or more: from the key to the text. Last line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from midfill_lsp.complete.rhythm import Rhythm
from midfill_lsp.config import CompletionConfig

LATENCIES_S = (0.015, 0.06, 0.12, 0.2, 0.3, 0.6, 1.5)
PAUSE_S = 0.5

Wait = Callable[[Rhythm], float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one way to wait: questions and questions for nothing per 100 keys, delay at pauses."""

    asked: float
    wasted: float
    delay_ms: float
    seen: float


def gaps(seed: int, num_keys: int, letter_s: float) -> list[float]:
    """Return the seconds after each key: letters in words of 2 to 9, signs, line ends, thought."""
    source = random.Random(seed)
    made: list[float] = []
    while len(made) < num_keys:
        made += [source.lognormvariate(0, 0.35) * letter_s for _ in range(source.randint(2, 9))]
        made.append(source.lognormvariate(0, 0.45) * letter_s * 1.8)
        if source.random() < 0.15:  # a line's end, and sometimes a thought
            made.append(source.lognormvariate(0, 0.4) * letter_s * 2.2)
            if source.random() < 0.5:
                made.append(source.lognormvariate(0, 0.6) * 1.1)
    return made[:num_keys]


@dataclass(slots=True)
class Question:
    """One that runs: when its text comes, and whether all keys since agree, which is seen then."""

    asked_at: float
    text_at: float
    is_right: bool = True
    num_unseen: int = 0


def simulate(
    pauses: Sequence[float],
    latency_s: float,
    wait: Wait,
    agree_rate: float,
    max_unseen: int,
    seed: int,
) -> Outcome:
    """Return how one way to wait does on one rhythm.

    A question whose text is not there yet is joined by up to ``max_unseen`` keys, then aborted.
    """
    source = random.Random(seed)
    rhythm = Rhythm()
    now, num_asked, num_wasted, num_seen = 0.0, 0, 0, 0
    delays: list[float] = []
    running: Question | None = None
    has_text = False
    for gap_s in pauses:
        rhythm.key(now)
        agrees, next_at = source.random() < agree_rate, now + gap_s
        has_text = has_text and agrees
        seen_at = now if has_text else None
        if running is not None:
            running.is_right = running.is_right and agrees
            running.num_unseen += 1
            if running.num_unseen > max_unseen:
                rhythm.unanswered(now - running.asked_at)
                num_wasted, running = num_wasted + 1, None
        free_at = now
        while seen_at is None:
            if running is None:
                asks_at = free_at + wait(rhythm)
                if asks_at >= next_at:
                    break
                num_asked += 1
                running = Question(asks_at, asks_at + latency_s)
            if running.text_at >= next_at:
                break
            rhythm.answered(latency_s)
            if running.is_right:
                seen_at, has_text = running.text_at, True
            else:
                num_wasted, free_at = num_wasted + 1, running.text_at
            running = None
        if seen_at is not None:
            num_seen += 1
        if gap_s >= PAUSE_S:
            delays.append(seen_at - now if seen_at is not None else gap_s)
        now = next_at
    per_100 = 100 / len(pauses)
    return Outcome(
        num_asked * per_100, num_wasted * per_100, 1000 * median(delays), num_seen * per_100
    )


def ways() -> dict[str, Wait]:
    """Return the ways to wait by name."""

    def fixed(wait_s: float) -> Wait:
        return lambda _rhythm: wait_s

    def shares(latency: float, gap: float) -> Wait:
        def wait(rhythm: Rhythm) -> float:
            wait_s = min(latency * rhythm.latency_s, gap * rhythm.gap_s)
            return max(0.01, min(0.4, wait_s))

        return wait

    config = CompletionConfig()
    named: dict[str, Wait] = {"auto (the default)": lambda rhythm: rhythm.wait_s(config)}
    named |= {f"{wait_ms} ms": fixed(wait_ms / 1000) for wait_ms in (0, 40, 75, 150, 300)}
    for latency in (0.5, 1.0):
        for gap in (1.25, 1.75):
            named[f"min({latency:g} latency, {gap:g} gap)"] = shares(latency, gap)
    return named


def main() -> None:
    """Print a table per backend, and all of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-keys", type=int, default=4000)
    parser.add_argument("--agree", type=float, default=0.5, help="share of keys that agree")
    parser.add_argument(
        "--unseen", type=int, default=1000, help="keys that join before there is text"
    )
    parser.add_argument("--letter-ms", type=float, default=150.0, help="median gap within words")
    args = parser.parse_args()
    rhythms = [gaps(seed, args.num_keys, args.letter_ms / 1000) for seed in range(5)]
    report: dict[str, dict[str, dict[str, float]]] = {}
    for latency_s in LATENCIES_S:
        print(f"first text after {latency_s * 1000:g} ms")
        report[f"{latency_s * 1000:g}"] = rows = {}
        for name, wait in ways().items():
            made = [
                simulate(one, latency_s, wait, args.agree, args.unseen, seed)
                for seed, one in enumerate(rhythms)
            ]
            rows[name] = row = {
                key: round(median(getattr(one, key) for one in made), 1)
                for key in ("asked", "wasted", "seen", "delay_ms")
            }
            print(f"  {name:32}" + "".join(f"{key} {value:7.1f}  " for key, value in row.items()))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
