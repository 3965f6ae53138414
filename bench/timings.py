"""The measurements of `bench/engine.py`: what every contender is asked, in turns.

Medians over the repetitions; each repetition asks about another place of the text, and all
contenders about the same one.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bench.contenders import Contender, Trace

Figures = dict[str, float]
"""By contender."""

FIRST_TOKEN_LENGTHS = (64, 512, 2048)
COMPLETION_PROMPT = 512
CURVE_LENGTHS = (64, 256, 512, 1024, 2048, 4096)
CROWD_PROMPT = 128
TYPED_PROMPT = 512
"""Of a crowd that types: all but its last token is known."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured.

    Attributes:
        text: token ids that the prompts are cut from.
        context: tokens that a contender can hold.
        new_tokens: of a completion.
        repetitions: of every measurement.
        crowds: how many ask at once.
    """

    text: Sequence[int]
    context: int
    new_tokens: int
    repetitions: int
    crowds: tuple[int, ...]

    def prompt(self, length: int, place: int) -> list[int]:
        """Returns `length` tokens from the text's `place`, the first of them the text's own.

        The first token is the beginning-of-sequence token where the model has one.
        """
        start = 1 + (place * 149) % max(1, len(self.text) - length)
        return [self.text[0], *self.text[start : start + length - 1]]

    def fitting(self, lengths: Sequence[int], extra: int) -> list[int]:
        """Returns the lengths cut to what fits with `extra` more tokens, each once."""
        longest = min(self.context - extra, len(self.text))
        return sorted({min(length, longest) for length in lengths})


def measure(plan: Plan, contenders: Sequence[Contender]) -> dict[str, Any]:
    """Returns all timings by measure and contender, in milliseconds but for `crowd`."""
    cold: dict[int, Figures] = {}
    extended: dict[int, Figures] = {}
    computed: dict[int, dict[str, int]] = {}
    for length in plan.fitting(FIRST_TOKEN_LENGTHS, 1):
        cold[length] = first_token_ms(in_turns(plan, contenders, length, 1))
        traces = in_turns(plan, contenders, length, 1, known=length - 1)
        extended[length] = first_token_ms(traces)
        computed[length] = {name: found[0].computed for name, found in traces.items()}
    (length,) = plan.fitting((COMPLETION_PROMPT,), plan.new_tokens)
    traces = in_turns(plan, contenders, length, plan.new_tokens)
    return {
        "first_token_ms": cold,
        "extended_first_token_ms": extended,
        "extended_computed_tokens": computed,
        "completion_ms": {
            name: statistics.median(trace.seconds[-1] * 1000 for trace in found)
            for name, found in traces.items()
        },
        "ms_per_token": {name: ms_per_token(found) for name, found in traces.items()},
        "same_tokens": agreement(traces),
        "curve_ms_per_token": curve(plan, contenders),
        "crowd_tokens_per_s": crowds(plan, contenders, CROWD_PROMPT),
        "typing_crowd_tokens_per_s": crowds(plan, contenders, TYPED_PROMPT, typed=1),
    }


def in_turns(
    plan: Plan, contenders: Sequence[Contender], length: int, count: int, known: int = 0
) -> dict[str, list[Trace]]:
    """Returns the traces of a completion a repetition, in turns, after an uncounted one."""
    traces: dict[str, list[Trace]] = {each.name: [] for each in contenders}
    for place in range(plan.repetitions + 1):
        prompt = plan.prompt(length, place)
        for each in contenders:
            traces[each.name].append(each.complete(prompt, count, known))
    return {name: found[1:] for name, found in traces.items()}


def curve(plan: Plan, contenders: Sequence[Contender]) -> dict[int, Figures]:
    """Returns milliseconds a token behind prompts of rising length."""
    found: dict[int, Figures] = {}
    for length in plan.fitting(CURVE_LENGTHS, plan.new_tokens):
        traces = in_turns(plan, contenders, length, plan.new_tokens)
        found[length] = {name: ms_per_token(each) for name, each in traces.items()}
    return found


def crowds(
    plan: Plan, contenders: Sequence[Contender], length: int, typed: int | None = None
) -> dict[int, Figures]:
    """Returns tokens a second of all requests together, by how many ask at once.

    Args:
        plan: what is measured.
        contenders: who is.
        length: of the prompts, in tokens.
        typed: how many of them are new; None computes all.
    """
    (length,) = plan.fitting((length,), plan.new_tokens)
    known = 0 if typed is None else length - typed
    found: dict[int, Figures] = {}
    for num in plan.crowds:
        seconds: dict[str, list[float]] = {each.name: [] for each in contenders}
        for turn in range(plan.repetitions):
            prompts = [plan.prompt(length, turn * num + idx) for idx in range(num)]
            for each in contenders:
                seconds[each.name].append(each.crowd(prompts, plan.new_tokens, known))
        made = num * plan.new_tokens
        found[num] = {name: made / statistics.median(each) for name, each in seconds.items()}
    return found


def first_token_ms(traces: dict[str, list[Trace]]) -> Figures:
    """Returns each contender's median time to the first token."""
    return {
        name: statistics.median(trace.seconds[0] * 1000 for trace in found)
        for name, found in traces.items()
    }


def ms_per_token(traces: Sequence[Trace]) -> float:
    """Returns the median over completions of the mean time between tokens.

    The mean, since drafted tokens come several at a time.
    """
    return statistics.median(
        sum(after - before for before, after in pairwise(trace.seconds))
        * 1000 / max(1, len(trace.seconds) - 1)
        for trace in traces
    )  # fmt: skip


def agreement(traces: dict[str, list[Trace]]) -> dict[str, int]:
    """Returns for each of ours how many completions equal transformers' in the same dtype."""
    found: dict[str, int] = {}
    for name, ours in traces.items():
        theirs = traces.get(f"transformers {name.split()[1]}")
        if name.startswith("midfill") and theirs is not None:
            found[name] = sum(a.tokens == b.tokens for a, b in zip(ours, theirs, strict=True))
    return found
