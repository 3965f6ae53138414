"""What the engine thread needs of a model. `exec.runner.Runner` is the real one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from midfill_engine.exec.sampling_params import SampledToken
from midfill_engine.exec.work import Work
from midfill_engine.model.ahead import RunAhead


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

    @property
    def exact(self) -> bool:
        """Whether a row's numbers are the same however many rows share the step."""
        ...

    @property
    def max_rows(self) -> int | None:
        """Rows that one step holds, more of them take several; None where any number is one."""
        ...

    def run(self, works: Sequence[Work]) -> list[list[SampledToken]]:
        """Run one step of several sequences, each in a slot of its own; see `exec.work`.

        Returns for each its scored tokens, then those chosen: at the end of its inputs and behind
        each draft token that stood. May be called again with the same works after it raised.
        """
        ...

    @property
    def run_ahead(self) -> RunAhead | None:
        """Runs greedy steps of one sequence at once, as `run` would; None where that cannot be."""
        ...

    def copy_prefix(self, src: int, dst: int, length: int) -> None:
        """Copy positions [0, length) of one slot to another."""
        ...
