"""A step of several sequences on a GPU, its choice included, behind what `runner` calls.

Parts of prompts run first, each by itself; then everybody's rows together (`row_plan`). What a
request gets depends on its own tokens only, where the kernels are `exact`. Made by `gpu_choice`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from midfill_engine.exec.graphs import Capture, Steps, sizes_ahead
from midfill_engine.exec.row_plan import Part, batches, chosen_on_device, cut
from midfill_engine.exec.sampling import checked
from midfill_engine.exec.sampling_params import SampledToken, SamplingParams
from midfill_engine.exec.verify import choose
from midfill_engine.exec.work import Work
from midfill_engine.kernels.gpu_interface import LOGPROB, STOOD, TOKEN
from midfill_engine.model.gpu_decoder import GpuDecoder
from midfill_engine.model.kv_cache import KVCache

_CHECKED_ROWS = 12
_CHECKED_CONTEXT = 300
"""Positions before the rows of the other checks: several pieces of attention, the last in part."""


class GpuForward:
    """`forward.Forward` over the cache that its graphs were captured over."""

    def __init__(
        self,
        decoder: GpuDecoder,
        cache: KVCache,
        capture: Capture,
        *,
        weights: str,
        prompt_attention: str,
    ) -> None:
        """Takes what belongs together; the last two are words for `/info`."""
        self.decoder = decoder
        self._cache = cache
        self.steps = Steps(decoder, cache, capture)
        self.kernels = f"{decoder.name}, {capture.name}"
        self.attention = f"{decoder.attention_name}, prompts {prompt_attention}"
        self.weights = weights
        self.exact = decoder.exact
        self.max_rows = decoder.max_rows

    def prepare(self) -> None:
        """Compiles and captures all sizes of step: while serving, requests would wait for it."""
        self.steps.prepare(sizes_ahead(self._cache.num_slots, self.decoder.max_rows))

    def difference(self) -> float:
        """Returns how far rows' logits are from torch's, over the size of those: the furthest.

        Rows of a prompt; then, behind a context, one row, one with drafts, and one of each of two
        sequences. The contents of slots 0 and 1 are lost.
        """
        decoder, cache = self.decoder, self._cache
        length = min(_CHECKED_CONTEXT + _CHECKED_ROWS, cache.max_len)
        ids = [idx * 7919 % decoder.spec.vocab_size for idx in range(length)]
        first, context = ids[:_CHECKED_ROWS], max(0, length - _CHECKED_ROWS)
        expected = decoder.prompt_logits(first, 0, cache, slot=0)
        found = [self._differs([Work(0, first, 0, sampling=SamplingParams())], expected)]
        if context:
            decoder.prefill(ids[:context], 0, cache, slot=0)
            behind = ids[context : context + 4]
            expected = decoder.prompt_logits(behind, context, cache, slot=0)
            slots = range(min(2, cache.num_slots))
            cache.copy_prefix(0, slots[-1], context)
            ones = [Work(slot, behind[:1], context, sampling=SamplingParams()) for slot in slots]
            drafts = Work(0, behind, context, 3, SamplingParams())
            found.append(self._differs(ones[:1], expected[:1]))
            found.append(self._differs([drafts], expected))
            found.append(self._differs(ones, expected[:1].expand(len(ones), -1)))
        return torch.stack(found).max().item()  # NaN where one is

    def _differs(self, works: Sequence[Work], expected: torch.Tensor) -> torch.Tensor:
        self.steps.run([cut(idx, work, self.decoder.max_rows) for idx, work in enumerate(works)])
        found = self.steps.logits(0, len(expected))
        return ((found - expected).square().sum() / expected.square().sum()).sqrt()

    def run(self, works: Sequence[Work]) -> list[list[SampledToken]]:
        """As `Forward.run`."""
        found: list[list[SampledToken]] = [[] for _ in works]
        parts: list[Part] = []
        for idx, work in enumerate(works):
            if work.scored_ids:
                found[idx] = self._scored(work)
            else:
                parts.append(cut(idx, work, self.decoder.max_rows))
        for part in parts:
            if part.body:
                self.decoder.prefill(part.body, part.body_start, self._cache, part.work.slot)
        for batch in batches(parts, self.decoder.max_rows):
            outcome = self.steps.run(batch)
            row = 0
            for part in batch:
                row += part.num_rows
                first = row - part.work.num_logits
                if chosen_on_device(part.work):
                    found[part.idx] = _accepted(outcome[first:row])
                else:
                    logits = self.steps.logits(first, part.work.num_logits)
                    found[part.idx] = choose(logits.cpu(), part.work)
        return found

    def _scored(self, work: Work) -> list[SampledToken]:
        """Runs a part of a prompt whose every token is scored: in torch, without any draft.

        How many logits are computed would change their last bits, so that a draft might.
        """
        ids = work.token_ids[: len(work.token_ids) - work.num_drafts]
        alone = replace(work, token_ids=ids, num_drafts=0, allowed=work.allowed[:1])
        logits = self.decoder.prompt_logits(ids, work.start, self._cache, work.slot)
        return choose(logits.cpu(), alone)


def _accepted(outcome: npt.NDArray[np.float64]) -> list[SampledToken]:
    """Returns the tokens up to and behind the last draft that stood; outcome [1 + drafts, 3].

    Raises:
        EngineError: as `checked`.
    """
    tokens: list[SampledToken] = []
    for row in outcome:
        tokens.append(checked(SampledToken(int(row[TOKEN]), float(row[LOGPROB]))))
        if not row[STOOD]:
            break
    return tokens
