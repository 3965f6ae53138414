"""A step of several sequences on a GPU, its choice included, behind what `runner` calls.

Parts of prompts run first, each by itself; then everybody's rows together (`row_plan`). What a
request gets depends on its own tokens only, where the kernels are `exact`. Made by `gpu_choice`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

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
        """Returns how far a few rows' logits are from torch's, over the size of those.

        Slot 0's contents are lost.
        """
        ids = [idx * 7919 % self.decoder.spec.vocab_size for idx in range(_CHECKED_ROWS)]
        ids = ids[: self._cache.max_len]
        expected = self.decoder.prompt_logits(ids, 0, self._cache, slot=0)
        self.steps.run([cut(0, Work(0, ids, 0, sampling=SamplingParams()), self.decoder.max_rows)])
        found = self.steps.logits(0, len(ids))
        return ((found - expected).square().sum() / expected.square().sum()).sqrt().item()

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
