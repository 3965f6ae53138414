"""Steps of one sequence that follow each other without a word to the caller: plain values.

What `runtime` wants, what the native decoder made of it. Knows no kernels.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Guesses:
    """What drafts rest on; see `runtime.draft`, `runtime.step_costs`.

    Attributes:
        text: prompt and answer so far, an int32 a token.
        hint: what may well be the answer, likewise.
        hint_at: what comes of the hint is at or behind it.
        at: where the guess is read; None: to be found.
        in_hint: whether that is a place in the hint.
        agreed: how many tokens before it are the sequence's own.
        rates: chances by the tokens that agreed, nine in the text, then nine in the hint.
        cost_rows: sizes of steps that were timed, ascending, at least two.
        cost_ms: their milliseconds.
    """

    text: bytes
    hint: bytes
    hint_at: int
    at: int | None
    in_hint: bool
    agreed: int
    rates: tuple[float, ...]
    cost_rows: tuple[int, ...]
    cost_ms: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Ahead:
    """Greedy steps behind one sequence's last token; always at least one.

    Attributes:
        slot: whose keys and values; [0, position) of it is valid.
        last: the last token.
        position: its own.
        most_tokens: how many may be made, at least 1.
        ends: [V] uint8: whether no step follows a token; None: none ends them.
        interrupt: no step follows once its first item is not 0; any thread may set it.
        budget_ms: nor once they have taken so long.
        guesses: what is drafted; None drafts nothing.
    """

    slot: int
    last: int
    position: int
    most_tokens: int
    ends: npt.NDArray[np.uint8] | None
    interrupt: array[int]
    budget_ms: float
    guesses: Guesses | None


@dataclass(frozen=True, slots=True)
class StepMade:
    """One of these steps: rows that it ran, its milliseconds, its tokens, their log-probabilities.

    A log-probability is NaN where the logits are no numbers; such a token is the last.
    """

    num_rows: int
    ms: float
    token_ids: list[int]
    logprobs: list[float]


RunAhead: TypeAlias = Callable[[Ahead], list[StepMade]]
"""Runs the steps; raises what a step of the runner raises if that is the first of them."""
