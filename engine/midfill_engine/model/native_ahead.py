"""`Ahead` as the library takes it, and what it tells. Called by `native`, which has checked it."""

from __future__ import annotations

import ctypes
from array import array

import numpy as np

from midfill_engine.kernels.library import Ahead as Asked
from midfill_engine.kernels.library import AheadStep, Batch, Drafts, Library
from midfill_engine.model.ahead import Ahead, Guesses, StepMade

_MOST_TOKENS = 64
"""Of one call: what is made room for. The budget of time is spent before."""


def run_ahead(
    library: Library, handle: int, ahead: Ahead, cache: Batch, vocab_size: int
) -> list[StepMade]:
    """Runs the steps.

    Raises:
        ValueError: the ends are not those of this vocabulary, or a guess's place is none.
        MemoryError: the first of them does not fit.
    """
    ends, most = ahead.ends, min(ahead.most_tokens, _MOST_TOKENS)
    if ends is not None and (ends.shape != (vocab_size,) or ends.dtype != np.uint8):
        raise ValueError(f"ends of {ends.dtype} {ends.shape}; this vocabulary has {vocab_size}")
    tokens, logprobs = array("i", bytes(4 * most)), array("f", bytes(4 * most))
    steps = (AheadStep * most)()
    guesses = None if ahead.guesses is None else _Guesses(ahead.guesses)
    asked = Asked(
        slot=ahead.slot,
        last=ahead.last,
        position=ahead.position,
        most_tokens=most,
        ends=None if ends is None else ends.ctypes.data,
        interrupt=ahead.interrupt.buffer_info()[0],
        budget_ms=ahead.budget_ms,
        drafts=None if guesses is None else ctypes.pointer(guesses.drafts),
        tokens=tokens.buffer_info()[0],
        logprobs=logprobs.buffer_info()[0],
        steps=steps,
    )
    library.run_ahead(handle, cache, asked)
    made: list[StepMade] = []
    begin = 0
    for step in steps[: asked.num_steps]:
        end = begin + step.num_tokens
        ids, probs = tokens[begin:end].tolist(), logprobs[begin:end].tolist()
        made.append(StepMade(step.num_rows, step.ms, ids, probs))
        begin = end
    return made


class _Guesses:
    """The structure, and the memory that it points to."""

    def __init__(self, guesses: Guesses) -> None:
        text, hint = (np.frombuffer(part, np.int32) for part in (guesses.text, guesses.hint))
        at = -1 if guesses.at is None else guesses.at
        if at >= len(hint if guesses.in_hint else text) or len(guesses.cost_rows) < 2:
            raise ValueError("a guess is read where there is nothing, or its cost is not known")
        rates, sizes = array("f", guesses.rates), array("i", guesses.cost_rows)
        costs = array("d", guesses.cost_ms)
        self._kept = text, hint, rates, sizes, costs
        self.drafts = Drafts(
            text=text.ctypes.data,
            hint=hint.ctypes.data,
            text_len=len(text),
            hint_len=len(hint),
            hint_at=guesses.hint_at,
            at=at,
            in_hint=guesses.in_hint,
            agreed=guesses.agreed,
            rates=rates.buffer_info()[0],
            cost_rows=sizes.buffer_info()[0],
            cost_ms=costs.buffer_info()[0],
            num_costs=len(sizes),
        )
