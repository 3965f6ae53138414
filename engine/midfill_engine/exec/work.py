"""One sequence's part of a step: plain values that `runtime` fills and `exec.runner` obeys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from midfill_engine.exec.sampling_params import SamplingParams

Mask: TypeAlias = npt.NDArray[np.bool_]
"""Whether a token may come, by its id; an id behind the mask's end may not."""

_GREEDY = SamplingParams()


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
    """

    slot: int
    token_ids: Sequence[int]
    start: int
    num_drafts: int = 0
    sampling: SamplingParams | None = None
    prompt_ids: Sequence[int] = ()
    generated_ids: Sequence[int] = ()
    allowed: Sequence[Mask | None] = ()

    @property
    def num_logits(self) -> int:
        """Places whose next token may be wanted: the inputs' end and behind each draft."""
        return 0 if self.sampling is None else 1 + self.num_drafts

    @property
    def plain(self) -> bool:
        """Whether the best token behind each place and its log-probability are all it takes.

        What has no effect on a greedy choice is left out; any other setting makes it more.
        """
        sampling = self.sampling
        if sampling is None or not sampling.greedy:
            return False
        if any(ids is not None for ids in self.allowed):
            return False
        return replace(sampling, top_k=None, top_p=None, seed=0) == _GREEDY
