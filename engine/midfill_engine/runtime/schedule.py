"""Who runs next: the order of requests that wait for a slot, and who shares a step.

Pure; `loop` owns the lists. The policy:

- Every step takes a token of each sequence that is generating, and prompt tokens of those that are
  not: whole chunks (`sequence.PREFILL_CHUNK`), at most one chunk's tokens a step in all, the most
  urgent first. So a generating sequence waits for one chunk at most, and what a sequence computes
  in a step depends on its own prompt only, never on the load.
- The most urgent has the earliest deadline, counted in steps from its arrival: a prompt's chunks
  take CHUNK_STEPS each, so that a short one passes the long ones that came shortly before it, and
  a request without a `session` (not somebody's typing) is given SESSIONLESS_STEPS more. The same
  order, without the chunks, gives out free slots.
- Requests without a session leave one slot of four or more to those with one: long generations
  that fill all others never keep somebody's typing waiting for an end.
- Deadlines stand still while the count of steps goes on: whoever waits is in time passed by nobody
  who comes later, so nothing starves.
"""

from __future__ import annotations

from collections.abc import Iterable

from midfill_engine.runtime.sequence import PREFILL_CHUNK, Sequence

CHUNK_STEPS = 8
SESSIONLESS_STEPS = 64


_SLOTS_TO_KEEP_ONE = 4
"""With fewer, an unused slot would cost a third of the machine or more."""


def most_plain(num_slots: int) -> int:
    """Return how many requests without a session may run at once."""
    return num_slots - 1 if num_slots >= _SLOTS_TO_KEEP_ONE else num_slots


def placeable(
    waiting: Iterable[Sequence], running: Iterable[Sequence], num_slots: int
) -> list[Sequence]:
    """Return those of `waiting` that may take a free slot."""
    ready = [one for one in waiting if one.ready]
    if sum(one.request.session is None for one in running) < most_plain(num_slots):
        return ready
    return [one for one in ready if one.request.session is not None]


def next_placed(waiting: Iterable[Sequence]) -> Sequence:
    """Return whom the next free slot belongs to; `waiting` is not empty."""
    return min(waiting, key=lambda sequence: (_due(sequence), sequence.request_id))


def pick(running: Iterable[Sequence]) -> list[Sequence]:
    """Return those that share the next step, in the order of `running`."""
    running = list(running)
    prefilling = [sequence for sequence in running if sequence.prompt_left]
    prefilling.sort(key=lambda sequence: (_prefill_due(sequence), sequence.request_id))
    picked: set[int] = set()
    budget_tokens = PREFILL_CHUNK
    for sequence in prefilling:
        chunk_len = min(sequence.prompt_left, PREFILL_CHUNK)
        if chunk_len <= budget_tokens:
            budget_tokens -= chunk_len
            picked.add(sequence.request_id)
    return [
        sequence
        for sequence in running
        if not sequence.prompt_left or sequence.request_id in picked
    ]


def _due(sequence: Sequence) -> int:
    patience = SESSIONLESS_STEPS if sequence.request.session is None else 0
    return sequence.submitted_step + patience


def _prefill_due(sequence: Sequence) -> int:
    num_uncached = len(sequence.request.prompt_ids) - sequence.cached_len
    return _due(sequence) + CHUNK_STEPS * -(-num_uncached // PREFILL_CHUNK)
