"""A runner without a model: it checks what it is told and answers a function of the whole text.

The next token is a hash of all tokens that the slot holds, so a wrong reuse of cached positions
changes the answer.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Sequence

from midfill_engine.exec.sampling_params import SampledToken, SamplingParams

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
    """A letter that depends on the length and the last 64 tokens; `step` compares all of them."""
    key = repr((len(tokens), list(tokens[-64:])))
    return FIRST_BYTE_TOKEN + ord("a") + zlib.crc32(key.encode()) % 26


class FakeRunner:
    """Keeps tokens where a real runner keeps keys and values."""

    def __init__(self, num_slots: int = 3, max_total_tokens: int = 10**9) -> None:
        self._num_slots = num_slots
        self._max_total_tokens = max_total_tokens
        self.slots: list[list[int]] = [[] for _ in range(num_slots)]
        self.computed = 0
        self.longest_input = 0
        self.gate = threading.Event()
        self.gate.set()
        self.in_step = threading.Event()
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

    def prefill(self, slot: int, token_ids: Sequence[int], start: int) -> None:
        self.in_step.set()
        assert self.gate.wait(30)
        held = self.slots[slot]
        assert token_ids, "nothing to run"
        assert start <= len(held), "a hole in the cache"
        held[start:] = token_ids
        assert len(held) <= self._max_total_tokens
        self.computed += len(token_ids)
        self.longest_input = max(self.longest_input, len(token_ids))

    def step(
        self,
        slot: int,
        token_ids: Sequence[int],
        start: int,
        sampling: SamplingParams,
        prompt_ids: Sequence[int],
        generated_ids: Sequence[int],
        allowed: Sequence[int] | None = None,
    ) -> SampledToken:
        self.fail(prompt_ids)
        time.sleep(STEP_S)
        self.prefill(slot, token_ids, start)
        assert self.slots[slot] == [*prompt_ids, *generated_ids], "the slot holds another text"
        token_id = self.choose(self.slots[slot])
        if allowed is not None and token_id not in allowed:
            token_id = allowed[next_token(self.slots[slot]) % len(allowed)]
        return SampledToken(token_id, -1.0)

    def copy_prefix(self, src: int, dst: int, length: int) -> None:
        assert length <= len(self.slots[src])
        self.slots[dst] = self.slots[src][:length]
