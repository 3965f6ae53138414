"""What the engine thread needs of a model. `exec.runner.Runner` is the real one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from midfill_engine.exec.sampling_params import SampledToken, SamplingParams


class ModelRunner(Protocol):
    """One model and its cache; plain integers in and out, called by one thread only."""

    @property
    def num_slots(self) -> int:
        """Number of sequences that fit the cache."""
        ...

    @property
    def max_total_tokens(self) -> int:
        """Prompt and generated tokens that fit one slot."""
        ...

    @property
    def vocab_size(self) -> int:
        """Token ids are [0, vocab_size)."""
        ...

    def prefill(self, slot: int, token_ids: Sequence[int], start: int) -> None:
        """Write keys and values of `token_ids` at [start, start + len)."""
        ...

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
        """Run `token_ids` at [start, start + len) and choose the token that follows.

        `allowed`: ids that it must be one of, in any order, at least one; None: any.
        """
        ...

    def copy_prefix(self, src: int, dst: int, length: int) -> None:
        """Copy positions [0, length) of one slot to another."""
        ...
