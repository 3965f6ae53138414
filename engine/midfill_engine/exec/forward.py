"""Several sequences' rows through a decoder, and the tokens that come of them.

One after the other in torch, at once natively. Where the best token is all that a work wants, the
native kernels find it on their way, and no logits leave them; `verify.choose` on logits is the
reference. Called by `runner`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch

from midfill_engine.exec.sampling_params import SampledToken
from midfill_engine.exec.verify import choose, keep
from midfill_engine.exec.work import Work
from midfill_engine.model.decoder import Decoder
from midfill_engine.model.kv_cache import KVCache
from midfill_engine.model.native import NativeDecoder
from midfill_engine.model.native_rows import Rows


class Forward(Protocol):
    """A decoder as `runner` uses it."""

    @property
    def kernels(self) -> str:
        """What computes, in words for `/info`."""
        ...

    @property
    def attention(self) -> str:
        """How attention is computed, in words for `/info`."""
        ...

    @property
    def weights(self) -> str:
        """What the matrices are kept in."""
        ...

    @property
    def exact(self) -> bool:
        """Whether a row's numbers are the same however many rows share the step."""
        ...

    def run(self, works: Sequence[Work], cache: KVCache) -> list[list[SampledToken]]:
        """Runs every work's tokens; returns what was chosen for each, see `Runner.run`."""
        ...


class TorchForward:
    """The plain way, on any device: a forward per sequence."""

    exact = False

    def __init__(self, decoder: Decoder, why: str) -> None:
        """`why` tells what spoke against the native kernels."""
        self._decoder = decoder
        self.kernels = f"torch ({why})"
        self.weights = str(decoder.dtype).removeprefix("torch.")
        grouped = decoder.device.type == "cpu" and decoder.dtype == torch.float32
        self.attention = "grouped+sdpa" if grouped else "sdpa"

    def run(self, works: Sequence[Work], cache: KVCache) -> list[list[SampledToken]]:
        """As `Forward.run`."""
        return [self._one(work, cache) for work in works]

    def _one(self, work: Work, cache: KVCache) -> list[SampledToken]:
        token_ids = torch.tensor(work.token_ids, dtype=torch.int64, device=self._decoder.device)
        logits = self._decoder.forward(token_ids, work.start, cache, work.slot, work.num_logits)
        return choose(logits, work) if work.num_logits else []


class NativeForward:
    """All rows of a step in one call of the CPU kernels."""

    exact = True
    attention = "native"

    def __init__(self, decoder: NativeDecoder) -> None:
        """Takes a decoder that `kernel_choice` made."""
        self._decoder = decoder
        self.kernels = f"native {decoder.instruction_set}"
        self.weights = decoder.kind

    def run(self, works: Sequence[Work], cache: KVCache) -> list[list[SampledToken]]:
        """As `Forward.run`."""
        plain = [work.plain for work in works]
        keep_logits = any(
            work.num_logits and not each for work, each in zip(works, plain, strict=True)
        )
        outcome = self._decoder.step(_rows(works), cache, keep_logits=keep_logits)
        best = [*map(SampledToken, outcome.best, outcome.logprobs)]
        chosen: list[list[SampledToken]] = []
        begin = 0
        for work, each in zip(works, plain, strict=True):
            end = begin + work.num_logits
            if each:
                chosen.append(keep(best[begin:end], work))
            elif outcome.logits is not None and end > begin:
                chosen.append(choose(outcome.logits[begin:end], work, best[begin:end]))
            else:
                chosen.append([])
            begin = end
        return chosen


def _rows(works: Sequence[Work]) -> Rows:
    """Returns the works' tokens side by side."""
    token_ids: list[int] = []
    positions: list[int] = []
    slots: list[int] = []
    logit_rows: list[int] = []
    for work in works:
        count = len(work.token_ids)
        token_ids += work.token_ids
        positions += range(work.start, work.start + count)
        slots += [work.slot] * count
        logit_rows += range(len(token_ids) - work.num_logits, len(token_ids))
    return Rows(token_ids, positions, slots, logit_rows)
