"""A runner without a model: it checks what it is told and answers a function of the whole text.

The next token is a hash of all tokens that the slot holds, so a wrong reuse of cached positions
changes the answer.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Sequence

import numpy as np

from midfill_engine.exec.sampling_params import SampledToken
from midfill_engine.exec.work import Work

FIRST_BYTE_TOKEN = 3  # ids of tests/engine/tiny.py: 3 + byte
ENDLESS = 10**8
"""Tokens that no test ever waits for: such a request ends by abort only."""
STEP_S = 0.0003
"""A step takes time, as every model's does: one that took none would produce events faster than
any event loop could send them, and starve it."""


def expected_tokens(prompt_ids: Sequence[int], count: int) -> list[int]:
    """What the fake answers: lower-case letters only, chosen by the text so far."""
    tokens = list(prompt_ids)
    for _ in range(count):
        tokens.append(next_token(tokens))
    return tokens[len(prompt_ids) :]


def next_token(tokens: Sequence[int]) -> int:
    """A letter that depends on the length and the last 64 tokens; `run` compares all of them."""
    key = repr((len(tokens), list(tokens[-64:])))
    return FIRST_BYTE_TOKEN + ord("a") + zlib.crc32(key.encode()) % 26


class FakeRunner:
    """Keeps tokens where a real runner keeps keys and values."""

    run_ahead = None
    max_rows: int | None = None

    def __init__(self, num_slots: int = 3, max_total_tokens: int = 10**9) -> None:
        self._num_slots = num_slots
        self._max_total_tokens = max_total_tokens
        self.slots: list[list[int]] = [[] for _ in range(num_slots)]
        self.step_s = STEP_S
        self.computed = 0
        self.longest_input = 0
        self.gate = threading.Event()
        self.gate.set()
        self.in_step = threading.Event()
        self.batches: list[tuple[Work, ...]] = []
        self.before_run: Callable[[], None] = lambda: None
        self.fail: Callable[[Sequence[int]], None] = lambda _prompt: None
        self.choose: Callable[[Sequence[int]], int] = next_token

    @property
    def num_slots(self) -> int:
        return self._num_slots

    @property
    def vocab_size(self) -> int:
        return 10**6

    @property
    def max_total_tokens(self) -> int:
        return self._max_total_tokens

    @property
    def exact(self) -> bool:
        return True

    def run(self, works: Sequence[Work]) -> list[list[SampledToken]]:
        self.in_step.set()
        assert self.gate.wait(30)
        self.before_run()
        assert len({work.slot for work in works}) == len(works), "two works in one slot"
        for work in works:
            self.fail(work.prompt_ids)
        time.sleep(self.step_s)
        self.batches.append(tuple(works))
        return [self._run_one(work) for work in works]

    def _run_one(self, work: Work) -> list[SampledToken]:
        held = self.slots[work.slot]
        num_inputs = len(work.token_ids) - work.num_drafts
        assert num_inputs > 0, "nothing to run"
        assert work.start <= len(held), "a hole in the cache"
        held[work.start :] = work.token_ids
        assert len(held) <= self._max_total_tokens
        self.computed += num_inputs
        self.longest_input = max(self.longest_input, num_inputs)
        scored = [SampledToken(token_id, -2.0) for token_id in work.scored_ids]
        rest = work.prompt_ids[work.start + 1 :]
        assert list(work.scored_ids) in ([], list(rest[: len(work.token_ids)])) or not rest
        if work.sampling is None:
            assert not work.num_drafts
            return scored
        assert held[: work.start + num_inputs] == [*work.prompt_ids, *work.generated_ids], (
            "the slot holds another text"
        )
        return [*scored, *self._choose(held, work, num_inputs)]

    def _choose(self, held: list[int], work: Work, num_inputs: int) -> list[SampledToken]:
        tokens: list[SampledToken] = []
        for idx in range(1 + work.num_drafts):
            text = held[: work.start + num_inputs + idx]
            token_id = self.choose(text)
            allowed = work.allowed[idx] if work.allowed else None
            if allowed is not None and not (token_id < len(allowed) and allowed[token_id]):
                ids = np.flatnonzero(allowed)
                token_id = int(ids[next_token(text) % len(ids)])
            tokens.append(SampledToken(token_id, -1.0))
            if idx < work.num_drafts and token_id != work.token_ids[num_inputs + idx]:
                break
        return tokens

    def copy_prefix(self, src: int, dst: int, length: int) -> None:
        assert length <= len(self.slots[src])
        self.slots[dst] = self.slots[src][:length]
