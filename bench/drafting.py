"""What speculation would accept: drafts replayed against a completion that is known.

Pure; called by ``bench.drafts``. Accepted drafts never change the text, so a completion that was
made without them is enough to count steps:

    known    a b c d e f          draft of 4 after "a":  b c x y
    step     accepts b c, and the model itself adds d -> goes on after "d"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Drafter = Callable[[int, int], Sequence[int]]
"""(tokens made so far, most tokens to draft) -> draft."""


@dataclass(frozen=True, slots=True)
class Replay:
    """Counts over the verify steps of one or more completions.

    Attributes:
        steps: forward passes after the prompt's own, which gives the first token.
        made: tokens they gave.
        drafted: tokens drafted for them.
        accepted: those that were right.
        rows: number of rows in a pass -> how many such passes.
    """

    steps: int = 0
    made: int = 0
    drafted: int = 0
    accepted: int = 0
    rows: tuple[tuple[int, int], ...] = ()

    def __add__(self, other: Replay) -> Replay:
        """Returns the counts of both."""
        rows = dict(self.rows)
        for num, times in other.rows:
            rows[num] = rows.get(num, 0) + times
        return Replay(
            self.steps + other.steps,
            self.made + other.made,
            self.drafted + other.drafted,
            self.accepted + other.accepted,
            tuple(sorted(rows.items())),
        )

    def speedup(self, costs: Mapping[int, float], draft_cost: float = 0.0) -> float:
        """Returns the time of plain decoding over the time with drafts.

        ``costs`` are those of a pass of so many rows, relative to one row; between them they are
        interpolated, beyond the last extended in a straight line. ``draft_cost`` is that of
        drafting a token.
        """
        if not self.made:
            return 1.0
        time = sum(times * cost_of(num, costs) for num, times in self.rows)
        return self.made * cost_of(1, costs) / (time + draft_cost * self.drafted)


def replay(known: Sequence[int], draft: Drafter, most: int) -> Replay:
    """Returns the counts of one completion with drafts of at most ``most`` tokens."""
    done, total = 1, Replay()
    while done < len(known):
        proposed = list(draft(done, most))[:most]
        right = 0
        while (
            right < len(proposed)
            and done + right < len(known)
            and proposed[right] == known[done + right]
        ):
            right += 1
        made = min(right + 1, len(known) - done)
        total += Replay(1, made, len(proposed), right, ((1 + len(proposed), 1),))
        done += made
    return total


def cost_of(num_rows: int, costs: Mapping[int, float]) -> float:
    """Returns the cost of a pass of ``num_rows`` rows."""
    rows = sorted(costs)
    if num_rows <= rows[-1] or len(rows) == 1:
        return float(np.interp(num_rows, rows, [costs[num] for num in rows]))
    slope = (costs[rows[-1]] - costs[rows[-2]]) / (rows[-1] - rows[-2])
    return costs[rows[-1]] + slope * (num_rows - rows[-1])


def from_text(
    known: Sequence[int], text: Sequence[int], hint: Sequence[int] = (), min_match: int = 2
) -> Drafter:
    """Returns what followed the longest earlier occurrence of the end of the text so far.

    Looks in ``text`` (which ends at the cursor), in the tokens made so far and in ``hint``; of
    equally long matches the hint's wins, then the latest. Shorter ones than ``min_match`` tokens
    draft nothing.
    """

    def draft(done: int, most: int) -> Sequence[int]:
        whole = [*text, *known[:done]]
        place, length = longest_match(whole, whole, inside=True)
        hint_place, hint_length = longest_match(hint, whole, inside=False)
        if max(length, hint_length) < min_match:
            return []
        if hint_length >= length:
            return hint[hint_place : hint_place + most]
        return whole[place : place + most]

    return draft


def longest_match(text: Sequence[int], end: Sequence[int], inside: bool) -> tuple[int, int]:
    """Returns the place behind the longest match of the end of ``end`` in ``text``, and its length.

    The latest of equally long ones, and always one that something follows. ``inside``: ``end`` is
    ``text`` itself.
    """
    symbols, wanted = np.asarray(text, dtype=np.int64), np.asarray(end, dtype=np.int64)
    places = np.arange(1, len(symbols))  # behind the match; a token follows each
    length = 0
    while len(places) and length < len(wanted):
        kept = places[places > length]
        kept = kept[symbols[kept - 1 - length] == wanted[len(wanted) - 1 - length]]
        if not len(kept):
            break
        places, length = kept, length + 1
    assert not inside or length < len(symbols)
    return (int(places[-1]), length) if length else (0, 0)


def from_flags(known: Sequence[int], agrees: Sequence[bool]) -> Drafter:
    """Returns the drafts of a model that, after each beginning of ``known``, agrees or does not.

    A draft is right up to its first disagreement, so what comes behind that does not matter.
    """

    def draft(done: int, most: int) -> Sequence[int]:
        wrong = -1
        return [
            known[idx] if agrees[idx] else wrong
            for idx in range(done, min(done + most, len(known)))
        ]

    return draft
