"""One sequence's part of a step: plain values that `runtime` fills and `exec.runner` obeys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from midfill_engine.exec.sampling_params import SamplingParams

Mask: TypeAlias = npt.NDArray[np.bool_]
"""Whether a token may come, by its id; an id behind the mask's end may not."""


@dataclass(frozen=True, slots=True)
class Work:
    """Tokens to run in one slot, and how to choose those that follow.

        position  0 .............. start .................. start + len(token_ids)
                  |── in the cache ──|── inputs ──|── drafts ──|

    Attributes:
        slot: whose keys and values; [0, start) of it is valid.
        token_ids: what to run at [start, start + len); the last `num_drafts` are guesses of what
            will be chosen, at least one is not.
        start: position of the first.
        num_drafts: how many of them are guesses; 0 where nothing is chosen.
        sampling: how to choose; None chooses nothing (a part of a prompt, a warm-up).
        prompt_ids: tokens that the repetition penalty covers, see `sampling.sample`.
        generated_ids: those chosen so far, without the drafts.
        allowed: empty, or 1 + num_drafts entries: which tokens may come at that place, at least
            one; None: any.
        scored_ids: tokens of the prompt whose log-probabilities are wanted: scored_ids[i] stands
            behind token_ids[i]. Empty or all that the prompt has.
        top_n: how many of the likeliest tokens are told at every place.
    """

    slot: int
    token_ids: Sequence[int]
    start: int
    num_drafts: int = 0
    sampling: SamplingParams | None = None
    prompt_ids: Sequence[int] = ()
    generated_ids: Sequence[int] = ()
    allowed: Sequence[Mask | None] = ()
    scored_ids: Sequence[int] = ()
    top_n: int = 0

    @property
    def num_logits(self) -> int:
        """The last places whose logits are wanted: all, or the inputs' end and each draft's."""
        if self.scored_ids:
            return len(self.token_ids)
        return 0 if self.sampling is None else 1 + self.num_drafts

    @property
    def has_prompt(self) -> bool:
        """Whether some part of a prompt is run, not only the token before and drafts."""
        return self.sampling is None or len(self.token_ids) - self.num_drafts > 1

    @property
    def plain(self) -> bool:
        """Whether the best token behind each place and its log-probability are all it takes.

        What narrows a draw has no effect on a greedy choice.
        """
        if not self.plainly_chosen or self.scored_ids:
            return False
        return all(mask is None for mask in self.allowed)

    @property
    def plainly_chosen(self) -> bool:
        """The same of every place that has no mask."""
        sampling = self.sampling
        if sampling is None or not sampling.greedy or sampling.rescored:
            return False
        return not self.top_n
